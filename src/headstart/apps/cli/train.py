"""`headstart train`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli import at_scale, options, terminal
from headstart.apps.cli.console import Bar, command_line, print_json, put, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.classifier.trained import Training
    from headstart.heads.head import HeadChoice


@click.command(
    cls=Command,
    examples=(
        "train photos -o trees",
        "train photos --test more-photos --report trees.html",
        "train photos --view auto",
        "train vectors --on local --head lda -o trees",
    ),
)
@argument(
    "photos", type=at_scale.ANYWHERE,
    help="Folder of class folders, or of 'train' and 'test' folders with class folders in them, or a CSV file, or a "
    "pattern in quotes such as 'photos/*' that matches the class folders; with --on, a folder that `headstart embed "
    "--on` made.",
)  # fmt: skip
@options.joinable
@options.join
@options.input_range
@options.layers
@options.view_or_auto
@option(
    "--head", group=options.MEASURING, type=options.HEAD, metavar="KIND", default="logistic",
    help=f"{options.HEADS} With --on: lda, which is the default there, or any but knn.",
)  # fmt: skip
@options.test
@options.fraction
@options.seed
@options.skip_small_classes
@options.keep_copies
@options.fixes
@options.add
@options.against
@options.unpack
@options.learning_curve
@options.unknown_rate
@option("-o", "--output", group=options.OUTPUT, type=PATH, metavar="FOLDER", help="Save the classifier here.")
@option("--overwrite", group=options.OUTPUT, is_flag=True, help="Replace the classifier that is saved there.")
@options.report
@options.paths
@options.logdir
@at_scale.on
@at_scale.address
@options.as_json
@options.strict
def train(
    photos: Path | str,
    handles: Sequence[str],
    join: bool,
    input_range: str,
    layers: str,
    report: Path | None,
    paths: bool,
    logdir: Path | None,
    as_json: bool,
    strict: bool,
    curve: bool,
    engine: str | None,
    address: str,
    **settings: Any,
) -> int:
    """Train a classifier on your photos, measure it and save it."""
    if engine is not None:
        at_scale.refuse_others("photos", "head", "unknown_rate", "output", "overwrite", "strict")
        return _train_on_vectors(photos, engine, address, as_json, strict, **settings)
    at_scale.needs_engine(engine, address=address)
    (photos,) = at_scale.here([photos])
    if os.path.isfile(photos / "job.json") and os.path.isdir(photos / "shards"):
        raise click.UsageError(f"{photos} holds feature vectors, no photos: it needs --on local or --on ray.")
    from headstart.classifier.training import train as run

    backbone = options.joined_backbones(handles, join)
    if report is not None:
        from headstart.report import html

        html.check(report)
    if logdir is not None:
        from headstart.report import tensorboard

        tensorboard.check(logdir)
    with Bar() as bar:
        training = run(
            photos,
            backbone=backbone,
            options=options.backbone_options(input_range, layers),
            learning_curve=curve or report is not None,
            command=command_line(),
            progress=bar,
            **settings,
        )
    tracked = None
    if logdir is not None:
        tracked = str(tensorboard.record(logdir, training))
        say(f"Run written to {tracked}. Show in TensorBoard: headstart board {logdir}")
    if report is not None:
        html.write(report, html.of_training(training, paths=paths))
        say(f"Report: {report}")
    if as_json:
        print_json({**training.to_json(), "tracked": tracked})
    else:
        show(training)
    return options.exit_code(training.measured.photos.skipped, strict)


def _train_on_vectors(
    photos: Path | str, engine: str, address: str, as_json: bool, strict: bool, **settings: Any
) -> int:
    from headstart.scale.training import train as run

    wanted = {name: settings[name] for name in ("head", "unknown_rate", "output", "overwrite")}
    if not at_scale.typed("head"):
        wanted["head"] = "lda"
    with Bar() as bar:
        mapper = at_scale.mapper(engine, address, bar)
        training = run(photos, mapper=mapper, command=command_line(), progress=bar, **wanted)
    if as_json:
        print_json({**training.to_json(), "tracked": None})
    else:
        from headstart.report.text.evaluation import details, summary

        evaluation, head = training.evaluation, training.classifier.choice
        put(*details(evaluation, terminal.width(sys.stdout)).split("\n"), "", *summary(evaluation).split("\n"))
        seconds = training.seconds["total"]
        put(f"Head: {_chosen(head)}, trained on {counted(training.train, 'photo')} in {seconds:.1f} s.")
        put(f"Saved in {training.model}." if training.model else "Not saved: add -o NAME to keep the classifier.")
    return 1 if strict and training.survey.reasons else 0


def _chosen(head: HeadChoice) -> str:
    """The kind of a head and its strength."""
    if head.l2 is not None:
        return f"{head.kind}, l2 {head.l2:.3g} by cross-validation"
    if head.shrinkage is not None:
        return f"{head.kind}, shrinkage {head.shrinkage:g} by cross-validation"
    return head.kind


def show(training: Training) -> None:
    """Print what a person wants to know of a training."""
    from headstart.report.text.evaluation import against_text, curve_text, details, skipped_text, summary

    evaluation, photos = training.measured.evaluation, training.measured.photos
    if photos.skipped:
        say(skipped_text(photos))
        # Conflicts are named when they are found, before the training.
        say_skipped([one for one in photos.skipped if one.reason != "conflicting labels"], most=5)
    put(*details(evaluation, terminal.width(sys.stdout)).split("\n"), "", *summary(evaluation).split("\n"))
    head, work = training.classifier.choice, training.work
    speed = f" at {work.photos_per_second:,.0f} photos/s" if work.photos_per_second else ""
    put(
        f"Head: {_chosen(head)}.  {work.computed:,} photos computed{speed}, {work.from_store:,} from the "
        f"store; {training.seconds.total:.1f} s in all."
    )
    if training.learning_curve is not None:
        put(curve_text(training.learning_curve))
    if training.against is not None:
        put(*against_text(training.against))
    if training.model is None:
        say("Not saved: add -o NAME to keep the classifier.")
    else:
        put(f"Saved in {training.model}. Try it: headstart predict {training.model} PHOTO")
