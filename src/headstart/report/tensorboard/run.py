"""The run of a training: the name of its folder, and its row of the HParams table."""

from __future__ import annotations

import time
from pathlib import Path

from headstart.backbones.card import short_name
from headstart.classifier.comparison import parameters_of
from headstart.classifier.training import Training


def name_of(training: Training) -> str:
    """Backbone, settings other than the default, head, time: `efficientnet-lite0-logistic-20261123-233000`."""
    card = training.classifier.card
    parts = [
        short_name(card.handle),
        *([] if card.layers == "last" else [card.layers]),
        *([] if card.view.fit == "squash" else [card.view.fit]),
        training.classifier.choice.kind,
        time.strftime("%Y%m%d-%H%M%S", time.localtime(training.started)),
    ]
    return "-".join(parts)


def settings(training: Training) -> dict[str, str | float]:
    """The settings, with the same names and types in every run; 0 means "none" or "not known"."""
    card, choice = training.classifier.card, training.classifier.choice
    return {
        "backbone": card.handle,
        "head": choice.kind,
        "l2": float(choice.l2 or 0.0),
        "neighbours": float(choice.neighbours or 0.0),
        "view": card.view.fit,
        "layers": card.layers,
        "fraction": float(training.fraction),
        "dimension": float(card.dim),
        "parameters": float(parameters_of(training.classifier.backbone) or 0),
    }


def figures(training: Training) -> dict[str, float]:
    """The results, with the same names in every run; 0 photos/s: never timed on this machine with enough photos.

    The table shows the first five in alphabetical order until more are ticked, so the names put the most important ones
    first. The part before a slash is a section of the scalars page.
    """
    evaluation, classifier = training.measured.evaluation, training.classifier
    low, high = evaluation.interval
    return {
        "accuracy": evaluation.accuracy,
        "accuracy/high": high,
        "accuracy/low": low,
        "cost/photos_per_second": training.work.photos_per_second or classifier.store.rate(classifier.card) or 0.0,
        "cost/seconds": training.seconds.total,
        "quality/balanced_accuracy": evaluation.balanced_accuracy,
        "quality/calibration_error": evaluation.calibration_error,
        "quality/log_loss": evaluation.log_loss,
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
