"""`headstart predict` (your classes) and `headstart classify` (the network's own)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, print_json, put, say, say_skipped
from headstart.safety.printable import show

if TYPE_CHECKING:
    from headstart.evaluation.results import Predictions
    from headstart.features.extraction import Skipped


def predict(
    model: options.Model,
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a table to this file; an apostrophe before =, +, - or @ keeps spreadsheets from running names."
        ),
    ] = None,
    backbone: options.Elsewhere = "",
    fetch: options.Fetch = False,
    as_json: options.Json = False,
) -> None:
    """Say which of your classes photos belong to."""
    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        answer = classifier.predictions(photos, bar if len(photos) > 1 or os.path.isdir(photos[0]) else None)
    say_skipped(answer.skipped)
    if csv is not None:
        _write_csv(csv, answer)
        say(f"{len(answer.paths):,} predictions written to {csv}.")
    if as_json:
        print_json(
            {
                "model": str(model),
                "photos": [
                    {
                        "path": path,
                        "label": label,
                        "probability": float(row.max()),
                        "probabilities": dict(zip(answer.classes, row.tolist(), strict=True)),
                    }
                    for path, label, row in zip(answer.paths, answer.labels, answer.probabilities, strict=True)
                ],
                "skipped": _skipped(answer.skipped),
            }
        )
    elif csv is None:
        labels = [show(label) for label in answer.labels]
        width = max(map(len, labels), default=0)
        for path, label, row in zip(answer.paths, labels, answer.probabilities, strict=True):
            put(f"{label:{width}}  {100 * row.max():5.1f} %  {path}")


def classify(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    backbone: options.Backbone = options.DEFAULT_BACKBONE,
    input_range: options.InputRange = "",
    top: Annotated[int, typer.Option(min=1, help="Guesses for each photo.")] = 5,
    as_json: options.Json = False,
) -> None:
    """Use a network unchanged, with the classes it was trained on (ImageNet's 1,000)."""
    from headstart.classifier.as_is import classify as run

    with Bar() as bar:
        answer = run(photos, backbone, top, options.network_options(input_range), bar)
    say_skipped(answer.skipped)
    if as_json:
        print_json(
            {
                "backbone": answer.backbone,
                "photos": [
                    {
                        "path": photo.path,
                        "predictions": [
                            {"label": one.label, "index": one.index, "probability": one.probability}
                            for one in photo.guesses
                        ],
                    }
                    for photo in answer.photos
                ],
                "skipped": _skipped(answer.skipped),
            }
        )
        return
    for photo in answer.photos:
        put(photo.path)
        for one in photo.guesses:
            put(f"  {100 * one.probability:5.1f} %  {one.label}")


def _skipped(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"path": one.path, "reason": one.reason, "detail": one.detail} for one in skipped]


def _write_csv(path: Path, answer: Predictions) -> None:
    from headstart.errors import DataError
    from headstart.photos import spreadsheet

    try:
        spreadsheet.write(
            path, answer.classes, zip(answer.paths, answer.labels, answer.probabilities.tolist(), strict=True)
        )
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.\nChoose another file with --csv.") from error
