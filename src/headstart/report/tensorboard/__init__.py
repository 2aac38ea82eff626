"""Training results in TensorBoard: each training becomes a run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from headstart.classifier.trained import Training
from headstart.errors import TrackingError
from headstart.photos.thumbnails import wholes
from headstart.report.tensorboard import pictures, projector, run, words
from headstart.report.tensorboard.curves import curves
from headstart.report.tensorboard.events import Events, require

__all__ = ["check", "record"]

_ZERO = (
    "In the HParams table 0 means 'not known': the parameters of some backbones, and the photos/s of a backbone that "
    "was never timed on this machine with enough photos."
)


def check(logdir: str | Path) -> None:
    """Check, before a training, that its run can be written.

    Raises:
        TrackingError: tensorboardX or matplotlib is not installed, or the folder cannot be made or written.
    """
    require("tensorboardX")
    require("matplotlib")
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
    try:
        folder = run.claim(Path(logdir), run.name_of(training))
        _write(folder, training)
    except OSError as error:
        raise _unwritable(logdir, error) from error
    return folder


def tags_of(classes: Sequence[str]) -> list[str]:
    """A different tag for each class, with only the characters TensorBoard keeps: letters, digits, `_`, `-` and `.`."""
    tags: list[str] = []
    for name in classes:
        plain = re.sub(r"[^\w.-]", "_", name)
        numbered = (plain if number == 1 else f"{plain}_{number}" for number in range(1, len(classes) + 1))
        tags.append(next(tag for tag in numbered if tag not in tags))
    return tags


def _write(folder: Path, training: Training) -> None:
    measured, evaluation, data = training.measured, training.measured.evaluation, training.trial.data
    drawn = curves(training.trial)
    for part, curve in (("train", drawn.train), ("validation", drawn.validation)):
        with Events(folder / part) as events:
            for step, (loss, accuracy) in enumerate(zip(curve.loss, curve.accuracy, strict=True)):
                events.scalar("epoch_loss", loss, step)
                events.scalar("epoch_accuracy", accuracy, step)
    projected = projector.write(folder, measured, (data.test or data.train).features.vectors)
    thumbnails, _ = wholes([one.path for one in evaluation.mistakes[: pictures.MISTAKES]], pictures.THUMBNAIL)
    heat = {one.path: Image.fromarray(one.overlay) for one in training.explanations}
    warm = [heat.get(one.path, photo) for one, photo in zip(evaluation.mistakes, thumbnails, strict=False)]
    with Events(folder) as events:
        events.table(folder.name, run.settings(training), training.started)
        for name, value in run.figures(training).items():
            events.scalar(name, value)
        events.picture("pictures/confusion_matrix", pictures.confusion(evaluation, "Confusion matrix"))
        reliable = pictures.reliability(evaluation, "Does its confidence match its accuracy?")
        events.picture("pictures/reliability", reliable)
        mistakes = pictures.mistakes(evaluation, thumbnails, "The most confident mistakes")
        events.picture("pictures/mistakes", mistakes, "JPEG")
        if training.explanations:
            title = "Which places speak for the predicted class (orange) and which against it (blue)"
            events.picture("pictures/heat_maps", pictures.mistakes(evaluation, warm, title), "JPEG")
        for number, tag in enumerate(tags_of(evaluation.classes)):
            events.precision_recall(
                f"precision_recall/{tag}", measured.labels == number, measured.probabilities[:, number]
            )
        events.text("summary", words.summary(training, [drawn.what, projected, _ZERO]))
        events.text("settings", words.settings(training))
        events.text("versions", words.versions())


def _unwritable(logdir: str | Path, error: Exception) -> TrackingError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else error
    return TrackingError(f"{logdir} cannot be written: {why}.\nExpected a folder for TensorBoard's files.")
