"""What commands share that run on many photos: `--on` and its options, and what a finished job prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli.console import Bar, put, say
from headstart.apps.cli.grouping import Choice, option
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.scale.engines import Engine
    from headstart.scale.mapping import Mapper
    from headstart.scale.running import Finished

MANY = "Many photos"


class Anywhere(click.ParamType[Path | str]):
    """A path, or an address such as `s3://bucket/photos`, which stays text."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """See `click.ParamType.convert`."""
        return value if "://" in str(value) else Path(value)


ANYWHERE = Anywhere()
on = option(
    "--on", "engine", group=MANY, type=Choice(["local", "ray"]), show_default=False,
    help="Work in units that survive any end of the process: in processes of this machine, or on Ray (needs "
    "headstart[ray]). The same command again continues.",
)  # fmt: skip
workers = option(
    "--workers", group=MANY, type=click.IntRange(1), metavar="N", show_default=False,
    help="With --on: number of workers; if not given, one for eight processors here, one for each on Ray.",
)  # fmt: skip
address = option(
    "--address", group=MANY, metavar="ADDRESS", default="", show_default=False,
    help="With --on ray: of the cluster, such as auto or ray://head:10001; if not given, a cluster on this machine.",
)  # fmt: skip
column = option(
    "--column", group=MANY, metavar="NAME", default="", show_default=False,
    help="With --on, for tables: the column with the bytes or addresses of the photos.",
)  # fmt: skip

numbers = option(
    "--numbers", group=MANY, type=Choice(["float32", "float16"]), default="float32",
    help="With --on: type of the numbers; float16 takes half the bytes.",
)  # fmt: skip


def engine(engine: str, workers: int | None, address: str, bar: Bar) -> Engine:
    """The engine that a user chose, which reports to the bar that it starts.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    if engine == "ray":
        from headstart.scale.on_ray import OnRay

        return OnRay(address, workers or 0, progress=bar)
    if address:
        raise click.UsageError("--address needs --on ray.")
    from headstart.scale.local import Local

    return Local(workers or 0)


def needs_engine(engine: None, **given: Any) -> None:
    """Refuse options that mean nothing without --on."""
    for name, value in given.items():
        if value:
            raise click.UsageError(f"--{name} needs --on local or --on ray.")


def typed(name: str) -> bool:
    """Whether the user gave an option, so that its value is no default."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def refuse_others(*allowed: str) -> None:
    """Refuse what was typed although it means nothing with --on."""
    for parameter in click.get_current_context().command.params:
        if typed(parameter.name or "") and parameter.name not in (*allowed, "engine", "address", "as_json"):
            raise click.UsageError(f"{parameter.opts[0]} cannot be used with --on.")


def mapper(engine: str, address: str, bar: Bar) -> Mapper:
    """What runs the passes of a training, which reports to the bar that it starts.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    if engine == "ray":
        from headstart.scale.mapping import Tasks
        from headstart.scale.on_ray import OnRay

        return Tasks(OnRay(address, progress=bar))
    if address:
        raise click.UsageError("--address needs --on ray.")
    from headstart.scale.mapping import Here

    return Here()


def here(places: Sequence[Path | str]) -> list[Path]:
    """Paths on this disk; addresses need --on."""
    for place in places:
        if isinstance(place, str):
            raise click.UsageError(f"{place} is in an object store: it needs --on local or --on ray.")
    return [Path(place) for place in places]


def show(found: Finished) -> None:
    """Print what a job did."""
    for reason, count in found.reasons.items():
        say(f"Skipped {counted(count, 'photo')}: {reason}.")
    if found.repeated:
        say(f"{counted(found.repeated, 'request')} to the object store failed and repeated.")
    speed = f", {found.photos_per_second:,.0f} photos/s" if found.photos_per_second else ""
    peak = f", {found.memory / 1e6:,.0f} MB in a worker" if found.memory else ""
    put(
        f"{found.used:,} of {counted(found.photos, 'photo')} in {counted(found.units, 'unit')}: {found.path}.",
        f"{counted(found.computed, 'unit')} computed in {found.seconds:,.1f} s{speed}{peak}.",
    )
