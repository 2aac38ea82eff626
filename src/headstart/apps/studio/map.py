"""The map: all photos as points of a plane, such that photos with similar features lie near each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headstart.heads.head import Vectors
from headstart.heads.linear_algebra import one_thread

_STEPS, _EXTRA = 12, 6
#: Shares of the points that may lie outside of the middle part that fills the map.
_OUTSIDE = 0.01


@one_thread()
def project(unit: Vectors) -> npt.NDArray[np.float64]:
    """The two directions in which the features differ most (principal components), found by subspace iteration.

    Args:
        unit: float32 `(n, dim)`, features of length 1.

    Returns:
        float64 `(n, 2)`, 0..1; the same for the same features.
    """
    if len(unit) < 3:
        return np.tile([0.5, 0.5], (len(unit), 1)) + np.arange(len(unit))[:, None] * [0.1, 0.0]
    centred = unit - unit.mean(axis=0)
    basis = np.random.default_rng(0).standard_normal((unit.shape[1], 2 + _EXTRA)).astype(np.float32)
    for _ in range(_STEPS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    left, lengths, _ = np.linalg.svd(centred @ basis, full_matrices=False)
    points = (left[:, :2] * lengths[:2]).astype(np.float64)
    # A component may be turned round: most of its length lies to the right, so that the map stays as it was.
    points *= np.where((points**3).sum(axis=0) < 0, -1.0, 1.0)
    low, high = np.quantile(points, (_OUTSIDE, 1 - _OUTSIDE), axis=0)
    middle, reach = (low + high) / 2, max(float((high - low).max()), 1e-9)
    scaled: npt.NDArray[np.float64] = np.clip((points - middle) / (1.1 * reach) + 0.5, 0.0, 1.0)
    return scaled
