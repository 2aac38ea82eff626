"""Of which class would more photos help most? Some of each class are taken away, and what that costs is measured.

What is measured is what the last photos of a class were worth; the next ones are supposed to rank alike. It is measured
with a logistic head, whatever head was trained: many of those are solved at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.distributions import normal_cdf
from headstart.evaluation.metrics import Z95
from headstart.evaluation.paired import tango
from headstart.heads import logistic
from headstart.heads.basis import Basis
from headstart.heads.fitting import class_weights
from headstart.heads.linear_algebra import one_thread

Labels = npt.NDArray[np.intp]
Vectors = npt.NDArray[np.float32]
Right = npt.NDArray[np.bool_]
#: Photos taken away of each class, at most; never more than half.
REMOVED = 20
_DRAWS = 6
#: Classes looked at: those of the worst recall.
_CLASSES = 20
_NUMBERS = 2**24
#: Multiplications and additions that it may take, about 20 s on two cores; fewer classes are looked at if need be.
_MOST_WORK = 4e11
_ITERATIONS = 20


@dataclass(frozen=True)
class ClassWorth:
    """What the last photos of a class were worth.

    Attributes:
        name: of the class. gain: accuracy lost without them, -1..1. interval: 95 % of it.
    """

    name: str
    gain: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """One of the `worth` of a learning curve's `advice`, see docs/json.md."""
        return {"class": self.name, "gain": self.gain, "interval": list(self.interval)}


@dataclass(frozen=True)
class Advice:
    """Which class deserves more photos.

    Attributes:
        text: a sentence. classes: the one worth most first. removed: photos taken away of each.
        is_told: whether the first and the last are told apart.
    """

    text: str
    classes: tuple[ClassWorth, ...] = ()
    removed: int = 0
    is_told: bool = False

    def to_json(self) -> dict[str, Any]:
        """The `advice` of a `learning_curve`, see docs/json.md."""
        return {
            "text": self.text,
            "worth": [one.to_json() for one in self.classes],
            "removed": self.removed,
            "significant": self.is_told,
        }


