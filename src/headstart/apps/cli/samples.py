"""`headstart samples`: public data sets to try headstart on, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.grouping import PATH, Group, argument, option
from headstart.apps.cli.options import as_json as json_option

if TYPE_CHECKING:
    from headstart.photos.samples import Sample


@click.group(cls=Group, no_args_is_help=True, examples=("samples list",))
def samples() -> None:
    """List or download public data sets to try headstart on."""


@samples.command("list", examples=("samples list",))
@json_option
def list_(as_json: bool) -> None:
    """List the data sets with their sizes and licences."""
    from headstart.photos.samples import SAMPLES

    if as_json:
        print_json({"samples": [_document(sample) for sample in SAMPLES]})
        return
    for sample in SAMPLES:
        put(f"{sample.name:27}  {_contents(sample)}; {sample.megabytes:,} MB")
    for licence in dict.fromkeys(sample.licence for sample in SAMPLES):
        names = ", ".join(sample.name for sample in SAMPLES if sample.licence == licence)
        say(f"{names}: {licence}.")


@samples.command(examples=("samples get flowers",))
@argument("name", help="As `headstart samples list` shows it.")
@argument("folder", type=PATH, metavar="[DIR]", default=Path(), help="Where to put it, as DIR/NAME.")
@option("--from", "file", type=PATH, metavar="FILE", help="Use this zip or tar.gz file instead of downloading it.")
@json_option
def get(name: str, folder: Path, file: Path | None, as_json: bool) -> None:
    """Download a data set, check it and put it into DIR/NAME.

    An interrupted download continues where it stopped.
    """
    from headstart.photos import samples

    with Bar() as bar:
        got = samples.get(samples.find(name), folder, bar, file)
    if as_json:
        print_json({**_document(got.sample), "path": str(got.path), "new": got.new})
        return
    put(f"{got.path}: {_contents(got.sample)}{'' if got.new else '; it was here already, complete'}.")
    say(f"Licence: {got.sample.licence}.")
    say(f"Next: headstart train {got.path} -o NAME")


def _contents(sample: Sample) -> str:
    train, test = sum(sample.train.values()), sum(sample.test.values())
    photos = f"{train:,} photos to train on, {test:,} to test" if test else f"{train:,} photos"
    return f"{len(sample.train)} classes, {photos}"


def _document(sample: Sample) -> dict[str, Any]:
    return {
        "name": sample.name,
        "url": sample.url,
        "megabytes": sample.megabytes,
        "licence": sample.licence,
        "classes": list(sample.train),
        "train": sum(sample.train.values()),
        "test": sum(sample.test.values()) or None,
        "train_by_class": dict(sample.train),
        "test_by_class": dict(sample.test),
    }
