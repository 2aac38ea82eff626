"""Is one classifier better than another, or was it luck? Paired tests on the same photos: pure functions on arrays.

Both classifiers predict the same photos, so only photos that just one of them got right matter for the difference.
Such a test detects far smaller differences than a comparison of two intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.distributions import coin_cdf, t_cdf, t_quantile
from headstart.evaluation.metrics import Z95

Right = npt.NDArray[np.bool_]
#: Below this p-value a difference counts as more than luck; it matches the 95 % intervals.
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """How the accuracies of two classifiers differ on the same n photos.

    Attributes:
        n: photos that both predicted.
        value: accuracy of the first minus that of the second, -1..1.
        interval: 95 % interval of it, in -1..1; never of width 0.
        p: probability of a difference at least this large if both were equally good; two-sided, 0..1.
        first_only, second_only: photos that only the first, or only the second, got right; a mean over repeats.
    """

    n: int
    value: float
    interval: tuple[float, float]
    p: float
    first_only: float
    second_only: float

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
            "significant": self.is_significant,
        }


def on_test_set(first: Right, second: Right) -> Difference:
    """Compare two trained classifiers on photos that neither was trained on.

    Args:
        first, second: bool `(n,)`, n >= 1, whether each was right on photo i. The photos count as independent: pass
            copies of a photo once.

    Returns:
        p by McNemar's test (`mcnemar`), the interval by Tango's score (`tango`). The interval leaves out 0 when
        McNemar's test without correction is below 0.05, which for all up to 200 photos that only one got right is when
        the mid-p is, but for 7 of the 10,200 splits at the edge (4 to 0 is the smallest): there p decides.

    Raises:
        ValueError: the arrays differ in shape, are not bool `(n,)`, or are empty.
    """
    _check(first, second, 1)
    n = len(first)
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    return Difference(n, (b - c) / n, tango(b, c, n), mcnemar(b, c), b, c)


def by_cross_validation(first: Right, second: Right, folds: npt.NDArray[np.integer[Any]]) -> Difference:
    """Compare two ways of making a classifier by repeated cross-validation over the same folds.

    The corrected resampled t-test (Nadeau and Bengio 2003, section 3; for r repeats of k folds Bouckaert and Frank
    2004, section 3.2). With x the difference of accuracy in one fold of one repeat,

        t = mean(x) / sqrt((1 / (k * r) + n_test / n_train) * var(x)),  k * r - 1 degrees of freedom.

    Training sets overlap, so the x are not independent; `n_test / n_train` stands for what they share. Without it the
    test would find a difference between any two heads if only it were repeated often enough.

    Folds of unequal size weigh by their photos, so that `value` is the difference of the accuracies that are printed.
    `var(x)` is 0 where the two agree on every photo. As ten right out of ten is not 100 %, the standard error is at
    least that of Tango's interval for n photos without disagreement.

    Args:
        first, second: bool `(r, n)`, whether each was right on photo i in repeat j.
        folds: int `(r, n)`, the fold that photo i was in, `0..k-1`, k >= 2, the same for both.

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
    error = max(float(np.sqrt(variance)), tango(0, 0, n)[1] / Z95)
    half = t_quantile(0.975, count - 1) * error
    p = 2 * t_cdf(-abs(value) / error, count - 1)
    return Difference(n, value, (max(-1.0, value - half), min(1.0, value + half)), p, b, c)


def mcnemar(first_only: int, second_only: int) -> float:
    """Exact McNemar test in its mid-p form, two-sided (Fagerland, Lydersen and Laake 2013, equation 4).

    If both are equally good, each photo that only one got right is a fair coin. The plain exact test keeps well below
    its 5 % (about 2 to 3 at these sizes) and so misses differences; the mid-p counts the observed outcome half and
    stayed at or below 5 % in all 9,595 cases of that paper.

    Args:
        first_only, second_only: b and c, photos that only one got right, 0 or more.

    Returns:
        `2 P(X < min(b, c)) + P(X = min(b, c))` for X binomial (b + c, 1/2); 1 if b == c.
    """
    m, least = first_only + second_only, min(first_only, second_only)
    below = coin_cdf(least - 1, m) if least else 0.0
    return min(1.0, below + coin_cdf(least, m))


def tango(first_only: float, second_only: float, n: int) -> tuple[float, float]:
    """95 % score interval of the difference of two proportions of the same n photos (Tango 1998, section 3).

    What Wilson's interval is for one accuracy: all differences that the score test does not reject. Never of width 0:
    if the two agree on all of n photos it reaches to `z^2 / (n + z^2)` on either side.

    Args:
        first_only, second_only: b and c, photos that only one got right; b + c <= n. Need not be whole: means over
            repeats will do.
        n: photos, 1 or more.

    Returns:
        `(low, high)` in -1..1, around `(b - c) / n`.
    """
    value = (first_only - second_only) / n

    def end(sign: float) -> float:
        inside, outside = value, sign
        for _ in range(60):  # halved to below float64's precision
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if _accepts(middle, first_only, second_only, n) else (inside, middle)
        return inside

    return end(-1.0), end(1.0)


def _accepts(delta: float, b: float, c: float, n: int) -> bool:
    """Whether the score test at 5 % accepts the difference `delta`, -1..1.

    Tango 1998, equations 8 to 10: `q` is the likeliest share of photos that only the second gets right, given that
    the first gets `delta` more right: the greater root of `2 n q^2 + B q - c delta (1 - delta) = 0`.
    """
    linear = (2 * n - b + c) * delta - b - c
    q = (np.sqrt(linear**2 + 8 * n * c * delta * (1 - delta)) - linear) / (4 * n)
    return bool((b - c - n * delta) ** 2 <= Z95**2 * n * (2 * q + delta * (1 - delta)))


def _check(first: Right, second: Right, ndim: int) -> None:
    if first.shape != second.shape or first.ndim != ndim or first.dtype != bool or second.dtype != bool:
        expected = "(n,)" if ndim == 1 else "(repeats, n)"
        raise ValueError(
            f"The answers are {first.dtype} {first.shape} and {second.dtype} {second.shape}.\n"
            f"Expected two bool arrays of the same shape {expected}."
        )
    if not first.size:
        raise ValueError("There are no answers to compare.\nExpected at least one photo.")
