"""Is one classifier better than another, or was it luck? Paired tests on the same photos: pure functions on arrays.

Both classifiers predict the same photos, so only photos that just one of them got right matter for the difference.
Such a test detects far smaller differences than a comparison of two intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.distributions import normal_cdf, t_cdf, t_quantile
from headstart.evaluation.intervals import Z95

Right = npt.NDArray[np.bool_]
#: Below this p-value a difference counts as more than luck, and its 95 % interval leaves out 0: the two never disagree.
LEVEL = 0.05
#: Photos by which the score test corrects for counts being whole, see `score_p`.
_CORRECTION = 0.25


@dataclass(frozen=True)
class Difference:
    """How the accuracies of two classifiers differ on the same n photos.

    Attributes:
        n: photos that both predicted.
        value: accuracy of the first minus that of the second, -1..1.
        interval: 95 % interval of it, in -1..1; never of width 0. It leaves out 0 exactly if p is below 0.05.
        p: probability of a difference at least this large if both were equally good; two-sided, 0..1.
        first_only, second_only: photos that only the first, or only the second, got right; a mean over repeats.
        comparisons: how many differences are looked at together. `p` is multiplied by it, at most to 1, and the
            intervals hold all true differences together in 95 % (Bonferroni; Dunn 1961).
    """

    n: int
    value: float
    interval: tuple[float, float]
    p: float
    first_only: float
    second_only: float
    comparisons: int = 1

    @property
    def is_significant(self) -> bool:
        """Whether the two differ by more than chance: p below 0.05."""
        return self.p < LEVEL

    def to_json(self) -> dict[str, Any]:
        """The `difference` of all documents, see docs/json.md."""
        return {
            "n": self.n,
            "value": self.value,
            "interval": list(self.interval),
            "p": self.p,
            "first_only": self.first_only,
            "second_only": self.second_only,
            "comparisons": self.comparisons,
            "significant": self.is_significant,
        }


def on_test_set(first: Right, second: Right, comparisons: int = 1) -> Difference:
    """Compare two trained classifiers on photos that neither was trained on, by `score_p` and `score_interval`.

    Args:
        first, second: bool `(n,)`, n >= 1, whether each was right on photo i. The photos count as independent: pass
            copies of a photo once.
        comparisons: how many differences are looked at together.

    Raises:
        ValueError: the arrays differ in shape, are not bool `(n,)`, or are empty.
    """
    _check(first, second, 1)
    n = len(first)
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    p = min(1.0, comparisons * score_p(0.0, b, c, n))
    return Difference(n, (b - c) / n, score_interval(b, c, n, comparisons), p, b, c, comparisons)


def held_out_against_trained(held_out: Right, trained: Right) -> Difference:
    """Compare answers of cross-validation with those of a classifier that was not trained on these photos.

    The score test of `on_test_set`, with the counts as means over the repeats: a mean varies less than one repeat, so
    the test finds rather too little than too much. With one repeat the two functions agree.

    Args:
        held_out: bool `(r, n)`, whether heads trained without photo i were right on it in repeat j.
        trained: bool `(n,)`, whether the classifier was.

    Raises:
        ValueError: the arrays differ in shape, are not bool, or are empty.
    """
    other = np.broadcast_to(trained, held_out.shape) if trained.shape == held_out.shape[1:] else trained
    _check(held_out, other, 2)
    n = held_out.shape[1]
    b, c = float((held_out & ~other).mean(axis=0).sum()), float((other & ~held_out).mean(axis=0).sum())
    return Difference(n, (b - c) / n, score_interval(b, c, n), score_p(0.0, b, c, n), b, c)


def by_cross_validation(
    first: Right, second: Right, folds: npt.NDArray[np.integer[Any]], comparisons: int = 1
) -> Difference:
    """Compare two ways of making a classifier by repeated cross-validation over the same folds.

    The corrected resampled t-test (Nadeau and Bengio 2003, section 3; for r repeats of k folds Bouckaert and Frank
    2004, section 3.2). With x the difference of accuracy in one fold of one repeat,

        t = mean(x) / sqrt((1 / (k * r) + n_test / n_train) * var(x)),  k * r - 1 degrees of freedom.

    The interval is that test inverted: all differences that it does not reject.

    Training sets overlap, so the x are not independent; `n_test / n_train` stands for what they share. Without it the
    test would find a difference between any two heads if only it were repeated often enough.

    Folds of unequal size weigh by their photos, so that `value` is the difference of the accuracies that are printed.
    `var(x)` is 0 where the two agree on every photo. As ten right out of ten is not 100 %, the standard error is at
    least that of `score_interval` for n photos without disagreement.

    Args:
        first, second: bool `(r, n)`, whether each was right on photo i in repeat j.
        folds: int `(r, n)`, the fold that photo i was in, `0..k-1`, k >= 2, the same for both.
        comparisons: how many differences are looked at together.

    Raises:
        ValueError: the arrays differ in shape, are not bool `(r, n)`, are empty, or a repeat has one fold.
    """
    _check(first, second, 2)
    if folds.shape != first.shape:
        raise ValueError(f"The folds have shape {folds.shape}.\nExpected {first.shape}: a fold for each answer.")
    repeats, n = first.shape
    gain = first.astype(float) - second
    value = float(gain.mean())
    spread, count = 0.0, 0
    for row, fold in zip(gain, folds, strict=True):
        sizes = np.bincount(fold)
        means = np.bincount(fold, weights=row)[sizes > 0] / sizes[sizes > 0]
        if len(means) < 2:
            raise ValueError("A repeat has all its photos in one fold.\nExpected two folds or more.")
        spread += float((sizes[sizes > 0] * (means - value) ** 2).sum() * len(means) / n)
        count += len(means)
    per_repeat = count / repeats
    variance = (1 / count + 1 / (per_repeat - 1)) * spread / (count - 1)
    b, c = float((first & ~second).mean(axis=0).sum()), float((second & ~first).mean(axis=0).sum())
    error = max(float(np.sqrt(variance)), score_interval(0, 0, n)[1] / Z95)
    half = t_quantile(1 - LEVEL / 2 / comparisons, count - 1) * error
    p = min(1.0, comparisons * 2 * t_cdf(-abs(value) / error, count - 1))
    return Difference(n, value, (max(-1.0, value - half), min(1.0, value + half)), p, b, c, comparisons)


def score_p(delta: float, first_only: float, second_only: float, n: int) -> float:
    """p-value, two-sided, of the score test that the accuracies differ by `delta` (Tango 1998, equations 8 to 10).

        z = (|b - c - n delta| - 1/4) / sqrt(n (2 q + delta (1 - delta)))

    q is the likeliest share of photos that only the second gets right, given that the first gets `delta` more right:
    the greater root of `2 n q^2 + ((2 n - b + c) delta - b - c) q - c delta (1 - delta) = 0`. For `delta` 0 it is
    McNemar's test, z = (|b - c| - 1/4) / sqrt(b + c).

    The correction of a quarter of a photo (Edwards 1948 has 1; Chang, Liu, Hou, Yan and Shan 2024 study weaker ones) is
    chosen by enumerating all outcomes of 10, 20, 40 and 100 photos. Without it equal classifiers are called different
    in up to 5.4 %, and intervals hold the true difference in as few as 93.3 %; with it 5.1 % and 94.8 %, and the
    verdict is that of the exact mid-p test (Fagerland, Lydersen and Laake 2013) in 99.7 % of the outcomes.

    Args:
        delta: -1..1.
        first_only, second_only: b and c, photos that only one got right; b + c <= n. Need not be whole: means over
            repeats will do.
        n: photos, 1 or more.
    """
    b, c = first_only, second_only
    linear = (2 * n - b + c) * delta - b - c
    root = math.sqrt(max(0.0, linear**2 + 8 * n * c * delta * (1 - delta)))  # of a square that rounding may make < 0
    distance = abs(b - c - n * delta) - _CORRECTION
    variance = n * ((root - linear) / (2 * n) + delta * (1 - delta))
    if distance <= 0:
        return 1.0
    return 2 * normal_cdf(-distance / math.sqrt(variance)) if variance > 0 else 0.0


def score_interval(first_only: float, second_only: float, n: int, comparisons: int = 1) -> tuple[float, float]:
    """95 % interval of the difference of two accuracies on the same n photos: all that `score_p` does not reject.

    What Wilson's interval is for one accuracy (Tango 1998, section 3). Never of width 0.

    Args:
        first_only, second_only, n: as for `score_p`.
        comparisons: each interval holds in `1 - 0.05 / comparisons`, so all hold together in 95 %.

    Returns:
        `(low, high)` in -1..1, around `(b - c) / n`.
    """
    value = (first_only - second_only) / n

    def end(sign: float) -> float:
        inside, outside = value, sign
        for _ in range(60):  # halved to below float64's precision
            middle = (inside + outside) / 2
            accepted = comparisons * score_p(middle, first_only, second_only, n) >= LEVEL
            inside, outside = (middle, outside) if accepted else (inside, middle)
        return inside

    return end(-1.0), end(1.0)


def _check(first: Right, second: Right, ndim: int) -> None:
    if first.shape != second.shape or first.ndim != ndim or first.dtype != bool or second.dtype != bool:
        expected = "(n,)" if ndim == 1 else "(repeats, n)"
        raise ValueError(
            f"The answers are {first.dtype} {first.shape} and {second.dtype} {second.shape}.\n"
            f"Expected two bool arrays of the same shape {expected}."
        )
    if not first.size:
        raise ValueError("There are no answers to compare.\nExpected at least one photo.")
