"""What is tracked of a training, the name of its folder, and its row of the table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.backbones import catalogue
from headstart.backbones.card import short_name
from headstart.classifier.classifier import Classifier
from headstart.classifier.trial import Trial
from headstart.evaluation.results import Measured
from headstart.features.extraction import Features


@dataclass(frozen=True)
class Run:
    """A training: a network, a head, and what they were trained and measured on.

    Attributes:
        trial: what was trained, on what, and how good it is.
        fraction: share of the training photos that was used, 0..1.
        document: `Training.to_json`.
        started: seconds since 1970.
    """

    trial: Trial
    fraction: float
    document: dict[str, Any]
    started: float

    @property
    def classifier(self) -> Classifier:
        """The trained one."""
        return self.trial.classifier

    @property
    def measured(self) -> Measured:
        """The honest figures, on the photos of `held` or, without, of `learn`."""
        return self.trial.measured

    @property
    def learn(self) -> Features:
        """Features of the photos trained on."""
        return self.trial.learn

    @property
    def labels(self) -> Sequence[str]:
        """Class name of each photo trained on."""
        return self.trial.labels

    @property
    def held(self) -> Features | None:
        """Features of the photos measured on; None: cross-validation."""
        return self.trial.held

    @property
    def shown(self) -> Features:
        """Features of the photos measured on."""
        return self.learn if self.held is None else self.held

    @property
    def name(self) -> str:
        """Network, what is unusual of the training, head, time: `efficientnet-lite0-logistic-20261123-233000`."""
        card = self.classifier.card
        parts = [
            short_name(card.handle),
            *([] if card.layers == "last" else [card.layers]),
            *([] if card.view.fit == "squash" else [card.view.fit]),
            self.classifier.kind,
            time.strftime("%Y%m%d-%H%M%S", time.localtime(self.started)),
        ]
        return "-".join(parts)

    def columns(self) -> dict[str, str | float]:
        """The settings, the same names and types in every run: 0 stands for "has none" and for "not known"."""
        card, head = self.classifier.card, self.document["head"]
        known = catalogue.by_handle(card.handle)
        twin = round(1e6 * known.params_m) if known and known.params_m else 0
        return {
            "network": card.handle,
            "head": self.classifier.kind,
            "l2": float(head["l2"] or 0.0),
            "neighbours": float(head.get("neighbours") or 0.0),
            "view": card.view.fit,
            "layers": card.layers,
            "fraction": float(self.fraction),
            "dimension": float(card.dim),
            "parameters": float(self.classifier.backbone.parameters or twin),
        }

    def figures(self) -> dict[str, float]:
        """The results, the same names in every run; 0 photos/s: never timed here on enough photos.

        The table shows the five first in the order of the alphabet until more are ticked: the names put those first
        that a choice is made by. What stands before a stroke is a section of the scalars page.
        """
        evaluation = self.measured.evaluation
        low, high = evaluation.interval
        rate = self.document["features"]["photos_per_second"]
        return {
            "accuracy": evaluation.accuracy,
            "accuracy/high": high,
            "accuracy/low": low,
            "cost/photos_per_second": rate or self.classifier.store.rate(self.classifier.card) or 0.0,
            "cost/seconds": self.document["seconds"]["total"],
            "quality/balanced_accuracy": evaluation.balanced_accuracy,
            "quality/calibration_error": evaluation.calibration_error,
            "quality/log_loss": evaluation.log_loss,
        }


def claim(logdir: Path, name: str) -> Path:
    """Make a folder of this name, with a number behind it if there is one: no run overwrites another."""
    for number in range(1, 1_000_000):
        folder = logdir / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise FileExistsError(f"a million runs are called {name}")
