"""A training in TensorBoard: one run for each network and head, with everything that there is to look at."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from headstart.classifier.training import Training
from headstart.errors import TrackingError
from headstart.photos.thumbnails import wholes
from headstart.report.tensorboard import events as tensorboard
from headstart.report.tensorboard import pictures, projector, words
from headstart.report.tensorboard.curves import curves
from headstart.report.tensorboard.events import Events
from headstart.report.tensorboard.run import Run, claim

__all__ = ["check", "record"]

_ZERO = (
    'In the HParams table 0 stands for "has none" or "not known": l2 of a head without it, parameters of a network '
    "of which they are not known, photos/s of a network that was never timed here on enough photos."
)


def check(logdir: str | Path) -> None:
    """Raise before the training what would else be raised after it.

    Raises:
        TrackingError: tensorboardX or matplotlib is not installed, or the folder cannot be made or written.
    """
    tensorboard.require("tensorboardX")
    tensorboard.require("matplotlib")
    try:
        os.makedirs(logdir, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _unwritable(logdir, error) from error
    if not os.access(logdir, os.W_OK | os.X_OK):
        raise _unwritable(logdir, PermissionError("no permission"))


def record(logdir: str | Path, training: Training) -> Path:
    """Write a run.

    Returns:
        its folder, a new one.

    Raises:
        TrackingError: tensorboardX or matplotlib is not installed, or the disk is full or read-only.
    """
    check(logdir)
    run = Run(training.trial, training.fraction, training.to_json(), training.started)
    try:
        folder = claim(Path(logdir), run.name)
        _write(folder, run)
    except OSError as error:
        raise _unwritable(logdir, error) from error
    return folder


def tags_of(classes: Sequence[str]) -> list[str]:
    """A tag for each class, all different: TensorBoard's own rules keep letters, digits, `_`, `-` and `.`."""
    tags: list[str] = []
    for name in classes:
        plain = re.sub(r"[^\w.-]", "_", name)
        numbered = (plain if number == 1 else f"{plain}_{number}" for number in range(1, len(classes) + 1))
        tags.append(next(tag for tag in numbered if tag not in tags))
    return tags


def _write(folder: Path, run: Run) -> None:
    measured, classes = run.measured, run.classifier.classes_
    followed = curves(run)
    for part, curve in (("train", followed.train), ("validation", followed.validation)):
        with Events(folder / part) as events:
            for step, (loss, accuracy) in enumerate(zip(curve.loss, curve.accuracy, strict=True)):
                events.scalar("epoch_loss", loss, step)
                events.scalar("epoch_accuracy", accuracy, step)
    shown = projector.write(folder, measured, run.shown.vectors)
    drawn = [measured.paths[row] for row in pictures.mistakes_drawn(measured)]
    thumbnails, _ = wholes(drawn, pictures.THUMBNAIL)
    with Events(folder) as events:
        events.table(folder.name, run.columns(), run.started)
        for name, value in run.figures().items():
            events.scalar(name, value)
        events.picture("confusion_matrix", pictures.confusion(measured.evaluation, classes, "What is taken for what"))
        events.picture("reliability", pictures.reliability(measured, "Do its probabilities come true?"))
        events.picture("mistakes", pictures.mistakes(measured, thumbnails, "The most confident mistakes"), "JPEG")
        for number, tag in enumerate(tags_of(classes)):
            events.precision_recall(
                f"precision_recall/{tag}", measured.labels == number, measured.probabilities[:, number]
            )
        events.text("summary", words.summary(run, [followed.what, shown, _ZERO]))
        events.text("settings", words.settings(run))
        events.text("versions", words.versions())


def _unwritable(logdir: str | Path, error: Exception) -> TrackingError:
    return TrackingError(f"{logdir} cannot be written: {error}.\nExpected a folder for TensorBoard's files.")
