"""`headstart predict` (your classes) and `headstart classify` (the pre-trained model's own)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli import at_scale, options, sorting
from headstart.apps.cli.console import Bar, print_json, put, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.apps.cli.inbox import say_log, show_summary, summary
from headstart.apps.cli.predicted import UNSURE, refused_of, show_predictions
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.classifier.as_is import Classified

_ANSWER = "What to do with the answers"


@click.command(
    cls=Command, examples=("predict trees new.jpg", "predict trees inbox --copy-to sorted --min-confidence 0.8")
)
@options.model
@argument(
    "photos", type=at_scale.ANYWHERE, nargs=-1, required=True,
    help="Photos, folders of photos, or a CSV file with a column 'path'; with --on also tables, archives and object "
    "stores.",
)  # fmt: skip
@option(
    "--unknown-rate", group=_ANSWER, type=options.share, metavar="SHARE",
    help="Refuse as unknown this share of photos like the training photos, instead of that chosen at the training: 0 "
    "to 0.5; 0 refuses none.",
)  # fmt: skip
@option(
    "--nearest", group=_ANSWER, type=click.IntRange(1), metavar="N",
    help="Name the N training photos most like each photo, as class/file.",
)  # fmt: skip
@options.moved_backbone
@options.may_fetch
@option(
    "--min-confidence", "least", group=_ANSWER, type=click.FloatRange(0, 1), metavar="P",
    help=f"Call photos whose class has a lower probability '{UNSURE}': 0.8, for example.",
)  # fmt: skip
@option(
    "--copy-to", "target", group=_ANSWER, type=PATH, metavar="FOLDER",
    help="Copy the photos into a folder for each class. Originals stay, and nothing is overwritten.",
)  # fmt: skip
@option(
    "--csv", group=options.OUTPUT, type=PATH, metavar="FILE",
    help="Write a table to this file. An apostrophe before =, +, - or @ keeps spreadsheets from running file names.",
)  # fmt: skip
@options.log
@option(
    "-o", "--output", group=at_scale.MANY, type=at_scale.ANYWHERE, metavar="FOLDER",
    help="With --on: write tables of classes to this folder.",
)  # fmt: skip
@at_scale.on
@at_scale.workers
@at_scale.address
@at_scale.column
@options.as_json
@options.strict
def predict(
    model: Path,
    photos: Sequence[Path | str],
    output: Path | str | None,
    column: str,
    backbone: str,
    fetch: bool,
    least: float | None,
    nearest: int | None,
    unknown_rate: float | None,
    target: Path | None,
    csv: Path | None,
    log: Path | None,
    as_json: bool,
    strict: bool,
    **scale: Any,
) -> int:
    """Predict each photo's class with a saved classifier."""
    from headstart.trust.unknown import word_for

    if scale["engine"] is not None:
        at_scale.refuse_others("model", "photos", "output", "column", "backbone", "fetch", "workers", "strict")
        return _predict_in_units(model, photos, output, column, backbone, fetch, as_json, strict, scale)
    at_scale.needs_engine(output=output, column=column, **scale)
    photos = at_scale.here(photos)
    options.check_csv(csv)
    if log is not None and unknown_rate is not None:
        raise click.UsageError("--log and --unknown-rate exclude each other: the log is compared with the rate chosen "
                               "at the training.")  # fmt: skip
    if target is not None:
        sorting.check(target, photos)
    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        if least is not None and UNSURE in classifier.classes:
            raise click.UsageError(f"--min-confidence: the classifier has a class '{UNSURE}' of its own.")
        inbox = None
        if log is not None:
            from headstart.classifier.inbox.inbox import Inbox

            inbox = Inbox(classifier, log, model=model)
            inbox.log.check_writable()
            say_log(inbox)
        # Unknown photos are shown with the nearest training photo in any case.
        named = nearest or int(not as_json and classifier.known is not None)
        answer = classifier.predictions(
            photos,
            bar if len(photos) > 1 or os.path.isdir(photos[0]) else None,
            nearest=named,
            unknown_rate=unknown_rate,
        )
        unsure = (answer.probabilities.max(axis=1) < (least or 0)).tolist()
        word, unknown = word_for(answer.classes), refused_of(answer)
        say_skipped(answer.skipped)
        if inbox is not None:
            say(f"{counted(len(inbox.add(answer)), 'new photo')} added to {log}.")
        if target is not None:
            labels = [UNSURE if doubt else label for label, doubt in zip(answer.labels, unsure, strict=True)]
            labels = [word if refused else label for label, refused in zip(labels, unknown, strict=True)]
            result = sorting.copy(answer.paths, labels, target, bar)
            there = f"; {result.there:,} more were there already" if result.there else ""
            say(f"{counted(result.copied, 'photo')} copied into {target}{there}.")
    if csv is not None:
        rows = zip(answer.paths, answer.labels, answer.probabilities.tolist(), strict=True)
        marks = {UNSURE: _yes_or_no(unsure)} if least is not None else {}
        if answer.unknown is not None:
            marks[word] = _yes_or_no(unknown)
        if nearest is not None:
            marks["nearest"] = [", ".join(one.name for one in of) for of in answer.nearest or ()]
        options.write_csv(csv, answer.classes, rows, marks)
        say(f"{counted(len(answer.paths), 'prediction')} written to {csv}.")
    if least is not None:
        say(f"{sum(unsure):,} of {counted(len(unsure), 'photo')} below {least:g}: {UNSURE}.")
    if any(unknown):
        say(f"{sum(unknown):,} of {counted(len(unknown), 'photo')} unlike the training photos: {word}.")
    elif classifier.known is None:
        say("The classifier keeps no training photos, so it cannot recognise photos unlike them.")
    if as_json:
        document = {"model": str(model), **answer.to_json(), "min_confidence": least}
        for one, doubt in zip(document["predictions"], unsure, strict=True):
            one[UNSURE] = doubt
        logged = {"log": None, "drift": None, "worth_labelling": None} if inbox is None else summary(inbox)
        print_json({**document, "copied_to": None if target is None else str(target), "job": None, **logged})
    elif csv is None and target is None:
        show_predictions(answer, unsure, nearest or 0)
    if inbox is not None and not as_json:
        show_summary(inbox)
    return options.exit_code(answer.skipped, strict, len(answer.paths))


