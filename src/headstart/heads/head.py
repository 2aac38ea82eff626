"""Trained heads: feature vectors -> scores -> calibrated probabilities. A head is saved as arrays only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from headstart.errors import HeadError
from headstart.heads.linear_algebra import one_thread

Kind = Literal["logistic", "lda", "ridge", "centroid", "knn"]
Vectors = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]
_CHUNK = 1024
#: Upper bound of features: the signed square root (`heads.power`) of finite float32 numbers.
_FURTHEST = 1.9e19
_TEMPERATURES = (1e-4, 1e4)


@dataclass(frozen=True)
class HeadChoice:
    """A kind of head and its strength.

    Attributes:
        kind: of head.
        strength: chosen by cross-validation: l2 of `logistic` and `ridge`, shrinkage of `lda`, neighbours of
            `knn`; None for `centroid`.
    """

    kind: Kind
    strength: float | None

    @property
    def l2(self) -> float | None:
        """Regularisation strength; None for heads without it."""
        return self.strength if self.kind in ("logistic", "ridge") else None

    @property
    def shrinkage(self) -> float | None:
        """How far the covariance of `lda` is shrunk, 0..1; None for other heads."""
        return self.strength if self.kind == "lda" else None

    @property
    def neighbours(self) -> float | None:
        """Number of neighbours of `knn`; None for other heads."""
        return self.strength if self.kind == "knn" else None

    def to_json(self) -> dict[str, Any]:
        """The `head` of all documents, see docs/json.md."""
        return {"kind": self.kind, "l2": self.l2, "shrinkage": self.shrinkage, "neighbours": self.neighbours}


class Head(ABC):
    """A classifier of feature vectors.

    Attributes:
        temperature: scores are divided by it before the softmax.
    """

    temperature: float

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of the vectors it takes."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes it distinguishes."""

    @abstractmethod
    def scores(self, features: Vectors) -> Vectors:
        """Unnormalised log probabilities before calibration: float32 `(n, dim)` -> float32 `(n, k)`."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """All arrays that define this head, for saving."""

    def predict_proba(self, features: Vectors) -> npt.NDArray[np.float64]:
        """Calibrated probabilities.

        Args:
            features: float32 `(n, dim)`.

        Returns:
            float64 `(n, k)`, rows sum to 1.

        Raises:
            HeadError: the vectors have another length than those it was trained on, or are too large.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise HeadError(
                f"The head was given vectors of shape {features.shape}.\nExpected (n, {self.dim}): those of the "
                "backbone it was trained on."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.scores(features) / np.float32(self.temperature)
        if not np.isfinite(scores).all():
            raise HeadError(
                "Scores are too large for float32.\nExpected finite, power-normalised features below 1.9e19."
            )
        return softmax(scores)

    @one_thread()
    def predict_each(self, features: Vectors) -> npt.NDArray[np.float64]:
        """As `predict_proba`, but a row is the same to the last bit whatever the others are, on any number of cores.

        The product of a matrix with one row rounds otherwise than with several.
        """
        rows = [self.predict_proba(features[i : i + 1]) for i in range(len(features))]
        return np.concatenate(rows) if rows else self.predict_proba(features)


@dataclass(frozen=True)
class LinearHead(Head):
    """`scores = features @ weights + bias`: logistic, lda, ridge and centroid heads.

    Attributes:
        weights: float32 `(dim, k)`, for features as the backbone gives them.
        bias: float32 `(k,)`.
    """

    arrays_of: ClassVar[tuple[str, ...]] = ("bias", "temperature", "weights")
    weights: Vectors
    bias: Vectors
    temperature: float = 1.0

    @property
    def dim(self) -> int:
        """See `Head.dim`."""
        return int(self.weights.shape[0])

    @property
    def classes(self) -> int:
        """See `Head.classes`."""
        return int(self.weights.shape[1])

    def scores(self, features: Vectors) -> Vectors:
        """See `Head.scores`."""
        return features @ self.weights + self.bias

    def arrays(self) -> Arrays:
        """See `Head.arrays`."""
        return {"weights": self.weights, "bias": self.bias, "temperature": np.array([self.temperature])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> LinearHead:
        """Read `arrays()` back; raises `HeadError` if they do not fit together or their scores could overflow."""
        weights, bias, temperature = arrays["weights"], arrays["bias"], _temperature(arrays)
        fits = weights.ndim == 2 and weights.size > 0 and bias.shape == weights.shape[1:] and _finite(weights, bias)
        if fits:
            reach = _FURTHEST * np.abs(weights).sum(axis=0, dtype=np.float64) + np.abs(bias)
            fits = bool(reach.max() < 1e38 * min(temperature, 1.0))
        if not fits:
            raise HeadError(
                f"A linear head has weights {weights.dtype} {weights.shape} and bias {bias.dtype} {bias.shape}.\n"
                "Expected float32 (dim, k) and (k,), finite, and small enough that no score overflows."
            )
        return cls(weights, bias, temperature)


@dataclass(frozen=True)
class NeighbourHead(Head):
    """Vote of the nearest training photos, weighted by `exp(cosine / 0.07)` (Wu et al. 2018, section 3.4).

    Attributes:
        vectors: float32 `(n, dim)`, training features, centred and of unit length.
        labels: int64 `(n,)`, their classes.
        centre: float32 `(dim,)`, mean of the training features.
        n_neighbors: number of photos that vote.
        n_classes: number of classes.
    """

    arrays_of: ClassVar[tuple[str, ...]] = ("centre", "labels", "n_classes", "n_neighbors", "temperature", "vectors")
    vectors: Vectors
    labels: npt.NDArray[np.int64]
    centre: Vectors
    n_neighbors: int
    n_classes: int
    temperature: float = 1.0

    @property
    def dim(self) -> int:
        """See `Head.dim`."""
        return int(self.vectors.shape[1])

    @property
    def classes(self) -> int:
        """See `Head.classes`."""
        return self.n_classes

    def scores(self, features: Vectors) -> Vectors:
        """See `Head.scores`."""
        parts = [
            vote(unit_length(part - self.centre) @ self.vectors.T, self.labels, self.n_neighbors, self.n_classes)
            for part in np.split(features, range(_CHUNK, len(features), _CHUNK))
        ]
        return np.concatenate(parts)

    def arrays(self) -> Arrays:
        """See `Head.arrays`."""
        return {
            "vectors": self.vectors,
            "labels": self.labels,
            "centre": self.centre,
            "n_neighbors": np.array([self.n_neighbors]),
            "n_classes": np.array([self.n_classes]),
            "temperature": np.array([self.temperature]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> NeighbourHead:
        """Read `arrays()` back; raises `HeadError` if they do not fit together or are out of bounds."""
        vectors, labels, centre = arrays["vectors"], arrays["labels"], arrays["centre"]
        neighbors, classes = _whole(arrays, "n_neighbors"), _whole(arrays, "n_classes")
        fits = vectors.ndim == 2 and vectors.size > 0 and _finite(vectors, centre)
        fits = fits and labels.dtype == np.int64 and labels.shape == vectors.shape[:1]
        fits = fits and labels.min() >= 0 and labels.max() < classes and centre.shape == vectors.shape[1:]
        # A little room for rounding. The length of vectors with too large numbers would overflow.
        fits = fits and np.abs(centre).max() <= _FURTHEST and np.abs(vectors).max() < 1.001
        if not fits or np.linalg.norm(vectors, axis=1).max() > 1.001:
            raise HeadError(
                f"A neighbour head has vectors {vectors.dtype} {vectors.shape}, labels {labels.dtype} {labels.shape} "
                f"and centre {centre.dtype} {centre.shape}.\nExpected float32 (n, dim) of length 1, int64 (n,) from 0 "
                f"to {classes - 1}, and float32 (dim,)."
            )
        return cls(vectors, labels, centre, neighbors, classes, _temperature(arrays))


def from_arrays(arrays: Arrays) -> Head:
    """The head with these arrays; its kind is recognised by their names.

    Raises:
        HeadError: no kind of head has these arrays.
    """
    names = tuple(sorted(arrays))
    if names == LinearHead.arrays_of:
        return LinearHead.from_arrays(arrays)
    if names == NeighbourHead.arrays_of:
        return NeighbourHead.from_arrays(arrays)
    raise HeadError(f"No head has the arrays {', '.join(names) or 'none'}.\nExpected a saved head.")


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Probabilities from scores, over the last axis; float64, stable for any finite scores."""
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    np.exp(shifted, out=shifted)
    probabilities: npt.NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def unit_length(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; rows of zeros stay zero."""
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    far = np.flatnonzero(np.isinf(lengths))
    if len(far):  # their squares overflow: a power of two brings them nearer and changes no digit
        vectors = vectors.copy()
        vectors[far] *= np.float32(2.0**-64)
        lengths[far] = np.linalg.norm(vectors[far], axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, np.float32(1e-12))
    return scaled


def vote(cosines: Vectors, labels: npt.NDArray[np.int64], k: int, classes: int) -> Vectors:
    """Log of the vote shares, each class given one hundredth of a vote beforehand.

    Args:
        cosines: float32 `(n, m)`, similarity to m training photos; -inf: not to be counted.
        labels: int64 `(m,)`.
        k: neighbours that vote, those of greatest cosine.
        classes: number of classes.

    Returns:
        float32 `(n, classes)`.
    """
    k = min(k, cosines.shape[1])
    nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(cosines, nearest, axis=1)
    weights = np.exp((near - near.max(axis=1, keepdims=True)) / 0.07)
    votes = np.full((len(cosines), classes), 0.01)
    np.add.at(votes, (np.arange(len(cosines))[:, None], labels[nearest]), weights)
    shares: Vectors = np.log(votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _finite(*arrays: npt.NDArray[Any]) -> bool:
    return all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)


def _temperature(arrays: Arrays) -> float:
    value, (low, high) = arrays["temperature"], _TEMPERATURES
    if value.shape != (1,) or value.dtype.kind not in "fiu" or not low <= float(value[0]) <= high:
        raise HeadError(f"A head has the temperature {value.dtype} {value.shape}.\nExpected one, {low:g} to {high:g}.")
    return float(value[0])


def _whole(arrays: Arrays, name: str) -> int:
    value = arrays[name]
    if value.shape != (1,) or value.dtype.kind not in "iu" or not 1 <= int(value[0]) <= 10**6:
        raise HeadError(f"A head has {name} {value.dtype} {value.shape}.\nExpected one whole number, 1 to 1,000,000.")
    return int(value[0])
