"""`headstart plan`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli import at_scale, options
from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.grouping import Command, argument, option
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.scale.planning import Estimate, Plan
    from headstart.scale.sampling import Range

_NODES = "Machines of a cluster"


@click.command(cls=Command, examples=("plan photos", "plan s3://bucket/photos --nodes 8 --cpus 16 --price 0.7"))
@argument("photos", type=at_scale.ANYWHERE, nargs=-1, required=True, help="What `headstart embed --on` takes.")
@options.backbone
@options.view
@options.input_range
@options.layers
@option("--nodes", group=_NODES, type=click.IntRange(1), metavar="N", show_default=False, help="Number of machines.")
@option(
    "--cpus", group=_NODES, type=click.IntRange(1), metavar="N", show_default=False,
    help="Processors of each; if not given, as many as here. They are taken for as fast as these.",
)  # fmt: skip
@option("--gpus", group=_NODES, type=int, hidden=True)
@option(
    "--price", group=_NODES, type=click.FloatRange(0), metavar="P", show_default=False,
    help="Price of one machine for an hour.",
)  # fmt: skip
@at_scale.numbers
@at_scale.column
@options.as_json
def plan(
    photos: Sequence[Path | str],
    backbone: str,
    view: str,
    input_range: str,
    layers: str,
    nodes: int | None,
    cpus: int | None,
    gpus: int | None,
    price: float | None,
    numbers: str,
    column: str,
    as_json: bool,
) -> None:
    """Estimate time, bytes and cost of embedding photos, from a sample of them.

    Some hundred photos are read and embedded. Nothing is written.
    """
    from headstart.scale.job import Network
    from headstart.scale.planning import Nodes
    from headstart.scale.planning import plan as run

    if gpus:
        raise click.UsageError(
            f"--gpus {gpus}: headstart computes on processors and uses no GPUs. Expected --nodes, --cpus and --price "
            "of machines without GPUs."
        )
    options.backbone_options(input_range, layers)
    wanted = None if nodes is cpus is price is None else Nodes(nodes or 1, cpus, price)
    with Bar() as bar:
        network = Network(backbone, view, input_range, layers)  # type: ignore[arg-type]
        found = run(
            photos, network=network, numbers=numbers, column=column, nodes=wanted,  # type: ignore[arg-type]
            progress=bar,
        )  # fmt: skip
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)


def _show(found: Plan) -> None:
    if found.failed:
        say(f"{found.failed:,} of {counted(found.sample, 'photo')} of the sample cannot be used.")
    steps = ", ".join(f"{name} {took:.1f} ms" for name, took in found.milliseconds.items())
    put(
        f"{counted(found.photos, 'photo')}, {_size(found.bytes_in.value)} to read, {_size(found.bytes_out)} to write.",
        f"This machine, {counted(found.processors, 'processor')}: {found.rate.value:,.0f} photos/s "
        f"({found.rate.low:,.0f} to {found.rate.high:,.0f}), {found.memory / 1e6:,.0f} MB in a worker.",
        f"A photo on one processor: {steps}. What limits: {found.limit}.",
        "",
    )
    _show_one("This machine", found.here)
    if found.there is not None:
        _show_one(counted(found.there.nodes, "machine"), found.there)


def _show_one(name: str, one: Estimate) -> None:
    cost = f", costs {_range(one.cost, '{:,.2f}')}" if one.cost is not None else ""
    put(
        f"{name}, {counted(one.workers, 'worker')}: {_time(one.seconds)}{cost}, reads "
        f"{one.megabytes_per_second:,.1f} MB/s.",
        f"  {one.line}",
    )


def _range(of: Range, how: str) -> str:
    return f"{how.format(of.value)} ({how.format(of.low)} to {how.format(of.high)})"


def _time(seconds: Range) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds.value >= 1.5 * length:
            return f"{_range(seconds.times(1 / length), '{:,.1f}')} {unit}"
    return f"{_range(seconds, '{:,.0f}')} s"


def _size(count: float) -> str:
    for unit, length in (("TB", 1e12), ("GB", 1e9)):
        if count >= length:
            return f"{count / length:,.1f} {unit}"
    return f"{count / 1e6:,.1f} MB"
