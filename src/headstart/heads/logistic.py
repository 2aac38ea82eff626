"""Multinomial logistic regression: all folds at once, strong to weak, each strength starting from the last.

Minimises for every fold `sum_i w_i * -ln p(y_i | z_i) + l2 / 2 * |W|**2` (intercepts not penalised; weights w sum
to 1, so l2 is per sample and means the same for any number of photos). Every evaluation is one large product of the
features with the columns of several folds, and one back.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from headstart.heads import lbfgs
from headstart.heads.basis import Basis, Matrix, Solved

MAX_ITERATIONS = 1000
#: The solver goes on to the next strength when the next step would lower the objective by less than half the square.
TOLERANCE = 5e-3
#: Columns that are solved at the same time, unless one problem has more: products with fewer are slower, and more need
#: more memory.
_COLUMNS = 512
#: Receives W `(r, k)` and b `(k,)` after each iteration.
Watch = Callable[[Matrix, Matrix], None]
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
    k = int(labels.max()) + 1
    trained, everyone = weights[:, :-1], weights[:, -1:]
    state = np.zeros((basis.rank + 1, trained.shape[1], k), np.float32)
    for l2 in strengths:
        state = _solve(basis, labels, trained, l2, state)
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
    k, problems = int(labels.max()) + 1, weights.shape[1]
    state = _solve(basis, labels, weights, l2, np.zeros((basis.rank + 1, problems, k), np.float32))
    return state[:-1].reshape(basis.rank, problems * k), state[-1]


def follow(
    basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float
) -> Iterator[tuple[Matrix, Matrix]]:
    """Solve one problem for one strength from zero.

    Args:
        basis, labels: as for `path`.
        weights: float32 `(n, 1)`, sum 1.
        l2: the strength.

    Yields:
        W `(r, k)` and b `(k,)` after each iteration; the last ones are the solution.
    """
    start = np.zeros((basis.rank + 1, 1, int(labels.max()) + 1), np.float32)
    for state in _steps(basis, labels, weights, l2, start):
        yield state[:-1, 0], state[-1, 0]


def _one(
    basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float, start: Matrix
) -> tuple[Matrix, Matrix]:
    state = _solve(basis, labels, weights, l2, start)
    return state[:-1, 0], state[-1, 0]


def _held_out(basis: Basis, state: Matrix, folds: npt.NDArray[np.intp]) -> Matrix:
    """Scores of each photo in the problem that it is held out of, float32 `(n, k)`."""
    held_out = state[-1][folds]
    for f in range(state.shape[1]):
        for photos, scores in basis.scores(state[:-1, f], np.flatnonzero(folds == f)):
            held_out[photos] += scores
    return held_out


def _solve(basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float, start: Matrix) -> Matrix:
    """Solve problems, some at a time: float32 `(r + 1, p, k)`, as `start`; the last row are the intercepts."""
    problems, k = start.shape[1:]
    some = max(_COLUMNS // k, 1)
    solved = np.empty_like(start)
    for first in range(0, problems, some):
        part = slice(first, first + some)
        solved[:, part] = start[:, part]
        for state in _steps(basis, labels, np.ascontiguousarray(weights[:, part]), l2, solved[:, part]):
            solved[:, part] = state
    return solved


def _steps(
    basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float, start: Matrix
) -> Iterator[Matrix]:
    steps = lbfgs.minimise(partial(_objective, basis, labels, weights, l2), start, TOLERANCE)
    for count, state in enumerate(steps, 1):
        yield state
        if count == MAX_ITERATIONS:
            warnings.warn(f"l2 {l2:.3g}: not solved in {MAX_ITERATIONS} iterations; the head is inexact", stacklevel=2)
            return


def _objective(
    basis: Basis, labels: npt.NDArray[np.intp], weights: Matrix, l2: float, state: Matrix
) -> lbfgs.Value:
    """Loss with its penalty, slope, and an estimate of the curvature.

    The curvature of class c along axis j is `sum w p_c (1 - p_c) z_j**2`; estimated as if p and z were independent.
    """
    problems, k = state.shape[1:]
    columns, intercepts = state[:-1], state[-1]
    collected = np.zeros((basis.collected, problems * k), np.float32)
    slope, curvature = np.zeros_like(state), np.empty_like(state)
    squares = np.zeros((problems, k), np.float32)
    loss = np.zeros(problems)
    ones = np.ones(k, np.float32)
    for rows, scores in basis.scores(columns.reshape(basis.rank, problems * k)):
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
    slope[:-1] += np.float32(l2) * columns
    curvature[:-1] = basis.variances[:, None, None] * curved + np.float32(l2)
    curvature[-1] = curved
    return lbfgs.Value(loss + l2 / 2 * np.einsum("rpk,rpk->p", columns, columns), slope, curvature)
