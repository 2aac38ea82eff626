"""Figures of predictions that are added up part by part: the same as `evaluation.metrics` gives for all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.evaluation.intervals import Protocol, accuracy_interval
from headstart.evaluation.metrics import CALIBRATION_BINS, MISTAKES_SHOWN, Bin, Evaluation, Mistake

Probabilities = npt.NDArray[np.float64]


@dataclass
class Tally:
    """What was predicted so far.

    Attributes:
        confusion: int64 `(k, k)`, rows true, columns predicted.
        loss: sum of `-ln p(true class)`.
        places: float64 `(bins, 3)`, of each bin of confidence: photos, the sum of confidences, and how many were right.
        mistakes: the most confident, as (confidence, path, true class, predicted class).
    """

    confusion: npt.NDArray[np.int64]
    loss: float
    places: npt.NDArray[np.float64]
    mistakes: list[tuple[float, str, int, int]]

    @classmethod
    def empty(cls, classes: int) -> Tally:
        """Of no photos."""
        return cls(np.zeros((classes, classes), np.int64), 0.0, np.zeros((CALIBRATION_BINS, 3)), [])

    def add(self, probabilities: Probabilities, labels: npt.NDArray[np.intp], paths: Sequence[str]) -> None:
        """Add n photos: float64 `(n, k)` probabilities, intp `(n,)` true classes."""
        predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        right = predicted == labels
        np.add.at(self.confusion, (labels, predicted), 1)
        self.loss -= float(np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).sum())
        place = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        for column, values in enumerate((np.ones(len(labels)), confidence, right)):
            self.places[:, column] += np.bincount(place, values, CALIBRATION_BINS)
        wrong = np.flatnonzero(~right)
        wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES_SHOWN].tolist()
        self._keep([(float(confidence[i]), paths[i], int(labels[i]), int(predicted[i])) for i in wrong])

    def merge(self, other: Tally) -> None:
        """Add what was predicted elsewhere."""
        self.confusion += other.confusion
        self.loss += other.loss
        self.places += other.places
        self._keep(other.mistakes)

    def _keep(self, more: list[tuple[float, str, int, int]]) -> None:
        self.mistakes = sorted([*self.mistakes, *more], key=lambda one: (-one[0], one[1]))[:MISTAKES_SHOWN]

    def evaluation(self, classes: Sequence[str], protocol: Protocol, independent: int) -> Evaluation:
        """The figures.

        Args:
            classes: k names. protocol: how it was measured. independent: photos, copies not counted.
        """
        n = int(self.confusion.sum())
        hits, support = np.diag(self.confusion), self.confusion.sum(axis=1)
        accuracy = float(hits.sum() / n)
        count, confidence, right = self.places.T
        return Evaluation(
            protocol=protocol,
            classes=tuple(classes),
            n=n,
            accuracy=accuracy,
            interval=accuracy_interval(protocol, accuracy, independent),
            balanced_accuracy=float((hits[support > 0] / support[support > 0]).mean()),
            log_loss=self.loss / n,
            calibration_error=float(np.abs(right - confidence).sum() / n),
            confusion=self.confusion.astype(np.float64),
            bins=tuple(
                Bin(
                    i / CALIBRATION_BINS,
                    (i + 1) / CALIBRATION_BINS,
                    int(count[i]),
                    float(confidence[i] / count[i]),
                    float(right[i] / count[i]),
                )
                for i in np.flatnonzero(count).tolist()
            ),
            mistakes=tuple(
                Mistake(path, classes[true], classes[predicted], p) for p, path, true, predicted in self.mistakes
            ),
        )
