"""Features in the coordinates in which heads are solved: centred, with one common scale, along principal axes.

`z = (x - mean) / scale @ axes`. The scale is one number for all dimensions, so that strengths mean the same for
every backbone; scaling each dimension by itself costs accuracy with few photos
(benchmarks/heads.py --choices). Along principal axes the matrix `sum w z z'` is diagonal, which makes preconditioning
free. With fewer photos than dimensions, z has one coordinate a photo and is kept (n x n numbers); with more, z
is never formed: products with it go through the features themselves, a few thousand rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Rows = slice | npt.NDArray[np.intp]
_CHUNK_NUMBERS = 2**21


@dataclass(frozen=True)
class Solved:
    """Heads of all folds for one strength.

    Attributes:
        strength: of regularisation, None without.
        held_out: float32 `(n, k)`, for each photo the scores of the head that did not see it.
        final: weights and bias of the head of all photos, float32 `(r, k)` and `(k,)`; computed when it is called.
    """

    strength: float | None
    held_out: Matrix
    final: Callable[[], tuple[Matrix, Matrix]]


class Basis:
    """Coordinates for n features under weights.

    Args:
        features: float32 `(n, dim)`; not copied when n >= dim.
        weights: float64 `(n,)`, positive, sum 1.

    Attributes:
        rank: r, number of coordinates.
        variances: float32 `(r,)`, `sum w z**2` along each axis.
        mean: float32 `(dim,)`. scale: the root of the mean variance of the dimensions.
        coordinates: z, float32 `(n, r)`; None when n >= dim.
    """

    def __init__(self, features: Matrix, weights: npt.NDArray[np.float64]) -> None:
        n, dim = features.shape
        self._features = features
        self._axes: tuple[Matrix, ...]
        self.weights = weights
        self.mean = np.zeros(dim, np.float32)
        for rows in self._chunks(dim, n):
            self.mean += weights[rows].astype(np.float32) @ features[rows]
        self.coordinates: Matrix | None = None
        if n < dim:
            root = np.sqrt(weights).astype(np.float32)[:, None]
            weighted = (features - self.mean) * root
            gram = weighted @ weighted.T
        else:
            gram = self._covariance(weights)
        total = float(np.trace(gram))
        self.scale = float(np.sqrt(total / dim)) if total > 0 else 1.0
        values, vectors = np.linalg.eigh(gram / np.float32(self.scale**2))
        kept = values > max(float(values[-1]), 1e-12) * 1e-6
        self.variances = values[kept].astype(np.float32)
        self.rank = int(kept.sum())
        if n < dim:
            # weighted / scale = U sqrt(values) V': coordinates come from U, the axes V = weighted' U / ...
            lengths = np.sqrt(self.variances)
            self.coordinates = np.ascontiguousarray(vectors[:, kept] * lengths / root)
            self._axes = (weighted.T, np.asarray(vectors[:, kept] / (lengths * np.float32(self.scale)), np.float32))
        else:
            self._axes = (np.ascontiguousarray(vectors[:, kept], np.float32),)

    def scores(self, weights: Matrix, photos: npt.NDArray[np.intp] | None = None) -> Iterator[tuple[Rows, Matrix]]:
        """`z @ weights`, float32 `(r, columns)` -> `(rows, columns)`, some rows at a time; of all photos or some."""
        vectors, inside, shift = self.coordinates, weights, np.zeros(weights.shape[1], np.float32)
        if vectors is None:
            vectors, inside = self._features, self.back(weights)
            shift = self.mean @ inside
        for place in self._chunks(weights.shape[1], len(vectors) if photos is None else len(photos)):
            rows = place if photos is None else photos[place]
            part = vectors[rows] @ inside
            part -= shift
            yield rows, part

    def collect(self, rows: Rows, residuals: Matrix, into: Matrix) -> None:
        """Add what `finish` needs of `z[rows]' @ residuals` to `into`, float32 `(collected, columns)`."""
        if self.coordinates is not None:
            into += self.coordinates[rows].T @ residuals
        else:
            into += self._features[rows].T @ residuals
            into -= np.outer(self.mean, residuals.sum(axis=0))

    @property
    def collected(self) -> int:
        """Rows of the array that `collect` adds to."""
        return self.rank if self.coordinates is not None else self._features.shape[1]

    def finish(self, collected: Matrix) -> Matrix:
        """`z' @ residuals`, float32 `(r, columns)`, from what was collected."""
        if self.coordinates is not None:
            return collected
        return (self._axes[0].T @ collected) / np.float32(self.scale)

    def back(self, weights: Matrix) -> Matrix:
        """Weights for z -> weights for the centred features: float32 `(dim, columns)`."""
        for factor in reversed(self._axes):
            weights = factor @ weights
        return weights / np.float32(self.scale)

    def second_moment(self, weights: npt.NDArray[np.float64]) -> Matrix:
        """`sum w z z'` under other weights: float32 `(r, r)`."""
        if self.coordinates is not None:
            return (self.coordinates * weights[:, None].astype(np.float32)).T @ self.coordinates
        inside = self._axes[0].T @ self._covariance(weights) @ self._axes[0]
        return np.asarray(inside / self.scale**2, np.float32)

    def _covariance(self, weights: npt.NDArray[np.float64]) -> Matrix:
        """`sum w (x - mean)(x - mean)'`, summed in float64 over chunks that are multiplied in float32."""
        n, dim = self._features.shape
        total, product = np.zeros((dim, dim)), np.empty((dim, dim), np.float32)
        # New arrays for each chunk would leave holes in memory: 8 MB with many chunks.
        step = min(next(self._chunks(dim, n)).stop, n)
        centred, weighted = np.empty((step, dim), np.float32), np.empty((step, dim), np.float32)
        for rows in self._chunks(dim, n):
            count = rows.stop - rows.start
            part = np.subtract(self._features[rows], self.mean, out=centred[:count])
            np.multiply(part, weights[rows, None].astype(np.float32), out=weighted[:count])
            total += np.matmul(weighted[:count].T, part, out=product)
        return total.astype(np.float32)

    @staticmethod
    def _chunks(columns: int, count: int) -> Iterator[slice]:
        step = max(_CHUNK_NUMBERS // max(columns, 1), 64)
        for start in range(0, count, step):
            yield slice(start, min(start + step, count))