@one_thread()
def advise(
    vectors: Vectors,
    labels: Labels,
    classes: Sequence[str],
    l2: float,
    folds: Labels | None,
    held: tuple[Vectors, Labels] | None,
    seed: int,
) -> Advice:
    """Take photos of one class away, then of the next, and see what each costs.

    Two classes are told apart by a z-test on the photos measured on, paired, at 5 % divided by the number of pairs
    (Bonferroni): the first and the last were found by looking at all. The variance is that of the mean over those
    photos plus that of the mean over the draws.

    Args:
        vectors: float32 `(n, dim)`, power-normalised; no photo twice.
        labels: intp `(n,)`, `0..k-1`. classes: k names.
        l2: strength of the logistic head.
        folds: intp `(n,)`, for cross-validation. held: vectors `(m, dim)` and labels to measure on. One of the two.
        seed: of the draws.
    """
    counts = np.bincount(labels, minlength=len(classes))
    removed = min(REMOVED, int(counts.min()) // 2)
    if removed < 1 or len(classes) < 2:
        return Advice("There are too few photos to say which class needs more.")
    parts = 1 if folds is None else int(folds.max()) + 1
    work = 4.0 * _ITERATIONS * len(vectors) * min(vectors.shape) * parts * _DRAWS * len(classes)  # of one class
    looked = min(len(classes), _CLASSES, int(_MOST_WORK / work))
    if looked < 2:
        return Advice("Which class needs more photos was not looked at: with so many it would take minutes.")
    problems = _Problems(vectors, labels, l2, folds, held)
    whole = problems.right([np.ones(len(labels), bool)])[0]
    truth = labels if held is None else held[1]
    recalls = [float(whole[truth == c].mean()) if (truth == c).any() else 1.0 for c in range(len(classes))]
    chosen = np.argsort(recalls, kind="stable")[:looked].tolist()
    rng = np.random.default_rng([seed, 20])
    kept = []
    for c in chosen:
        own = np.flatnonzero(labels == c)
        for _ in range(_DRAWS):
            mask = np.ones(len(labels), bool)
            mask[rng.permutation(own)[:removed]] = False
            kept.append(mask)
    without = problems.right(kept).reshape(looked, _DRAWS, -1)
    lost = whole.astype(np.float32) - without  # (classes, draws, photos)
    found = _told([classes[c] for c in chosen], lost, removed)
    if looked == len(classes):
        return found
    return replace(found, text=f"{found.text} Looked at were the {looked} classes that are found least often.")


def _told(names: Sequence[str], lost: npt.NDArray[np.float32], removed: int) -> Advice:
    worth = [_mean(one) for one in lost]
    order = np.argsort([-gain for gain, _ in worth], kind="stable").tolist()
    listed = tuple(
        ClassWorth(names[i], worth[i][0], (worth[i][0] - Z95 * worth[i][1], worth[i][0] + Z95 * worth[i][1]))
        for i in order
    )
    if len(order) < 2:
        return Advice("The photos do not say which class needs more.", listed, removed)
    first, last = order[0], order[-1]
    gain, error = _mean(lost[first] - lost[last])
    pairs = len(order) * (len(order) - 1) / 2
    p = min(1.0, 2 * normal_cdf(-gain / error) * pairs)
    photos = "one more photo" if removed == 1 else f"{removed} more photos"
    if p < 0.05 and worth[first][0] > 0:
        text = f"{photos[0].upper()}{photos[1:]} of '{names[first]}' are worth more than {removed} of '{names[last]}'."
        return Advice(text, listed, removed, is_told=True)
    return Advice(f"Which class {photos} would help most, the photos do not say.", listed, removed)


def _mean(lost: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Mean over draws and photos, `(draws, photos)`, and its standard error.

    The error is at least that of Tango's interval for so many photos without disagreement: never zero.
    """
    photos, draws = lost.mean(axis=0), lost.mean(axis=1)
    variance = photos.var(ddof=1) / len(photos) + draws.var(ddof=1) / len(draws)
    least = tango(0, 0, len(photos))[1] / Z95
    return float(lost.mean()), max(float(np.sqrt(variance)), least)


class _Problems:
    """Heads that learn from some of the photos, many at once, and what they get right."""

    def __init__(
        self, vectors: Vectors, labels: Labels, l2: float, folds: Labels | None, held: tuple[Vectors, Labels] | None
    ) -> None:
        self._labels, self._l2, self._folds, self._held = labels, l2, folds, held
        self._basis = Basis(vectors, class_weights(labels))
        self._vectors = vectors

    def right(self, kept: Sequence[Right]) -> Right:
        """For masks of photos learned from: bool `(masks, photos measured on)`."""
        measured = len(self._labels) if self._held is None else len(self._held[1])
        right = np.empty((len(kept), measured), bool)
        if self._held is not None:
            everyone = np.arange(measured)
            self._fill(right, kept, self._held[0], self._held[1], everyone)
            return right
        assert self._folds is not None
        for fold in range(int(self._folds.max()) + 1):
            inside = np.flatnonzero(self._folds == fold)
            outside = [mask & (self._folds != fold) for mask in kept]
            self._fill(right, outside, self._vectors[inside], self._labels[inside], inside)
        return right

    def _fill(
        self, right: Right, kept: Sequence[Right], vectors: Vectors, truth: Labels, rows: npt.NDArray[np.intp]
    ) -> None:
        k = int(self._labels.max()) + 1
        step = max(1, _NUMBERS // (k * max(len(self._labels), len(vectors))))
        for start in range(0, len(kept), step):
            some = kept[start : start + step]
            weights = np.stack([self._weights(mask) for mask in some], axis=1)
            columns, intercepts = logistic.solve(self._basis, self._labels, weights, self._l2)
            outside = self._basis.back(columns)
            scores = (vectors @ outside - self._basis.mean @ outside).reshape(len(vectors), len(some), k) + intercepts
            right[start : start + len(some), rows] = (scores.argmax(axis=2) == truth[:, None]).T

    def _weights(self, mask: Right) -> Vectors:
        weights = np.zeros(len(mask), np.float32)
        counts = np.bincount(self._labels[mask], minlength=int(self._labels.max()) + 1)
        weights[mask] = 1 / counts[self._labels[mask]]
        weights /= weights.sum()
        return weights
