"""How good a classifier is, and how certain that is: functions of arrays, which need no photos or files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.intervals import Protocol, accuracy_interval
from headstart.safety.printable import percent

Labels = npt.NDArray[np.intp]
Probabilities = npt.NDArray[np.float64]

CALIBRATION_BINS = 15
MISTAKES_SHOWN = 50
LEAST_SURE_SHOWN = 12


@dataclass(frozen=True)
class Mistake:
    """A photo that was predicted as another class.

    Attributes:
        path: of the photo. label: its class. predicted: the class predicted. probability: of the predicted class.
    """

    path: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Unsure:
    """A photo that was predicted right, but with little confidence.

    Attributes:
        path: of the photo. label: its class, which was predicted. probability: of that class.
    """

    path: str
    label: str
    probability: float


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is recognised; 0 where there is nothing to divide by.

    Attributes:
        name: of the class. precision, recall, f1: 0..1. support: its photos.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Bin:
    """Photos that were predicted with about the same confidence.

    Attributes:
        low, high: 0..1, edges of the confidence.
        photos: how many. confidence: their mean. accuracy: the share of them that was right.
    """

    low: float
    high: float
    photos: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Confusion:
    """Photos of one class that were predicted as another.

    Attributes:
        photos: how many; a mean over repeats. label, predicted: names of the classes.
        share: of all photos of the class, 0..1.
    """

    photos: float
    label: str
    predicted: str
    share: float


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What was measured on n photos of k classes.

    Attributes:
        protocol: `test set` or `cross-validation`.
        classes: k names.
        n: photos measured on.
        accuracy: share of right predictions, 0..1; over repeats of cross-validation, their mean.
        interval: 95 % interval of the accuracy.
        balanced_accuracy: mean of the recalls of the classes.
        log_loss: mean of `-ln p(true class)`.
        calibration_error: expected calibration error, 0..1.
        confusion: float64 `(k, k)`, rows true, columns predicted; photos (a mean over repeats).
        bins: of the calibration error, those with photos; of the mean probabilities over repeats.
        mistakes: the most confident first, at most 50.
        least_sure: photos predicted right, the least confident first, at most 12. Only for people: not in `to_json`.
    """

    protocol: Protocol
    classes: tuple[str, ...]
    n: int
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    log_loss: float
    calibration_error: float
    confusion: npt.NDArray[np.float64]
    bins: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]
    least_sure: tuple[Unsure, ...] = ()

    def __repr__(self) -> str:
        return f"Evaluation({self.summary})"

    @property
    def summary(self) -> str:
        """Accuracy, number of photos and interval in a few words."""
        low, high = (percent(share) for share in self.interval)
        return f"{percent(self.accuracy)} of {self.n:,} photos right, 95 % interval {low} to {high}"

    @property
    def per_class(self) -> tuple[ClassFigures, ...]:
        """Precision, recall, F1 and number of photos of each class, in the order of `classes`."""
        hits = np.diag(self.confusion)
        found, support = self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        return tuple(
            ClassFigures(
                name,
                precision=hit / predicted if predicted else 0.0,
                recall=hit / true if true else 0.0,
                f1=2 * hit / (predicted + true) if predicted + true else 0.0,
                support=round(true),
            )
            for name, hit, predicted, true in zip(
                self.classes, hits.tolist(), found.tolist(), support.tolist(), strict=True
            )
        )

    def top_confusions(self, most: int) -> list[Confusion]:
        """Classes predicted as another class, the most frequent first; those with half a photo or more.

        Args:
            most: maximum number of confusions.
        """
        support = self.confusion.sum(axis=1)
        found = [
            Confusion(n, self.classes[i], self.classes[j], n / float(support[i]))
            for i, row in enumerate(self.confusion.tolist())
            for j, n in enumerate(row)
            if i != j and n >= 0.5
        ]
        return sorted(found, key=lambda one: -one.photos)[:most]

    def to_json(self) -> dict[str, Any]:
        """The `evaluation` of all documents, see docs/json.md."""
        whole = bool((self.confusion == np.round(self.confusion)).all())
        counts = self.confusion.astype(int).tolist() if whole else self.confusion.tolist()
        return {
            "protocol": self.protocol,
            "n": self.n,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "balanced_accuracy": self.balanced_accuracy,
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "per_class": {
                one.name: {"precision": one.precision, "recall": one.recall, "f1": one.f1, "support": one.support}
                for one in self.per_class
            },
            "confusion": {"classes": list(self.classes), "counts": counts},
            "reliability": [
                {
                    "low": one.low,
                    "high": one.high,
                    "n": one.photos,
                    "confidence": one.confidence,
                    "accuracy": one.accuracy,
                }
                for one in self.bins
            ],
            "mistakes": [asdict(one) for one in self.mistakes],
        }


