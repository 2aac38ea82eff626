"""Heads without iterations: ridge regression on class indicators, class centroids, nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headstart.heads.basis import Basis, Matrix
from headstart.heads.head import Vectors, unit_length, vote

_CHUNK = 1024


def ridge_path(
    basis: Basis,
    labels: npt.NDArray[np.intp],
    weights: Matrix,
    folds: npt.NDArray[np.intp],
    strengths: list[float],
) -> Iterator[tuple[float, Matrix, Matrix, Matrix]]:
    """Least squares on one-hot targets: `(C + l2) W = sum w (z - z_mean) (y - y_mean)'`, C the weighted covariance.

    Arguments and results are those of `logistic.path`. One eigendecomposition of C per fold serves all strengths.
    """
    n, problems = weights.shape
    k = int(labels.max()) + 1
    targets = np.eye(k, dtype=np.float32)[labels]
    held_out = np.empty((len(strengths), n, k), np.float32)
    final: list[tuple[Matrix, Matrix]] = []
    for p in range(problems):
        w = weights[:, p]
        # z' @ (w * [targets, 1]): cross moments and the mean of z in one product
        sides = np.concatenate([targets, np.ones((n, 1), np.float32)], axis=1) * w[:, None]
        collected = np.zeros((basis.collected, k + 1), np.float32)
        step = max(2**21 // basis.collected, 1)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            basis.collect(rows, sides[rows], collected)
        cross = basis.finish(collected)
        z_mean, y_mean = cross[:, -1], w @ targets
        moment = basis.second_moment(w.astype(np.float64)) - np.outer(z_mean, z_mean)
        values, axes = np.linalg.eigh(moment)
        right = axes.T @ (cross[:, :-1] - np.outer(z_mean, y_mean))
        solved = [(axes @ (right / (np.maximum(values, 0)[:, None] + l2))).astype(np.float32) for l2 in strengths]
        biases = [y_mean - z_mean @ one for one in solved]
        if p == problems - 1:
            final = list(zip(solved, biases, strict=True))
            break
        for rows, scores in basis.scores(np.concatenate(solved, axis=1)):
            own = folds[rows] == p
            parts = scores[own].reshape(-1, len(strengths), k) + np.stack(biases)
            held_out[:, np.flatnonzero(own) + rows.start] = parts.transpose(1, 0, 2)
    for l2, (inside, intercept), out in zip(strengths, final, held_out, strict=True):
        yield l2, inside, intercept, out


def centroids(
    features: Vectors, labels: npt.NDArray[np.intp], weights: Matrix, folds: npt.NDArray[np.intp]
) -> tuple[Vectors, Vectors, Vectors]:
    """Nearest class mean: score `x m - |m|**2 / 2`, the negative half squared distance apart from `|x|**2 / 2`.

    Args:
        features: float32 `(n, dim)`.
        labels: intp `(n,)`.
        weights: float32 `(n, p)`, as for `logistic.path`.
        folds: intp `(n,)`.

    Returns:
        weights float32 `(dim, k)` and bias `(k,)` from all photos; held-out scores float32 `(n, k)`.
    """
    k = int(labels.max()) + 1
    held_out = np.empty((len(labels), k), np.float32)
    for p in range(weights.shape[1]):
        shares = np.zeros((len(labels), k), np.float32)
        shares[np.arange(len(labels)), labels] = weights[:, p]
        means = (features.T @ (shares / shares.sum(axis=0))).astype(np.float32)
        bias = -0.5 * (means**2).sum(axis=0)
        own = np.flatnonzero(folds == p)
        for start in range(0, len(own), _CHUNK):
            rows = own[start : start + _CHUNK]
            held_out[rows] = features[rows] @ means + bias
    return means, bias, held_out


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
