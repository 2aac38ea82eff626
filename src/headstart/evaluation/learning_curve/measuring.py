"""Photos to measure accuracies on: held-out photos, or each fold of a cross-validation in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headstart.evaluation.metrics import Labels
from headstart.heads.head import Vectors


@dataclass(frozen=True)
class Part:
    """Photos to measure on, and the photos that may be trained on for that.

    Attributes:
        train: bool `(n,)`, over the training photos.
        vectors: float32 `(m, dim)`. labels: intp `(m,)`.
        places: intp `(m,)`, numbers of these photos among all that are measured on.
    """

    train: npt.NDArray[np.bool_]
    vectors: Vectors
    labels: Labels
    places: Labels


class Split(Protocol):
    """A way to measure heads trained on vectors float32 `(n, dim)` and labels intp `(n,)`."""

    @property
    def rounds(self) -> int:
        """Number of parts."""
        ...

    def truth(self, labels: Labels) -> Labels:
        """Labels of all photos measured on."""
        ...

    def parts(self, vectors: Vectors, labels: Labels) -> Iterator[Part]:
        """The parts, which together hold each photo measured on once."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """Photos that are never trained on: vectors float32 `(m, dim)`, labels intp `(m,)`."""

    vectors: Vectors
    labels: Labels
    rounds = 1

    def truth(self, labels: Labels) -> Labels:
        """See `Split.truth`."""
        return self.labels

    def parts(self, vectors: Vectors, labels: Labels) -> Iterator[Part]:
        """See `Split.parts`."""
        yield Part(np.ones(len(labels), bool), self.vectors, self.labels, np.arange(len(self.labels)))


@dataclass(frozen=True)
class Folds:
    """Cross-validation: `folds`, intp `(n,)`, is the fold that each training photo is measured in."""

    folds: Labels

    @property
    def rounds(self) -> int:
        """See `Split.rounds`."""
        return int(self.folds.max()) + 1

    def truth(self, labels: Labels) -> Labels:
        """See `Split.truth`."""
        return labels

    def parts(self, vectors: Vectors, labels: Labels) -> Iterator[Part]:
        """See `Split.parts`."""
        for fold in range(self.rounds):
            inside = np.flatnonzero(self.folds == fold)
            yield Part(self.folds != fold, vectors[inside], labels[inside], inside)
