"""`headstart samples`: public data sets to try headstart on, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.options import Json

if TYPE_CHECKING:
    from headstart.photos.samples import Sample

app = typer.Typer(help="Public data sets to try it on: list, fetch.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Say which data sets there are, how large they are, and on which terms."""
    from headstart.photos.samples import SAMPLES

    if as_json:
        print_json({"samples": [_document(sample) for sample in SAMPLES]})
        return
    for sample in SAMPLES:
        put(f"{sample.name:27}  {_contents(sample)}; {sample.megabytes:,} MB")
    for licence in dict.fromkeys(sample.licence for sample in SAMPLES):
        names = ", ".join(sample.name for sample in SAMPLES if sample.licence == licence)
        say(f"{names}: {licence}.")


@app.command()
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `headstart samples list` shows it.")],
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="It becomes DIR/NAME.", show_default=False)] = Path(),
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Its zip or tar.gz, fetched otherwise; nothing is downloaded."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a data set, check it, and put it into DIR/NAME; interrupted, it goes on where it ended."""
    from headstart.photos import samples

    with Bar() as bar:
        got = samples.get(samples.find(name), folder, bar, file)
    if as_json:
        print_json({**_document(got.sample), "path": str(got.path), "new": got.new})
        return
    put(f"{got.path}: {_contents(got.sample)}{'' if got.new else '; it was here already, complete'}.")
    say(f"Terms: {got.sample.licence}.")
    say(f"Next: headstart train {got.path} -o MODEL")


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
        "train": dict(sample.train),
        "test": dict(sample.test),
    }
