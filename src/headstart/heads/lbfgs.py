"""L-BFGS for several independent convex problems at once (Nocedal and Wright 2006, algorithms 7.4 and 3.1).

The first guess of the inverse Hessian is diagonal and renewed at each step. Only the problems that need a shorter step
get one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
_HALVINGS = 20
#: Part of the decrease that the slope predicts, at least; and rounding of a loss, relative.
_ENOUGH, _ROUNDING = 1e-4, 1e-6
#: A smaller loss is rounded, and solved, as exactly as one of this size.
_LEAST = 2e-2
#: So many steps that together lower no objective by the part asked for are the end: only rounding moves the point.
_PATIENCE = 20


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


class Memory:
    """What the last steps showed about the curvature. It remains useful for a similar objective.

    Args:
        steps: how many are kept.
    """

    def __init__(self, steps: int) -> None:
        self._pairs: deque[tuple[Matrix, Matrix, Matrix]] = deque(maxlen=steps)

    def add(self, step: Matrix, change: Matrix) -> None:
        """Keep a step and the change of the slope along it; without curvature, as rounding makes it, at weight 0."""
        bend = _dot(step, change)
        self._pairs.append((step, change, np.divide(1, bend, out=np.zeros_like(bend), where=bend > 0)))

    def stiffen(self, by: Matrix) -> None:
        """The objective is now another one: `by * x**2 / 2` was added, float32 `(rows, 1, 1)`."""
        for step, change, _ in list(self._pairs):
            change += by * step
            self.add(step, change)

    def direction(self, value: Value) -> Matrix:
        """The step of a quadratic model of the objective: minus the inverse Hessian times the slope."""
        step = -value.slope
        parts = []
        for moved, change, weight in reversed(self._pairs):
            part = (weight * _dot(moved, step))[:, None]
            step -= part * change
            parts.append(part)
        step /= value.curvature
        if self._pairs:
            moved, change, weight = self._pairs[-1]
            product = weight * _dot(change, change / value.curvature)
            step *= np.divide(1, product, out=np.ones_like(product), where=product > 0)[:, None]
        for (moved, change, weight), part in zip(self._pairs, reversed(parts), strict=True):
            step += moved * (part - (weight * _dot(change, step))[:, None])
        return step


def minimise(function: Callable[[Matrix], Value], point: Matrix, tolerance: float, memory: Memory) -> Iterator[Matrix]:
    """Yield the point after each step, float32 `(rows, p, columns)`, until no problem needs another.

    Args:
        function: the objectives, each a function of its own part of the point.
        point: where to start.
        tolerance: another step would lower no objective by more than about half this part of it, or the last ones did
            not.
        memory: of earlier steps; those taken are added.
    """
    value = function(point)
    losses = deque([value.loss], maxlen=_PATIENCE + 1)
    while True:
        step = memory.direction(value)
        fall = -_dot(step, value.slope)
        if (fall < tolerance * np.maximum(value.loss, _LEAST)).all():
            return
        size = np.ones_like(fall)
        for _ in range(_HALVINGS):
            following = point + step * size[:, None]
            new = function(following)
            short = new.loss > value.loss - _ENOUGH * size * fall + _ROUNDING * np.maximum(value.loss, _LEAST)
            if not short.any():
                break
            size[short] /= 2
        step *= size[:, None]
        memory.add(step, new.slope - value.slope)
        point, value = following, new
        yield point
        losses.append(value.loss)
        if len(losses) > _PATIENCE and (losses[0] - value.loss < tolerance * np.maximum(value.loss, _LEAST)).all():
            return


def _dot(a: Matrix, b: Matrix) -> Matrix:
    """Scalar product in each problem: float32 `(p,)`."""
    return np.asarray(np.einsum("rpk,rpk->p", a, b))