def _predict_in_units(
    model: Path,
    photos: Sequence[Path | str],
    output: Path | str | None,
    column: str,
    backbone: str,
    fetch: bool,
    as_json: bool,
    strict: bool,
    scale: dict[str, Any],
) -> int:
    from headstart.scale.predicting import predict as run

    if output is None:
        raise click.UsageError("--on needs -o FOLDER, where the tables are written.")
    with Bar() as bar:
        options.open_model(model, backbone, fetch, bar)
        engine = at_scale.engine(**scale, bar=bar)
        found = run(
            model, photos, output, backbone=backbone, fetch=fetch, column=column, engine=engine, progress=bar
        )  # fmt: skip
    if as_json:
        none = dict.fromkeys(("predictions", "min_confidence", "copied_to", "log", "drift", "worth_labelling"))
        print_json({"model": str(model), **none, **found.to_json()})
    else:
        at_scale.show(found)
    return 1 if not found.used or (strict and found.reasons) else 0


@click.command(cls=Command, examples=("classify some.jpg --top 3",))
@options.photos
@options.backbone
@options.input_range
@option("--top", group=options.OUTPUT, type=click.IntRange(1), metavar="N", default=5, help="Guesses for each photo.")
@options.as_json
@options.strict
def classify(photos: Sequence[Path], backbone: str, input_range: str, top: int, as_json: bool, strict: bool) -> int:
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
    return options.exit_code(answer.skipped, strict, len(answer.photos))


def _yes_or_no(marks: Sequence[bool]) -> list[str]:
    return ["yes" if mark else "no" for mark in marks]


def show_guesses(answer: Classified) -> None:
    """Print the path of each photo, and a line for each guess."""
    for photo in answer.photos:
        put(photo.path)
        for one in photo.guesses:
            put(f"  {100 * one.probability:5.1f} %  {one.label}")
