"""`headstart evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, print_json, say, say_skipped


def evaluate(
    model: options.Model,
    photos: Annotated[Path, typer.Argument(help="Photos in class folders, or a CSV; its test part if it has one.")],
    backbone: options.Elsewhere = "",
    fetch: options.Fetch = False,
    as_json: options.Json = False,
) -> None:
    """Measure a saved classifier on photos whose classes are known."""
    from headstart.report.text.evaluation import details, summary

    with Bar() as bar:
        measured = options.open_model(model, backbone, fetch, bar).evaluate(photos, progress=bar)
    for note in measured.notes:
        say(note)
    document = measured.to_json()
    if measured.seen:
        say(
            f"Caution: {measured.seen} of the {document['n']:,} photos were trained on; "
            "the figures flatter. Measure on others."
        )
    say_skipped(measured.skipped)
    if as_json:
        print_json(
            {
                "model": str(model),
                **document,
                "seen_in_training": measured.seen,
                "skipped": [{"path": one.path, "reason": one.reason} for one in measured.skipped],
            }
        )
    else:
        print(details(document))
        print()
        print(summary(document, measured.seen))
