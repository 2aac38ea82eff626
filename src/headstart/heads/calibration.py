"""Temperature scaling: one number that calibrates probabilities (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headstart.heads.head import Vectors, softmax

_RANGE = (1e-3, 1e3)
#: One number needs no more photos than this; of more, every second, third, ... is used.
MOST_PHOTOS = 10_000


def fit_temperature(scores: Vectors, labels: npt.NDArray[np.intp]) -> float:
    """The temperature of least log loss on held-out scores.

    The targets are smoothed after Platt (1999), by one virtual photo a class, spread over all classes: the true
    class counts `(n_c + 1/k) / (n_c + 1)`. So ten right out of ten do not count as certainty.

    Args:
        scores: float32 `(n, k)`, of photos that the head was not trained on.
        labels: intp `(n,)`.

    Returns:
        a number in 0.001 .. 1000.
    """
    stride = -(-len(scores) // MOST_PHOTOS)
    scores, labels = scores[::stride], labels[::stride]
    n, k = scores.shape
    counts = np.bincount(labels, minlength=k)[labels]
    targets = np.repeat((1 / k / (counts + 1))[:, None], k, axis=1)
    targets[np.arange(n), labels] += counts / (counts + 1)
    wide = scores.astype(np.float64)
    wanted = (targets * wide).sum(axis=1).mean()
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
