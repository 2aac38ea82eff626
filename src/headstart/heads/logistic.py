"""Multinomial logistic regression: all folds at once, strong to weak, each strength starting from the last.

Minimises for every fold `sum_i w_i * -ln p(y_i | z_i) + l2 / 2 * |W|**2` (intercepts not penalised; weights w sum
to 1, so l2 is per sample and means the same for any number of photos). Every evaluation is one large product of the
features with the columns of several folds, and one back.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from headstart.heads import lbfgs
from headstart.heads.basis import Basis, Matrix, Solved

MAX_ITERATIONS = 1000
#: The solver goes on to the next strength when another step would lower no objective by more than about half this part
#: of it times the number of classes, at most `_LOOSEST`. Few classes are solved more exactly, because it costs little:
#: with a part of 1e-4 for 10 and 2 classes, held-out log losses differed by up to 0.2 % (strengths near the best) and
#: 0.5 % from those of an exact solution, as much as the strengths themselves differ for 2 classes.
TOLERANCE, _LOOSEST = 2e-6, 2e-4
#: Columns that are solved at the same time, unless one problem has more: products with fewer are slower, and more need
#: more memory.
_COLUMNS = 512
#: Numbers in all steps that are kept; the changes of slope along them are as many.
_REMEMBERED = 2**24
_LEAST_STEPS, _MOST_STEPS = 4, 10
#: Scores up to this size need no shift before `exp`: e**60 times a thousand classes is far from float32's limit.
_SAFE = 60.0


def path(
    basis: Basis,
    labels: npt.NDArray[np.intp],
    weights: Matrix,
    folds: npt.NDArray[np.intp],
    strengths: list[float],
) -> Iterator[Solved]:
    """Solve for one strength after the other.

    Args:
        basis: coordinates of n features.
        labels: intp `(n,)`, `0..k-1`.
        weights: float32 `(n, p)`, one column a problem, each sums to 1: one for each fold with the fold's own
            photos at 0, and last one for all photos.
        folds: intp `(n,)`, the problem in which each photo is held out.
        strengths: l2, in the order to be solved, strong ones first.
    """
    trained, everyone = weights[:, :-1], weights[:, -1:]
    groups = _groups(basis, labels, trained)
    for l2 in strengths:
        for group in groups:
            group.solve(l2)
        state = np.concatenate([group.state for group in groups], axis=1)
        # The head of all photos is near the mean of the others.
        final = partial(_one, basis, labels, everyone, l2, state.mean(axis=1, keepdims=True))
        yield Solved(l2, _held_out(basis, state, folds), final)


def solve(basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float) -> tuple[Matrix, Matrix]:
    """Solve many problems for one strength.

    Args:
        basis: coordinates of n features.
        labels: intp `(n,)`, `0..k-1`.
        weights: float32 `(n, p)`, one column a problem, each sums to 1; a photo with 0 is not trained on.
        l2: the strength.

    Returns:
        float32 `(r, p * k)`, for each problem the columns of its classes, and `(p, k)` intercepts.
    """
    solved = []
    for group in _groups(basis, labels, weights):
        group.solve(l2)
        solved.append(group.state)
    state = np.concatenate(solved, axis=1)
    return state[:-1].reshape(basis.rank, -1), state[-1]


def follow(basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float) -> Iterator[tuple[Matrix, Matrix]]:
    """Solve one problem for one strength from zero.

    Args:
        basis, labels: as for `path`.
        weights: float32 `(n, 1)`, sum 1.
        l2: the strength.

    Yields:
        W `(r, k)` and b `(k,)` after each iteration; the last ones are the solution.
    """
    for state in _Group(basis, labels, weights).steps(l2):
        yield state[:-1, 0], state[-1, 0]


def _one(
    basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float, start: Matrix
) -> tuple[Matrix, Matrix]:
    group = _Group(basis, labels, weights, start)
    group.solve(l2)
    return group.state[:-1, 0], group.state[-1, 0]


def _held_out(basis: Basis, state: Matrix, folds: npt.NDArray[np.intp]) -> Matrix:
    """Scores of each photo in the problem that it is held out of, float32 `(n, k)`."""
    held_out: Matrix = state[-1][folds]
    for f in range(state.shape[1]):
        for photos, scores in basis.scores(state[:-1, f], np.flatnonzero(folds == f)):
            held_out[photos] += scores
    return held_out


class _Group:
    """Problems that are solved together, from strength to strength.

    Attributes:
        state: float32 `(r + 1, p, k)`: W, and b as the last row.
    """

    def __init__(
        self,
        basis: Basis,
        labels: npt.NDArray[np.intp],
        weights: Matrix,
        start: Matrix | None = None,
        steps: int = _MOST_STEPS,
    ) -> None:
        self._basis, self._labels, self._weights = basis, labels, weights
        shape = basis.rank + 1, weights.shape[1], int(labels.max()) + 1
        self.state = np.zeros(shape, np.float32) if start is None else start
        self._memory, self._l2 = lbfgs.Memory(steps), 0.0

    def solve(self, l2: float) -> None:
        """Go on from the last strength to another."""
        for _ in self.steps(l2):
            pass

    def steps(self, l2: float) -> Iterator[Matrix]:
        """`solve`, yielding the state after each step."""
        penalty = np.full((self._basis.rank + 1, 1, 1), l2, np.float32)
        penalty[-1] = 0
        self._memory.stiffen(penalty * np.float32(1 - self._l2 / l2))
        self._l2 = l2
        objective = partial(_objective, self._basis, self._labels, self._weights, penalty)
        tolerance = min(TOLERANCE * self.state.shape[2], _LOOSEST)
        for count, state in enumerate(lbfgs.minimise(objective, self.state, tolerance, self._memory), 1):
            self.state = state
            yield state
            if count == MAX_ITERATIONS:
                text = f"l2 {l2:.3g}: not solved in {MAX_ITERATIONS} iterations; the head is inexact"
                warnings.warn(text, stacklevel=2)
                return


def _groups(basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix) -> list[_Group]:
    k, problems = int(labels.max()) + 1, weights.shape[1]
    steps = min(max(_REMEMBERED // ((basis.rank + 1) * problems * k), _LEAST_STEPS), _MOST_STEPS)
    some = max(_COLUMNS // k, 1)
    parts = (np.ascontiguousarray(weights[:, i : i + some]) for i in range(0, problems, some))
    return [_Group(basis, labels, part, steps=steps) for part in parts]


def _objective(
    basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, penalty: Matrix, state: Matrix
) -> lbfgs.Value:
    """Loss with its penalty, slope, and an estimate of the curvature.

    The curvature of class c along axis j is `sum w p_c (1 - p_c) z_j**2`; estimated as if p and z were independent.
    """
    problems, k = state.shape[1:]
    intercepts = state[-1]
    collected = np.zeros((basis.collected, problems * k), np.float32)
    slope = np.zeros_like(state)
    squares = np.zeros((problems, k), np.float32)
    loss = np.zeros(problems)
    ones = np.ones(k, np.float32)
    for rows, scores in basis.scores(state[:-1].reshape(basis.rank, problems * k)):
        p = scores.reshape(-1, problems, k)
        p += intercepts
        if max(p.max(), -p.min()) > _SAFE:
            p -= p.max(axis=2, keepdims=True)
        photos = np.arange(len(p))
        own, w = p[photos, :, labels[rows]], weights[rows]
        np.exp(p, out=p)
        sums = (p.reshape(-1, k) @ ones).reshape(-1, problems)  # three times as fast as p.sum(axis=2)
        loss += (w * (np.log(sums) - own)).sum(axis=0)
        p *= (w / sums)[:, :, None]
        slope[-1] += p.sum(axis=0)
        squares += np.einsum("npk,npk,np->pk", p, p, np.divide(1, w, out=np.zeros_like(w), where=w > 0))
        p[photos, :, labels[rows]] -= w
        basis.collect(rows, p.reshape(len(p), -1), collected)
    curved = np.maximum(slope[-1] - squares, np.float32(1e-4 / k))
    slope[-1] -= np.stack([np.bincount(labels, one, k) for one in weights.T])
    slope[:-1] = basis.finish(collected).reshape(basis.rank, problems, k)
    penalised = penalty * state
    slope += penalised
    curvature = np.append(basis.variances, np.float32(1))[:, None, None] * curved + penalty
    return lbfgs.Value(loss + np.einsum("rpk,rpk->p", penalised, state) / 2, slope, curvature)
