"""Heads without iterations: those that are solved from sums, and nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from headstart.heads.basis import Matrix, Solved
from headstart.heads.head import Vectors, unit_length, vote
from headstart.heads.sums import FromSums, Sums

_CHUNK = 1024


def path(
    kind: FromSums,
    vectors: Matrix,
    labels: npt.NDArray[np.intp],
    folds: npt.NDArray[np.intp],
    sums: Sums,
    strengths: Sequence[float | None],
) -> Iterator[Solved]:
    """Solve for one strength after the other, for each photo without its own fold.

    Args:
        kind: of head.
        vectors: float32 `(n, dim)`. labels, folds: intp `(n,)`.
        sums: of the vectors.
        strengths: in the order to be solved; one, None, for centroid.
    """
    for strength in strengths:
        held_out = np.empty((len(labels), int(labels.max()) + 1), np.float32)
        for f in range(int(folds.max()) + 1):
            weights, bias = sums.solve(kind, strength, without=f)
            own = np.flatnonzero(folds == f)
            for start in range(0, len(own), _CHUNK):
                rows = own[start : start + _CHUNK]
                held_out[rows] = vectors[rows] @ weights + bias
        yield Solved(strength, held_out, partial(sums.solve, kind, strength))


def neighbours(
    features: Vectors, labels: npt.NDArray[np.intp], folds: npt.NDArray[np.intp], counts: list[int]
) -> tuple[Vectors, Vectors, list[tuple[int, Vectors]]]:
    """Classify each photo by the votes of its nearest photos in other folds.

    Returns:
        the centre `(dim,)`, the centred features of unit length `(n, dim)`, and for each number of neighbours the
        held-out scores `(n, k)`, all float32.
    """
    centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    vectors = unit_length(features - centre)
    numbers = labels.astype(np.int64)
    k = int(labels.max()) + 1
    votes = [np.empty((len(labels), k), np.float32) for _ in counts]
    step = max(2**21 // len(labels), 16)
    for start in range(0, len(labels), step):
        rows = slice(start, start + step)
        cosines = vectors[rows] @ vectors.T
        cosines[folds[rows, None] == folds[None, :]] = -np.inf
        for count, out in zip(counts, votes, strict=True):
            out[rows] = vote(cosines, numbers, count, k)
    return centre, vectors, list(zip(counts, votes, strict=True))
