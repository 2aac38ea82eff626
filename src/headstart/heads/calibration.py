"""Temperature scaling: one number that calibrates probabilities (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headstart.heads.head import Vectors, softmax

_RANGE = (1e-3, 1e3)
#: One number needs no more photos than this; of more, every second, third, ... is used.
MOST_PHOTOS = 10_000
#: In all, not for each class (benchmarks/calibration.py).
_VIRTUAL_PHOTOS = 2


def fit_temperature(scores: Vectors, labels: npt.NDArray[np.intp]) -> float:
    """The temperature of least log loss on held-out scores.

    Two virtual photos, each of all classes alike, are added to the n real ones, so that ten right out of ten do not
    count as certainty: the targets are `(n + 2/k) / (n + 2)` for the true class and `2/k / (n + 2)` for each other. For
    two classes of equal size this is Platt's smoothing (1999). One virtual photo for every class would make
    probabilities too low where classes have few photos: a tenth of all photos would be virtual with 10 photos a class,
    however many classes there are, although all photos together determine only one number.

    Args:
        scores: float32 `(n, k)`, of photos that the head was not trained on.
        labels: intp `(n,)`.

    Returns:
        a number in 0.001 .. 1000.
    """
    stride = -(-len(scores) // MOST_PHOTOS)
    scores, labels = scores[::stride], labels[::stride]
    n = len(scores)
    wide = scores.astype(np.float64)
    wanted = (n * wide[np.arange(n), labels] + _VIRTUAL_PHOTOS * wide.mean(axis=1)).mean() / (n + _VIRTUAL_PHOTOS)
    # The loss is convex in b = 1/T, with slope E[sum p s] - E[sum t s] and curvature E[var_p s]: Newton's method
    # on ln b, kept between bounds that close in on the root.
    low, high = np.log(1 / _RANGE[1]), np.log(1 / _RANGE[0])
    point = 0.0
    for _ in range(40):
        inverse = np.exp(point)
        p = softmax(wide * inverse)
        means = (p * wide).sum(axis=1)
        slope = means.mean() - wanted
        low, high = (point, high) if slope < 0 else (low, point)
        curvature = ((p * wide**2).sum(axis=1) - means**2).mean() * inverse
        step = point - slope / curvature if curvature > 0 else np.inf
        following = step if low < step < high else (low + high) / 2
        if abs(following - point) < 1e-4:
            break
        point = following
    return float(np.exp(-point))
