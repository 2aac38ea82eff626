"""Sums over photos from which centroid, ridge and lda heads are solved exactly.

They are as large for a hundred million photos as for a thousand, and sums of parts can be merged. They are kept apart
for each fold, so that one pass is enough for cross-validation: the sums of all photos less those of a fold are the
sums of the others.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from headstart.heads.basis import Matrix

Solution = tuple[Matrix, Matrix]
#: Heads that are solved from sums.
FromSums = Literal["centroid", "ridge", "lda"]
_CHUNK_NUMBERS = 2**21
#: Variance within classes, at least, as part of the whole: the photos of a class may be equal.
_LEAST_WITHIN = 1e-6


class Sums:
    """Counts, sums of vectors and second moments, of each fold.

    Args:
        dim: length of the vectors.
        class_weights: float64 `(k,)`, weight of one photo of each class.
        folds: number of folds.
        shift: float32 `(dim,)`, subtracted from vectors, near their mean for accuracy.
        width: dimensions that variances are averaged over, where vectors are features in fewer coordinates.
        moments: whether second moments are needed: `folds * dim**2` numbers of 8 bytes.
    """

    def __init__(
        self,
        dim: int,
        class_weights: npt.NDArray[np.float64],
        folds: int,
        shift: Matrix | None = None,
        width: int | None = None,
        moments: bool = True,
    ) -> None:
        self._class_weights = class_weights
        self._shift = np.zeros(dim, np.float32) if shift is None else shift
        self._width = width or dim
        self._counts = np.zeros((folds, len(class_weights)))
        self._totals = np.zeros((folds, len(class_weights), dim))
        self._moments = np.zeros((folds if moments else 0, dim, dim))

    def add(
        self,
        vectors: Matrix,
        classes: npt.NDArray[np.intp],
        folds: npt.NDArray[np.intp],
        copies: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Add photos.

        Args:
            vectors: float32 `(n, dim)`. classes, folds: intp `(n,)`.
            copies: float64 `(n,)`, how many photos each stands for; one without.
        """
        step = max(_CHUNK_NUMBERS // vectors.shape[1], 64)
        for f in np.unique(folds):
            own = np.flatnonzero(folds == f)
            own = own[np.argsort(classes[own], kind="stable")]
            for start in range(0, len(own), step):
                rows = own[start : start + step]
                part = vectors[rows] - self._shift
                present, starts = np.unique(classes[rows], return_index=True)
                count = np.ones(len(rows)) if copies is None else copies[rows]
                self._counts[f] += np.bincount(classes[rows], count, len(self._class_weights))
                each = count.astype(np.float32)[:, None]
                self._totals[f, present] += np.add.reduceat(part * each, starts, axis=0)
                if len(self._moments):
                    part *= np.sqrt(each * self._class_weights[classes[rows], None].astype(np.float32))
                    self._moments[f] += part.T @ part

    def merge(self, other: Sums) -> None:
        """Add the sums of other photos, made with the same arguments."""
        self._counts += other._counts
        self._totals += other._totals
        self._moments += other._moments

    def solve(self, kind: FromSums, strength: float | None = None, without: int | None = None) -> Solution:
        """A head of all photos, or of those outside a fold.

        With class means m, and all sums weighted and divided by the sum of the weights:

        - centroid: nearest class mean, score `x m - |m|**2 / 2`;
        - ridge: least squares on one-hot targets, `(C + strength * variance) W = sum w (x - mean) (y - y_mean)'`, where
          C is the covariance, and the variance the mean one of all dimensions over all photos;
        - lda: linear discriminant analysis, classes of equal probability (Hastie, Tibshirani and Friedman 2009, section
          4.3.1), `S W = m`, score `x W - m W / 2`. S is the covariance within classes, shrunk to a multiple of the
          identity: `(1 - strength) S + strength * trace(S) / dim` (Friedman 1989).

        Args:
            kind: of head.
            strength: l2 of ridge, shrinkage of lda, above 0 to 1; not used by centroid.
            without: the fold that is left out.

        Returns:
            float32 `(dim, k)` and `(k,)`, for vectors as they were added.
        """
        counts, totals = self._outside(self._counts, without), self._outside(self._totals, without)
        means = totals / counts[:, None]
        if kind == "centroid":
            means += self._shift
            return means.T.astype(np.float32), (-0.5 * (means**2).sum(axis=1)).astype(np.float32)
        strength = strength or 0.0
        shares = self._class_weights * counts
        total = shares.sum()
        shares /= total
        mean = shares @ means
        means -= mean
        centre = mean + self._shift
        matrix = self._outside(self._moments, without)
        matrix /= total
        matrix -= np.outer(mean, mean)
        if kind == "ridge":
            matrix.flat[:: len(matrix) + 1] += strength * self._variance()
            weights = np.linalg.solve(matrix, (shares[:, None] * means).T)
            return weights.astype(np.float32), (shares - centre @ weights).astype(np.float32)
        least = _LEAST_WITHIN * max(float(np.trace(matrix)), 1e-12)
        matrix -= (shares[:, None] * means).T @ means
        variance = max(float(np.trace(matrix)), least) / self._width
        matrix *= 1 - strength
        matrix.flat[:: len(matrix) + 1] += strength * variance
        weights = np.linalg.solve(matrix, means.T)
        products = np.einsum("kd,dk->k", means, weights)
        # With few photos distances grow without bound; divided by their mean, a temperature fits all folds.
        weights, products = (part / max(float(shares @ products), 1e-30) for part in (weights, products))
        return weights.astype(np.float32), (-0.5 * products - centre @ weights).astype(np.float32)

    def _variance(self) -> float:
        """Mean variance of the dimensions, over all photos; 1 if all vectors are equal."""
        shares = self._class_weights * self._counts
        total = shares.sum()
        mean = np.einsum("fk,fkd->d", shares, self._totals / np.maximum(self._counts, 1e-12)[:, :, None]) / total
        spread = np.einsum("fdd->", self._moments) / total - mean @ mean
        return float(spread) / self._width if spread > 1e-12 else 1.0

    @staticmethod
    def _outside(parts: npt.NDArray[np.float64], without: int | None) -> npt.NDArray[np.float64]:
        total: npt.NDArray[np.float64] = parts.sum(axis=0)
        return total if without is None else total - parts[without]
