"""`headstart predict` (your classes) and `headstart classify` (the pre-trained model's own)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, print_json, put, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, option
from headstart.disk import atomic
from headstart.errors import DataError
from headstart.safety.printable import counted, show

if TYPE_CHECKING:
    from headstart.classifier.as_is import Classified
    from headstart.evaluation.results import Predictions


@click.command(cls=Command)
@options.model
@options.photos
@options.moved_backbone
@options.may_fetch
@option(
    "--csv", group=options.OUTPUT, type=PATH, metavar="FILE",
    help="Write a table to this file. An apostrophe before =, +, - or @ keeps spreadsheets from running file names.",
)  # fmt: skip
@options.as_json
def predict(model: Path, photos: Sequence[Path], backbone: str, fetch: bool, csv: Path | None, as_json: bool) -> None:
    """Predict each photo's class with a saved classifier."""
    if csv is not None:
        with _writing(csv):
            atomic.check_writable(csv)
    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        answer = classifier.predictions(photos, bar if len(photos) > 1 or os.path.isdir(photos[0]) else None)
    say_skipped(answer.skipped)
    if csv is not None:
        _write_csv(csv, answer)
        say(f"{counted(len(answer.paths), 'prediction')} written to {csv}.")
    if as_json:
        print_json({"model": str(model), **answer.to_json()})
    elif csv is None:
        show_predictions(answer)


@click.command(cls=Command)
@options.photos
@options.backbone
@options.input_range
@option("--top", group=options.OUTPUT, type=click.IntRange(1), metavar="N", default=5, help="Guesses for each photo.")
@options.as_json
def classify(photos: Sequence[Path], backbone: str, input_range: str, top: int, as_json: bool) -> None:
    """Classify photos with a pre-trained model as it is.

    The classes are those it was trained on: ImageNet's 1,000 in most cases.
    """
    from headstart.classifier.as_is import classify_all as run

    with Bar() as bar:
        answer = run(photos, backbone, top, options.backbone_options(input_range), bar)
    say_skipped(answer.skipped)
    if as_json:
        print_json(answer.to_json())
    else:
        show_guesses(answer)


def show_predictions(answer: Predictions) -> None:
    """Print a line for each photo: its class and the probability of that class."""
    labels = [show(label) for label in answer.labels]
    width = max(map(len, labels), default=0)
    for path, label, row in zip(answer.paths, labels, answer.probabilities, strict=True):
        put(f"{label:{width}}  {100 * row.max():5.1f} %  {path}")


def show_guesses(answer: Classified) -> None:
    """Print the path of each photo, and a line for each guess."""
    for photo in answer.photos:
        put(photo.path)
        for one in photo.guesses:
            put(f"  {100 * one.probability:5.1f} %  {one.label}")


def _write_csv(path: Path, answer: Predictions) -> None:
    from headstart.photos import spreadsheet

    with _writing(path):
        spreadsheet.write(
            path, answer.classes, zip(answer.paths, answer.labels, answer.probabilities.tolist(), strict=True)
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be written: {why}.\nChoose another file with --csv.") from error
