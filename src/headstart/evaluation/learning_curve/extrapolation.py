"""Extrapolation of a learning curve: a power law through its points, with a band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
#: Rates that are tried: 1 is the steepest in learning theory, and below 0.05 the curve is nearly a straight line.
_RATES = np.linspace(0.05, 1.0, 39)


@dataclass(frozen=True)
class PowerLaw:
    """`error(m) = floor + scale * m ** -rate` for m photos a class.

    Cortes, Jackel, Solla, Vapnik and Denker 1993 (NIPS 6); which learners it fits, and which not, is reviewed by
    Viering and Loog 2023 (IEEE TPAMI).

    Attributes:
        floor: 0..1, the error that remains with any number of photos. scale: 0 or more. rate: 0.05..1.
    """

    floor: float
    scale: float
    rate: float

    def accuracy(self, sizes: npt.ArrayLike) -> Floats:
        """float64, `1 - error(m)` for each size m, within 0..1; rises with m."""
        error = self.floor + self.scale * np.asarray(sizes, float) ** -self.rate
        return np.asarray(np.clip(1 - error, 0.0, 1.0))

    def to_json(self) -> dict[str, Any]:
        """The `law` of an `extrapolation`, see docs/json.md."""
        return {"floor": self.floor, "scale": self.scale, "rate": self.rate}


def fit(sizes: npt.ArrayLike, accuracies: npt.ArrayLike, variances: npt.ArrayLike) -> PowerLaw:
    """Fit a power law by weighted least squares.

    Args:
        sizes: photos a class, s of them. accuracies: 0..1, `(s,)`. variances: `(s,)`, of the accuracies, above 0.
    """
    return PowerLaw(*(float(one[0]) for one in _fit(sizes, np.atleast_2d(accuracies), variances)))


def predict(
    sizes: npt.ArrayLike, accuracies: npt.ArrayLike, variances: npt.ArrayLike, ahead: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Fit a power law to each draw of a bootstrap, and predict the accuracies at larger sizes.

    Args:
        sizes: photos a class, `(s,)`. accuracies: 0..1, `(draws, s)`. variances: `(s,)`. ahead: sizes, `(t,)`.

    Returns:
        float64 `(t,)` each, the 2.5 and the 97.5 % point of the accuracies at the sizes ahead.
    """
    floor, scale, rate = _fit(sizes, np.atleast_2d(accuracies), variances)
    error = floor[:, None] + scale[:, None] * np.asarray(ahead, float)[None] ** -rate[:, None]
    low, high = np.quantile(np.clip(1 - error, 0.0, 1.0), (0.025, 0.975), axis=0)
    return low, high


def _fit(sizes: npt.ArrayLike, accuracies: Floats, variances: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Floor, scale and rate of each row; for every rate a linear problem with two unknowns, neither negative."""
    m, y = np.asarray(sizes, float), 1 - accuracies
    w = 1 / np.asarray(variances, float)
    w /= w.sum()
    best = np.full(len(y), np.inf)
    floor, scale, chosen = (np.zeros(len(y)) for _ in range(3))
    middle = y @ w
    for rate in _RATES:
        x = m**-rate
        mean = float(x @ w)
        spread = float(((x - mean) ** 2) @ w)
        b = np.maximum(((y - middle[:, None]) * (x - mean)) @ w / spread, 0.0)  # no slope if the error does not fall
        a = middle - b * mean
        through_zero = np.maximum((y * x) @ w / float((x * x) @ w), 0.0)
        b, a = np.where(a < 0, through_zero, b), np.maximum(a, 0.0)
        loss = ((y - a[:, None] - b[:, None] * x) ** 2) @ w
        better = loss < best - 1e-15
        best = np.where(better, loss, best)
        floor, scale = np.where(better, a, floor), np.where(better, b, scale)
        chosen = np.where(better, rate, chosen)
    return floor, scale, chosen
