"""`headstart compare`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli import options, terminal
from headstart.apps.cli.console import Bar, command_line, print_json, put, say, say_skipped
from headstart.apps.cli.grouping import Command, option
from headstart.apps.cli.here import backbones_here
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.classifier.comparison import Comparison
    from headstart.classifier.trained import Training


@click.command(
    cls=Command,
    examples=(
        "compare photos",
        "compare photos --head logistic --head knn --report photos.html",
    ),
)
@options.labelled_photos
@options.backbones
@option("--join", group=options.BACKBONE, is_flag=True, help="Also compare the joined features of all of them.")
@options.input_range
@options.layers
@options.view_or_auto
@option(
    "--head", "heads", group=options.MEASURING, type=options.HEAD, metavar="KIND", multiple=True, default=["logistic"],
    help=f"{options.HEADS} Repeat it for several.",
)  # fmt: skip
@options.test
@options.fraction
@options.seed
@options.skip_small_classes
@options.keep_copies
@options.fixes
@options.unpack
@option(
    "--quick", group=options.MEASURING, is_flag=True,
    help="Rank all on about 20 photos of each class first; only the best third goes on.",
)  # fmt: skip
@options.learning_curve
@options.report
@options.paths
@options.logdir
@options.as_json
@options.strict
def compare(
    photos: Path,
    handles: Sequence[str],
    input_range: str,
    layers: str,
    report: Path | None,
    paths: bool,
    logdir: Path | None,
    as_json: bool,
    strict: bool,
    curve: bool,
    **settings: Any,
) -> int:
    """Compare pre-trained models on your photos.

    Trains and measures a classifier on each, and tests which differences are more than chance.
    """
    from headstart.classifier.comparing import compare as run

    if report is not None:
        from headstart.report import html

        html.check(report)
    tracked: list[str] = []
    if logdir is not None:
        from headstart.report import tensorboard

        tensorboard.check(logdir)

    def track(training: Training) -> None:
        if logdir is not None:
            tracked.append(str(tensorboard.record(logdir, training)))

    handles = handles or backbones_here()
    say(f"Comparing {', '.join(handles)}.")
    if len(handles) == 1:
        say("To compare it with others, find them with headstart models and add -b NAME for each.")
    with Bar() as bar:
        comparison = run(
            photos,
            backbones=handles,
            options=options.backbone_options(input_range, layers),
            learning_curve=curve or report is not None,
            each=track,
            command=command_line(),
            progress=bar,
            **settings,
        )
    if tracked:
        say(f"{counted(len(tracked), 'run')} written to {logdir}. Show in TensorBoard: headstart board {logdir}")
    if report is not None:
        html.write(report, html.of_comparison(comparison, paths=paths))
        say(f"Report: {report}")
    if as_json:
        print_json({**comparison.to_json(), "tracked": tracked})
    else:
        show(comparison)
    return options.exit_code(comparison.best.photos.skipped, strict) or int(bool(comparison.failures))


def show(comparison: Comparison) -> None:
    """Print what a person wants to know of a comparison."""
    from headstart.report.text.comparison import cautions, comparison_table
    from headstart.report.text.evaluation import curve_text, skipped_text

    photos = comparison.best.photos
    if photos.skipped:
        say(skipped_text(photos))
        # Conflicts are named when they are found, before the training.
        say_skipped([one for one in photos.skipped if one.reason != "conflicting labels"], most=5)
    put(*comparison_table(comparison, terminal.width(sys.stdout)).split("\n"), "", comparison.verdict)
    if comparison.learning_curve is not None:
        put(curve_text(comparison.learning_curve))
    put(*cautions(comparison).split("\n"))
    if comparison.failures:
        names = ", ".join(failure.backbone for failure in comparison.failures)
        say(f"Not measured, for the reasons given above: {names}.")
