"""Which class would gain most from more photos? Some photos of each class are removed and the loss is measured.

This measures how much the last photos of a class are worth; the next ones are assumed to rank alike. The head is always
logistic, because many logistic heads are solved at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.distributions import normal_cdf
from headstart.evaluation.intervals import Z95
from headstart.evaluation.learning_curve.measuring import Part, Split
from headstart.evaluation.metrics import Labels
from headstart.evaluation.paired import score_interval
from headstart.heads import logistic
from headstart.heads.basis import Basis
from headstart.heads.fitting import class_weights
from headstart.heads.head import Vectors
from headstart.heads.linear_algebra import one_thread

Right = npt.NDArray[np.bool_]
#: Photos of a class that are removed, at most; never more than half.
REMOVED = 20
_DRAWS = 6
#: Classes that are examined, at most: those with the worst recall.
_CLASSES = 20
_NUMBERS = 2**24
#: Multiplications and additions at most, about 20 s on two cores; if necessary, fewer classes are examined.
_MOST_WORK = 4e11
_ITERATIONS = 20


@dataclass(frozen=True)
class ClassWorth:
    """How much the last photos of a class are worth.

    Attributes:
        name: of the class. gain: accuracy lost without them, -1..1. interval: its 95 % interval.
    """

    name: str
    gain: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """One of the `worth` of a learning curve's `advice`, see docs/json.md."""
        return {"class": self.name, "gain": self.gain, "interval": list(self.interval)}


@dataclass(frozen=True)
class Advice:
    """Which class needs more photos.

    Attributes:
        text: a sentence. classes: the one that gains most first. removed: photos removed from each.
        is_significant: whether the first and the last class differ by more than chance.
    """

    text: str
    classes: tuple[ClassWorth, ...] = ()
    removed: int = 0
    is_significant: bool = False

    def to_json(self) -> dict[str, Any]:
        """The `advice` of a `learning_curve`, see docs/json.md."""
        return {
            "text": self.text,
            "worth": [one.to_json() for one in self.classes],
            "removed": self.removed,
            "significant": self.is_significant,
        }


