"""`HeadstartHead`: the head alone, a classifier of feature vectors."""

from __future__ import annotations

import hashlib
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from headstart.features.extraction import Features
from headstart.heads import power
from headstart.heads.head import Kind
from headstart.sklearn.learning import HeadLearner


class HeadstartHead(HeadLearner):
    """The head that `headstart.train` trains, as a classifier of feature vectors; for pipelines.

    It takes vectors as `FeatureExtractor` gives them. The power normalisation, the strength chosen by cross-validation
    and the calibrated probabilities are part of it: do not scale the vectors before. Photos with equal vectors are
    copies; they stay together in cross-validation, and with different labels they are left out, with a warning.

    Weights of samples are not supported: every class has the same weight, every photo of a class too.

    Args:
        head: `logistic`, `lda`, `ridge`, `centroid` or `knn`.
        random_state: seed of the folds in which the strength is chosen, 0 to 2**32 - 1. As in scikit-learn, None or a
            `RandomState` gives new folds at each `fit`; the default gives the same head every time.

    Attributes:
        classes_: `(k,)`, the labels in the order of the columns of `predict_proba`, in the type of y.
        head_: the trained head.
        strength_: what cross-validation chose: l2 of `logistic` and `ridge`, shrinkage of `lda`, neighbours of `knn`;
            None for `centroid`.
        n_features_in_: dim, the length of the vectors.
        feature_names_in_: names of the columns, if X was a table with names.

    Example:
        >>> from sklearn.pipeline import make_pipeline
        >>> from headstart.sklearn import FeatureExtractor, HeadstartHead
        >>> photos = ["hemlock/1.jpg", "hemlock/2.jpg", "cherry/1.jpg", "cherry/2.jpg"]
        >>> labels = ["hemlock", "hemlock", "cherry", "cherry"]
        >>> pipeline = make_pipeline(FeatureExtractor(), HeadstartHead("ridge")).fit(photos, labels)
        >>> print(pipeline.predict(["cherry/1.jpg"]))
        ['cherry']
    """

    def __init__(self, head: Kind = "logistic", *, random_state: int | np.random.RandomState | None = 0) -> None:
        self.head = head
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: Any) -> Self:
        """Train the head.

        Args:
            X: `(n, dim)`, finite numbers within float32.
            y: n labels, all text, all numbers or all booleans; at least two classes, of each two different vectors.

        Raises:
            ValueError: X or y is not so.
            HeadError: an unknown head, or a seed out of bounds.
        """
        vectors = validate_data(self, X, dtype=np.float32, order="C", copy=True)
        target = self._target(y, len(vectors))
        power.normalise(vectors)
        digests = b"".join(hashlib.sha256(vector.tobytes()).digest() for vector in vectors)
        rows = np.arange(len(vectors))
        names = tuple(f"X[{row}]" for row in rows)
        self._learn(Features(names, rows, vectors, np.frombuffer(digests, "V32"), (), 0, len(rows), 0, 0.0), target)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, columns in the order of `classes_`.

        Args:
            X: `(n, dim)`, as for `fit`.

        Returns:
            float64 `(n, k)`, rows sum to 1.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: the vectors have another length than those of `fit`, or are not finite.
        """
        check_is_fitted(self)
        vectors = validate_data(self, X, dtype=np.float32, copy=True, reset=False)
        power.normalise(vectors)
        return self._probabilities(vectors)
