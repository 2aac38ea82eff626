"""`headstart evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from headstart.apps.cli import options, terminal
from headstart.apps.cli.console import Bar, print_json, put, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.safety.printable import counted


@click.command(
    cls=Command,
    examples=("evaluate trees more-photos", "evaluate trees more-photos --report more.html"),
)
@options.model
@argument("photos", type=PATH, help="Folder of class folders, or a CSV file; its test part if it has one.")
@options.moved_backbone
@options.may_fetch
@options.unpack
@options.report
@option(
    "--csv", group=options.OUTPUT, type=PATH, metavar="FILE",
    help="Write a table to this file: each photo's true class, predicted class and probabilities.",
)  # fmt: skip
@options.as_json
@options.strict
def evaluate(
    model: Path,
    photos: Path,
    backbone: str,
    fetch: bool,
    unpack: bool,
    report: Path | None,
    csv: Path | None,
    as_json: bool,
    strict: bool,
) -> int:
    """Measure a saved classifier on photos of known classes."""
    from headstart.photos.archives import unpacked
    from headstart.report import html
    from headstart.report.text.evaluation import details, refusals, summary

    options.check_csv(csv)
    if report is not None:
        html.check(report)
    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        measured = classifier.evaluate(unpacked(photos, bar) if unpack else photos, progress=bar)
    evaluation = measured.evaluation
    for note in measured.notes:
        say(note)
    if measured.seen:
        say(
            f"Caution: {measured.seen} of the {evaluation.n:,} photos were trained on; "
            "the figures are optimistic. Measure on other photos."
        )
    say_skipped(measured.photos.skipped)
    if csv is not None:
        names = evaluation.classes
        labels = [names[i] for i in measured.labels]
        predicted = [names[i] for i in measured.probabilities.argmax(axis=1)]
        rows = zip(measured.paths, labels, measured.probabilities.tolist(), strict=True)
        options.write_csv(csv, names, rows, {"predicted": predicted})
        say(f"{counted(len(labels), 'photo')} written to {csv}.")
    if report is not None:
        explanations = classifier.explain_mistakes(evaluation.mistakes)
        html.write(report, html.of_evaluation(measured, f"{model.name}, {photos.name}", explanations=explanations))
        say(f"Report: {report}")
    if as_json:
        print_json(
            {
                "model": str(model),
                "evaluation": evaluation.to_json(),
                "seen_in_training": measured.seen,
                "refused": measured.refused,
                "accuracy_of_kept": measured.accuracy_of_kept,
                "photos": measured.photos.to_json(),
                "notes": list(measured.notes),
            }
        )
    else:
        put(*details(evaluation, terminal.width(sys.stdout)).split("\n"), "")
        put(*summary(evaluation, measured.seen).split("\n"), *refusals(measured))
    return options.exit_code(measured.photos.skipped, strict)