@one_thread()
def advise(
    vectors: Vectors,
    labels: Labels,
    classes: Sequence[str],
    l2: float,
    split: Split,
    seed: int,
) -> Advice:
    """Remove photos of one class at a time, and measure how much accuracy is lost.

    Two classes differ by a paired z-test on the photos measured on, at 5 % divided by the number of pairs
    (Bonferroni), because the first and the last are chosen among all. The variance is that of the mean over
    those photos plus that of the mean over the draws.

    Args:
        vectors: float32 `(n, dim)`, power-normalised; no photo twice.
        labels: intp `(n,)`, `0..k-1`. classes: k names.
        l2: strength of the logistic head.
        split: what to measure on.
        seed: of the draws.
    """
    counts = np.bincount(labels, minlength=len(classes))
    removed = min(REMOVED, int(counts.min()) // 2)
    if removed < 1 or len(classes) < 2:
        return Advice("There are too few photos to say which class needs more.")
    work = 4.0 * _ITERATIONS * len(vectors) * min(vectors.shape) * split.rounds * _DRAWS * len(classes)  # of one class
    examined = min(len(classes), _CLASSES, int(_MOST_WORK / work))
    if examined < 2:
        return Advice("Which class needs more photos was not measured: with so many photos it would take minutes.")
    problems = _Problems(vectors, labels, l2, split)
    whole = problems.right([np.ones(len(labels), bool)])[0]
    truth = split.truth(labels)
    recalls = [float(whole[truth == c].mean()) if (truth == c).any() else 1.0 for c in range(len(classes))]
    chosen = np.argsort(recalls, kind="stable")[:examined].tolist()
    rng = np.random.default_rng([seed, 20])
    kept = []
    for c in chosen:
        own = np.flatnonzero(labels == c)
        for _ in range(_DRAWS):
            mask = np.ones(len(labels), bool)
            mask[rng.permutation(own)[:removed]] = False
            kept.append(mask)
    without = problems.right(kept).reshape(examined, _DRAWS, -1)
    lost = whole.astype(np.float32) - without  # (classes, draws, photos)
    found = _advice([classes[c] for c in chosen], lost, removed)
    if examined == len(classes):
        return found
    return replace(found, text=f"{found.text} Only the {examined} classes with the worst recall were examined.")


def _advice(names: Sequence[str], lost: npt.NDArray[np.float32], removed: int) -> Advice:
    """Rank the classes by accuracy lost, float32 `(classes, draws, photos)`."""
    worth = [_mean(one) for one in lost]
    order = np.argsort([-gain for gain, _ in worth], kind="stable").tolist()
    listed = tuple(
        ClassWorth(names[i], worth[i][0], (worth[i][0] - Z95 * worth[i][1], worth[i][0] + Z95 * worth[i][1]))
        for i in order
    )
    if len(order) < 2:
        return Advice("There are too few classes to compare.", listed, removed)
    first, last = order[0], order[-1]
    gain, error = _mean(lost[first] - lost[last])
    pairs = len(order) * (len(order) - 1) / 2
    p = min(1.0, 2 * normal_cdf(-gain / error) * pairs)
    photos = "one more photo" if removed == 1 else f"{removed} more photos"
    if p < 0.05 and worth[first][0] > 0:
        are = "is" if removed == 1 else "are"
        text = (
            f"{photos[0].upper()}{photos[1:]} of '{names[first]}' {are} worth more than {removed} of '{names[last]}'."
        )
        return Advice(text, listed, removed, is_significant=True)
    return Advice(f"There are too few photos to say which class would gain most from {photos}.", listed, removed)


def _mean(lost: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Mean over draws and photos, `(draws, photos)`, and its standard error.

    The error is at least that of `score_interval` for as many photos without a disagreement: never zero.
    """
    photos, draws = lost.mean(axis=0), lost.mean(axis=1)
    variance = photos.var(ddof=1) / len(photos) + draws.var(ddof=1) / len(draws)
    least = score_interval(0, 0, len(photos))[1] / Z95
    return float(lost.mean()), max(float(np.sqrt(variance)), least)


class _Problems:
    """Trains many heads at once, each on some of the photos, and finds which photos they classify correctly."""

    def __init__(self, vectors: Vectors, labels: Labels, l2: float, split: Split) -> None:
        self._vectors, self._labels, self._l2, self._split = vectors, labels, l2, split
        self._basis = Basis(vectors, class_weights(labels))

    def right(self, kept: Sequence[Right]) -> Right:
        """For masks of photos trained on: bool `(masks, photos measured on)`."""
        right = np.empty((len(kept), len(self._split.truth(self._labels))), bool)
        for part in self._split.parts(self._vectors, self._labels):
            self._fill(right, [mask & part.train for mask in kept], part)
        return right

    def _fill(self, right: Right, kept: Sequence[Right], part: Part) -> None:
        k = int(self._labels.max()) + 1
        step = max(1, _NUMBERS // (k * max(len(self._labels), len(part.vectors))))
        for start in range(0, len(kept), step):
            some = kept[start : start + step]
            weights = np.stack([self._weights(mask) for mask in some], axis=1)
            columns, intercepts = logistic.solve(self._basis, self._labels, weights, self._l2)
            outside = self._basis.back(columns)
            scores = part.vectors @ outside - self._basis.mean @ outside
            classes = (scores.reshape(-1, len(some), k) + intercepts).argmax(axis=2)
            right[start : start + len(some), part.places] = (classes == part.labels[:, None]).T

    def _weights(self, mask: Right) -> Vectors:
        weights = np.zeros(len(mask), np.float32)
        counts = np.bincount(self._labels[mask], minlength=int(self._labels.max()) + 1)
        weights[mask] = 1 / counts[self._labels[mask]]
        weights /= weights.sum()
        return weights
