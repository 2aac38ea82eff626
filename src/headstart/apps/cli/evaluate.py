"""`headstart evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, print_json, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, argument


@click.command(cls=Command)
@options.model
@argument("photos", type=PATH, help="Folder of class folders, or a CSV file; its test part if it has one.")
@options.moved_backbone
@options.may_fetch
@options.unpack
@options.as_json
def evaluate(model: Path, photos: Path, backbone: str, fetch: bool, unpack: bool, as_json: bool) -> None:
    """Measure a saved classifier on photos of known classes."""
    from headstart.photos.archives import unpacked
    from headstart.report.text.evaluation import details, summary

    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        measured = classifier.evaluate(unpacked(photos, bar) if unpack else photos, progress=bar)
    for note in measured.notes:
        say(note)
    if measured.seen:
        say(
            f"Caution: {measured.seen} of the {measured.evaluation.n:,} photos were trained on; "
            "the figures are optimistic. Measure on other photos."
        )
    say_skipped(measured.photos.skipped)
    if as_json:
        print_json(
            {
                "model": str(model),
                "evaluation": measured.evaluation.to_json(),
                "seen_in_training": measured.seen,
                "photos": measured.photos.to_json(),
                "notes": list(measured.notes),
            }
        )
    else:
        print(details(measured.evaluation))
        print()
        print(summary(measured.evaluation, measured.seen))
