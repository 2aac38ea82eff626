"""`headstart evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.console import Bar, print_json, say, say_skipped


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a saved classifier.")],
    photos: Annotated[Path, typer.Argument(help="Photos in class folders, or a CSV; its test part if it has one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure a saved classifier on photos whose classes are known."""
    from headstart.classifier import Classifier
    from headstart.cli.report import details, summary

    classifier = Classifier.load(model)
    for note in classifier.notes_:
        say(note)
    with Bar() as bar:
        measured = classifier.evaluate(photos, watcher=bar)
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
