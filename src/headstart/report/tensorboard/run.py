"""The run of a training: the name of its folder, and its row of the HParams table."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from headstart.classifier.comparison import parameters_of
from headstart.classifier.trained import Training
from headstart.heads.head import HeadChoice
from headstart.safety.printable import counted


def name_of(training: Training) -> str:
    """Data set, backbone, what is unusual, head, time: `pets-efficientnet-lite0-logistic-20261123-233000`."""
    card = training.classifier.card
    parts = [
        data_name(training.source),
        re.sub(r"[^\w.-]+", "-", card.short_name).strip("-"),
        *([] if card.layers == "last" else [card.layers]),
        *([] if card.viewing == "squash" else [card.viewing]),
        training.classifier.choice.kind,
        time.strftime("%Y%m%d-%H%M%S", time.localtime(training.started)),
    ]
    return "-".join(parts)


def data_name(source: str) -> str:
    """The name of a data set, fit for a file name: of its folder or its CSV file."""
    name = os.path.basename(os.path.abspath(source)).removesuffix(".csv")
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "photos"


def settings(training: Training) -> dict[str, str | float]:
    """The settings, the same names and types in every run; 0 parameters: not known.

    What cross-validation chose is one column of text, because each head has a setting of its own.
    """
    card, choice = training.classifier.card, training.classifier.choice
    return {
        "data": data_name(training.source),
        "backbone": card.handle,
        "head": choice.kind,
        "head_setting": _setting(choice),
        "view": card.view.name,
        "layers": card.layers,
        "fraction": float(training.fraction),
        "dimension": float(card.dim),
        "parameters": float(parameters_of(training.classifier.backbone) or 0),
    }


def figures(training: Training) -> dict[str, float]:
    """The results, with the same names in every run; 0 photos/s: never timed on this machine with enough photos.

    What stands before a slash is a section of the scalars page. Sections are in alphabetical order there, and so are
    the five columns that the table shows until more are ticked: the names leave the first place to the curves,
    `epoch_accuracy` and `epoch_loss`, and the next to the accuracy.
    """
    evaluation, classifier = training.measured.evaluation, training.classifier
    low, high = evaluation.interval
    return {
        "measured/accuracy": evaluation.accuracy,
        "measured/accuracy_high": high,
        "measured/accuracy_low": low,
        "measured/balanced_accuracy": evaluation.balanced_accuracy,
        "measured/calibration_error": evaluation.calibration_error,
        "measured/log_loss": evaluation.log_loss,
        "speed/photos_per_second": training.work.photos_per_second or classifier.store.rate(classifier.card) or 0.0,
        "speed/seconds": training.seconds.total,
    }


def claim(logdir: Path, name: str) -> Path:
    """Make a folder of this name, with a number after it if the folder exists: no run overwrites another."""
    for number in range(1, 1_000_000):
        folder = logdir / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise FileExistsError(f"a million runs are called {name}")


def _setting(choice: HeadChoice) -> str:
    """What cross-validation chose: `l2 0.316`, `shrinkage 0.3`, `5 neighbours`; `none` for a head without a setting."""
    if choice.l2 is not None:
        return f"l2 {choice.l2:.3g}"
    if choice.shrinkage is not None:
        return f"shrinkage {choice.shrinkage:g}"
    return "none" if choice.neighbours is None else counted(round(choice.neighbours), "neighbour")
