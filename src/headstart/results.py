"""What a classifier gives back: predictions, and an evaluation with the names that make it readable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation import Evaluation
from headstart.features import Skipped


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
class Measured:
    """An evaluation with the names that make it readable.

    Attributes:
        evaluation: the figures. protocol: `test set` or `cross-validation`.
        classes, paths, labels: what its numbers stand for.
        probabilities: float32 `(n, k)` of each photo; over repeats of cross-validation, their mean.
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
    skipped: tuple[Skipped, ...] = ()
    seen: int = 0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """See `Evaluation.to_json`."""
        return self.evaluation.to_json(self.classes, self.paths, self.labels, self.protocol)


def mean_of(repeats: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float32]:
    """The mean of probabilities `(n, k)` over repeats, in float32: it is kept, and n and k may be large."""
    total = repeats[0].astype(np.float32)
    for one in repeats[1:]:
        total += one
    total /= np.float32(len(repeats))
    return total


def about(measured: Measured, **facts: Any) -> dict[str, Any]:
    """What is saved of an evaluation: no paths, for what is handed on must not tell the owner's folders."""
    figures = {name: value for name, value in measured.to_json().items() if name != "mistakes"}
    return {**facts, "evaluation": figures}
