"""What a classifier gives back: predictions, and an evaluation with the names that make it readable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.metrics import Evaluation
from headstart.features.extraction import Skipped


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of photos.

    Attributes:
        paths: m photos that could be used.
        probabilities: float64 `(m, k)`, calibrated, columns in the order of `classes`.
        classes: class names.
        skipped: the others.
    """

    paths: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def labels(self) -> list[str]:
        """The most probable class of each photo."""
        return [self.classes[i] for i in self.probabilities.argmax(axis=1)]


@dataclass(frozen=True)
class Answers:
    """Which photos were answered rightly: what a paired test needs.

    Attributes:
        right: bool `(r, n)`, for r repeats of cross-validation; r is 1 for a test set.
        folds: int8 `(r, n)`, the fold that photo i was in; None for a test set.
        once: bool `(n,)`, true for one photo of each group of copies.
    """

    right: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int8] | None
    once: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """An evaluation with the names that make it readable.

    Attributes:
        evaluation: the figures. protocol: `test set` or `cross-validation`.
        classes, paths, labels: what its numbers stand for.
        probabilities: float32 `(n, k)` of each photo; over repeats of cross-validation, their mean.
        answers: which photos were answered rightly.
        skipped: photos that could not be used.
        seen: photos measured on that the head was trained on.
        notes: what was left aside and why.
    """

    evaluation: Evaluation
    protocol: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.intp]
    probabilities: npt.NDArray[np.float32]
    answers: Answers
    skipped: tuple[Skipped, ...] = ()
    seen: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """See `Evaluation.to_json`."""
        return self.evaluation.to_json(self.classes, self.paths, self.labels, self.protocol)


def answers_of(
    labels: npt.NDArray[np.intp],
    repeats: Sequence[npt.NDArray[np.float64]],
    groups: npt.NDArray[np.void],
    folds: npt.NDArray[np.int8] | None = None,
) -> Answers:
    """Which photos were answered rightly.

    Args:
        labels: intp `(n,)`, true classes. repeats: for each float64 `(n, k)` probabilities.
        groups: a key for each photo, equal for copies; void `(n,)`.
        folds: int8 `(r, n)` of cross-validation.
    """
    once = np.zeros(len(labels), bool)
    once[len(groups) - 1 - np.unique(groups[::-1], return_index=True)[1]] = True
    return Answers(np.stack([p.argmax(axis=1) == labels for p in repeats]), folds, once)


def mean_of(repeats: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float32]:
    """The mean of probabilities `(n, k)` over repeats, in float32: it is kept, and n and k may be large."""
    total = repeats[0].astype(np.float32)
    for one in repeats[1:]:
        total += one
    total /= np.float32(len(repeats))
    return total


def about(measured: Measured, **facts: Any) -> dict[str, Any]:
    """What is saved of an evaluation: no paths, for what is handed on must not tell the owner's folders.

    Of more than 1,000 classes the confusion matrix is left out: it would be hundreds of megabytes of JSON.
    """
    left_out = ["mistakes", *(["confusion"] if len(measured.classes) > 1000 else [])]
    figures = {name: value for name, value in measured.to_json().items() if name not in left_out}
    return {**facts, "evaluation": figures}