def evaluate(
    labels: Labels,
    repeats: Sequence[Probabilities],
    classes: Sequence[str],
    paths: Sequence[str],
    protocol: Protocol = "test set",
    interval_photos: int | None = None,
    mean: npt.NDArray[np.float32] | None = None,
) -> Evaluation:
    """Measure predictions against the truth.

    Args:
        labels: intp `(n,)`, true classes, `0..k-1`.
        repeats: for each repeat (one for a test set) float64 `(n, k)`, probabilities.
        classes: k names. paths: n of them.
        protocol: cross-validation gets the cautious interval, because it measures heads that learn from fewer photos
            than the final one.
        interval_photos: number of independent photos for the interval; n if not given. Copies count as one.
        mean: `mean_of(repeats)`, if it was computed already.

    Returns:
        figures averaged over the repeats. The interval is Wilson's for one set of independent photos: repeats make
        the mean steadier but add no photos, so they do not narrow it. For cross-validation it is
        `wilson_corrected`. In 300 draws each of 10 and 40 photos a class (benchmarks/intervals.py) the plain one
        contained the true accuracy in as few as 92.3 %, the cautious one in 93.0 % or more.
    """
    n, k = repeats[0].shape
    confusion = np.zeros((k, k))
    for p in repeats:
        np.add.at(confusion, (labels, p.argmax(axis=1)), 1.0)
    confusion /= len(repeats)
    accuracy = float(np.trace(confusion) / n)
    support = confusion.sum(axis=1)
    recalls = np.diag(confusion)[support > 0] / support[support > 0]
    exact = np.mean(repeats, axis=0) if len(repeats) > 1 else repeats[0]
    return Evaluation(
        protocol=protocol,
        classes=tuple(classes),
        n=n,
        accuracy=accuracy,
        interval=accuracy_interval(protocol, accuracy, interval_photos or n),
        balanced_accuracy=float(recalls.mean()),
        log_loss=float(np.mean([log_loss(p, labels) for p in repeats])),
        calibration_error=float(np.mean([calibration_error(p, labels) for p in repeats])),
        confusion=confusion,
        bins=bins(mean_of(repeats) if mean is None else mean, labels),
        mistakes=_mistakes(labels, exact, classes, paths),
        least_sure=_least_sure(labels, exact, classes, paths),
    )


def mean_of(repeats: Sequence[Probabilities]) -> npt.NDArray[np.float32]:
    """The mean of probabilities `(n, k)` over repeats, in float32: it is kept in memory, and n and k may be large."""
    total = repeats[0].astype(np.float32)
    for one in repeats[1:]:
        total += one
    total /= np.float32(len(repeats))
    return total


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Mean of `-ln p(true class)`; p counts as at least 1e-12."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Expected calibration error of the predicted class (Guo et al. 2017, equation 3), 15 bins of equal width."""
    confidence, right, places = _binned(probabilities, labels)
    gap = np.bincount(places, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(labels))


def bins(probabilities: npt.NDArray[np.floating[Any]], labels: Labels) -> tuple[Bin, ...]:
    """The bins of `calibration_error` that have photos: the confidence in them, and how many were right."""
    confidence, right, places = _binned(probabilities, labels)
    return tuple(
        Bin(
            low=place / CALIBRATION_BINS,
            high=(place + 1) / CALIBRATION_BINS,
            photos=int((places == place).sum()),
            confidence=float(confidence[places == place].mean()),
            accuracy=float(right[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    )


def _binned(
    probabilities: npt.NDArray[np.floating[Any]], labels: Labels
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.bool_], Labels]:
    """For each photo: the confidence of its prediction, whether it was right, and its bin."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    return confidence, right, np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)


def _mistakes(
    labels: Labels, probabilities: Probabilities, classes: Sequence[str], paths: Sequence[str]
) -> tuple[Mistake, ...]:
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES_SHOWN]
    return tuple(
        Mistake(paths[i], classes[int(labels[i])], classes[int(predicted[i])], float(confidence[i]))
        for i in wrong.tolist()
    )


def _least_sure(
    labels: Labels, probabilities: Probabilities, classes: Sequence[str], paths: Sequence[str]
) -> tuple[Unsure, ...]:
    confidence = probabilities.max(axis=1)
    right = np.flatnonzero(probabilities.argmax(axis=1) == labels)
    right = right[np.argsort(confidence[right], kind="stable")][:LEAST_SURE_SHOWN]
    return tuple(Unsure(paths[i], classes[int(labels[i])], float(confidence[i])) for i in right.tolist())
