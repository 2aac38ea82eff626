"""The logistic head of embedded photos: L-BFGS whose every step is one pass over the files.

The strength is first chosen on the sample, in memory; then heads of all photos are solved for the next stronger one
(the sample may be misleading by one), for it, and for weaker ones until these are clearly worse, each starting from the
last. The heads without each fold are solved in the same passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.heads import fitting, lbfgs, logistic
from headstart.heads.basis import Basis, Matrix
from headstart.heads.linear_algebra import one_thread
from headstart.scale.job import Folder
from headstart.scale.mapping import Mapper
from headstart.scale.parts import Part, parts_of
from headstart.scale.survey import FOLDS, Survey

#: Passes for one strength, at most.
MOST_PASSES = 60
#: Numbers in steps and changes of slope that are kept; 256 MB with their counterparts.
_REMEMBERED = 2**25
Heads = list[tuple[Matrix, Matrix]]


@dataclass(frozen=True)
class Pass:
    """What a pass adds up for p problems of k classes.

    Attributes:
        loss: float64 `(p,)`. slope: float32 `(dim, p * k)`, of the weights for centred vectors.
        shares, squares: float64 `(p, k)`, sums of `w prob` and `w prob**2`.
    """

    loss: npt.NDArray[np.float64]
    slope: Matrix
    shares: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]


@one_thread()
def summed(shards: Sequence[str], survey: Survey, mean: Matrix, weights: Matrix, bias: Matrix) -> Pass:
    """Add up some shards.

    Args:
        shards: addresses. survey: of all photos.
        mean: float32 `(dim,)`, subtracted from vectors.
        weights: float32 `(dim, p * k)`; the last problem is of all photos, the others leave their fold out.
        bias: float32 `(p, k)`.
    """
    p, k = bias.shape
    each = survey.problem_weights
    result = Pass(np.zeros(p), np.zeros(weights.shape, np.float32), np.zeros((p, k)), np.zeros((p, k)))
    for part in parts_of(shards, survey, tested=False):
        rows = np.arange(len(part.labels))
        vectors = part.vectors - mean
        own = each[:, part.labels].T.astype(np.float32)
        own[rows, part.folds] = 0
        scores = (vectors @ weights).reshape(-1, p, k) + bias
        scores -= scores.max(axis=2, keepdims=True)
        right = scores[rows, :, part.labels]
        np.exp(scores, out=scores)
        sums = scores.sum(axis=2)
        result.loss[:] += (own * (np.log(sums) - right)).sum(axis=0)
        scores /= sums[:, :, None]
        result.squares[:] += np.einsum("npk,npk,np->pk", scores, scores, own)
        scores *= own[:, :, None]
        result.shares[:] += scores.sum(axis=0)
        scores[rows, :, part.labels] -= own
        result.slope[:] += vectors.T @ scores.reshape(len(rows), p * k)
    return result


class Problems:
    """All folds and all photos, solved together, from strength to strength.

    Args:
        folder: of the photos. survey: of them. sample: gives the coordinates. mapper: runs the passes.
        strength: to begin with, solved on the sample to have a start.
    """

    def __init__(self, folder: Folder, survey: Survey, sample: Part, mapper: Mapper, strength: float) -> None:
        self._folder, self._survey, self._mapper = folder, survey, mapper
        weights = fitting.class_weights(sample.labels)
        basis = Basis(sample.vectors, weights)
        self._axes = basis.back(np.eye(basis.rank, dtype=np.float32))
        self._mean, self._variances = basis.mean, basis.variances
        problems = np.stack([*(sample.folds != f for f in range(FOLDS)), np.ones(len(weights), bool)], axis=1)
        columns = (weights[:, None] * problems).astype(np.float32)
        solved, bias = logistic.solve(basis, sample.labels, columns / columns.sum(axis=0), strength)
        self._shape = bias.shape
        self._state = np.concatenate([solved.reshape(basis.rank, *bias.shape), bias[None]])
        self._memory = lbfgs.Memory(min(max(_REMEMBERED // self._state.size, 4), 10))
        self._l2 = strength

    def solve(self, l2: float) -> Heads:
        """The heads without each fold, and last that of all photos: weights `(dim, k)` and bias `(k,)`."""
        rank = len(self._variances)
        penalty = np.full((rank + 1, 1, 1), l2, np.float32)
        penalty[-1] = 0
        self._memory.stiffen(penalty * np.float32(1 - self._l2 / l2))
        self._l2 = l2
        tolerance = logistic.TOLERANCE * float(np.log(self._shape[1]))
        steps = lbfgs.minimise(lambda state: self._value(state, penalty), self._state, tolerance, self._memory)
        for count, state in enumerate(steps, 1):
            self._state = state
            if count == MOST_PASSES:
                break
        return [self._head(number) for number in range(self._shape[0])]

    def _head(self, number: int) -> tuple[Matrix, Matrix]:
        weights = self._axes @ self._state[:-1, number]
        return weights, np.asarray(self._state[-1, number] - self._mean @ weights, np.float32)

    def _value(self, state: Matrix, penalty: Matrix) -> lbfgs.Value:
        p, k = self._shape
        rank = len(self._variances)
        weights = self._axes @ state[:-1].reshape(rank, p * k)
        results = self._mapper.map(summed, self._folder, self._survey, self._mean, weights, state[-1])
        total = next(results)
        for one in results:
            total.loss[:] += one.loss
            total.slope[:] += one.slope
            total.shares[:] += one.shares
            total.squares[:] += one.squares
        slope = np.zeros_like(state)
        slope[:-1] = (self._axes.T @ total.slope).reshape(rank, p, k)
        slope[-1] = total.shares - self._survey.class_shares
        penalised = penalty * state
        slope += penalised
        curved = np.maximum(total.shares - total.squares, 1e-4 / k).astype(np.float32)
        curvature = np.append(self._variances, np.float32(1))[:, None, None] * curved + penalty
        return lbfgs.Value(total.loss + np.einsum("rpk,rpk->p", penalised, state) / 2, slope, curvature)


def candidates(folder: Folder, survey: Survey, sample: Part, mapper: Mapper) -> Iterator[tuple[float | None, Heads]]:
    """Heads for one strength after the other, from one above the best for the sample to weaker ones; stop at will."""
    best = fitting.fit("logistic", sample.vectors, sample.labels, sample.folds).strength or fitting.STRENGTHS[-1]
    strengths = fitting.STRENGTHS[max(fitting.STRENGTHS.index(best) - 1, 0) :]
    problems = Problems(folder, survey, sample, mapper, strengths[0])
    for strength in strengths:
        yield strength, problems.solve(strength)
