"""L-BFGS for several independent convex problems at once (Nocedal and Wright 2006, algorithms 7.4 and 3.1).

The first guess of the inverse Hessian is diagonal and renewed at each step. Where a problem needs a shorter step, only
its own is halved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
#: Pairs of steps and changes of slope that are kept.
_PAIRS = 8
_HALVINGS = 20
#: Part of the decrease that the slope predicts, at least; and rounding of a loss, relative.
_ENOUGH, _ROUNDING = 1e-4, 1e-6


@dataclass(frozen=True)
class Value:
    """Objectives of p problems at one point.

    Attributes:
        loss: float64 `(p,)`.
        slope: float32 `(rows, p, columns)`. curvature: the same shape, positive, near the diagonal of the Hessian.
    """

    loss: npt.NDArray[np.float64]
    slope: Matrix
    curvature: Matrix


def minimise(function: Callable[[Matrix], Value], point: Matrix, tolerance: float) -> Iterator[Matrix]:
    """Yield the point after each step, float32 `(rows, p, columns)`, until no problem needs another.

    Args:
        function: the objectives, each a function of its own part of the point.
        point: where to start.
        tolerance: the last step would lower each objective by less than about half its square.
    """
    pairs: deque[tuple[Matrix, Matrix, Matrix]] = deque(maxlen=_PAIRS)
    value = function(point)
    while True:
        step = _direction(value, pairs)
        fall = -_dot(step, value.slope)
        if np.sqrt(fall.max()) < tolerance:
            return
        size = np.ones_like(fall)
        for _ in range(_HALVINGS):
            following = point + step * size[:, None]
            new = function(following)
            allowed = value.loss - _ENOUGH * size * fall + _ROUNDING * np.abs(value.loss)
            if not (short := new.loss > allowed).any():
                break
            size[short] /= 2
        step *= size[:, None]
        change = new.slope - value.slope
        bend = _dot(step, change)
        # A pair without curvature, as rounding makes them, is of weight 0.
        weight = np.divide(1, bend, out=np.zeros_like(bend), where=bend > 0)
        pairs.append((step, change, weight))
        point, value = following, new
        yield point


def _direction(value: Value, pairs: deque[tuple[Matrix, Matrix, Matrix]]) -> Matrix:
    """The step of a quadratic model of the objective: minus the inverse Hessian times the slope."""
    step = -value.slope
    parts = []
    for moved, change, weight in reversed(pairs):
        part = (weight * _dot(moved, step))[:, None]
        step -= part * change
        parts.append(part)
    step /= value.curvature
    if pairs:
        moved, change, weight = pairs[-1]
        bend = _dot(change, change / value.curvature)
        step *= np.where(weight > 0, 1 / (np.maximum(weight, 1e-30) * bend), 1).astype(np.float32)[:, None]
    for (moved, change, weight), part in zip(pairs, reversed(parts), strict=True):
        step += moved * (part - (weight * _dot(change, step))[:, None])
    return step


def _dot(a: Matrix, b: Matrix) -> Matrix:
    """Scalar product in each problem: float32 `(p,)`."""
    return np.einsum("rpk,rpk->p", a, b)
