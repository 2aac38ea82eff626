"""Estimators of photos: `FeatureExtractor` turns them into vectors, `HeadstartClassifier` into labels.

Vectors that the store has are read from it, so that the folds of a cross-validation compute each photo only once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from headstart import backbones
from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.card import Card
from headstart.classifier.measuring import vectors_of
from headstart.errors import DataError
from headstart.features.extraction import require_all
from headstart.features.several import features_of
from headstart.features.store import Store
from headstart.heads.head import Kind
from headstart.photos.pictures import Pictures, is_one, listed
from headstart.progress import warn
from headstart.sklearn.learning import HeadLearner


class FeatureExtractor(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Photos -> feature vectors of a frozen backbone, as it gives them. There is nothing to fit.

    Args:
        backbone: a handle, such as `builtin:efficientnet-lite0`, or the path of a model; of a list, the features are
            joined.
        view: how a photo is fitted to the model's input: `squash`, `crop`, `pad`, or `both` of the first two, joined.
        input_range: for a model that does not declare it: `0..1`, `-1..1`, `0..255` or `imagenet`; see `Options`.
        layers: `last`, or `several` pooled and joined.
        store: folder of the feature store; the user's if None.

    Example:
        >>> from headstart.sklearn import FeatureExtractor
        >>> FeatureExtractor().fit_transform(["hemlock/1.jpg", "cherry/1.jpg"]).shape
        (2, 1280)
    """

    def __init__(
        self,
        backbone: str | Sequence[str] = backbones.DEFAULT,
        *,
        view: backbones.Viewing = "squash",
        input_range: str = "",
        layers: backbones.Layers = "last",
        store: str | Path | None = None,
    ) -> None:
        self.backbone = backbone
        self.view = view
        self.input_range = input_range
        self.layers = layers
        self.store = store

    def fit(self, X: Pictures, y: Any = None) -> Self:
        """Check the settings and X; there is nothing to learn.

        Args:
            X: as for `transform`.
            y: ignored.

        Raises:
            BackboneError: a setting is wrong, or the backbone cannot be found or read.
            DataError: X does not hold photos.
        """
        _photos(X)
        _backbone(self)
        return self

    def transform(self, X: Pictures) -> Vectors:
        """Embed photos.

        Args:
            X: n photos, n >= 1: a list, tuple, pandas Series, array `(n,)` or one column `(n, 1)` of paths, bytes,
                open binary files, Pillow images or uint8 arrays `(height, width[, 3 or 4])`.

        Returns:
            float32 `(n, dim)`, finite, not scaled.

        Raises:
            DataError: X does not hold photos, or one of them cannot be read; the message names it.
            BackboneError: as for `fit`, or the model failed.
        """
        photos, backbone = _photos(X), _backbone(self)
        features = features_of(backbone, photos, Store(self.store))
        require_all(features.skipped)
        return features.vectors

    @property
    def _n_features_out(self) -> int:
        """Number of columns, whose names are `featureextractor0`, `featureextractor1`, ...; scikit-learn reads it."""
        return _backbone(self).card.dim

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = _of_photos(super().__sklearn_tags__())
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []  # always float32
        return tags


class HeadstartClassifier(HeadLearner):
    """A classifier of photos: a frozen backbone, and the head that `headstart.train` trains on its vectors.

    The same photo under two labels is left out of the training, with a warning. Weights of samples are not supported:
    every class has the same weight, every photo of a class too.

    Args:
        backbone: a handle, such as `builtin:efficientnet-lite0`, or the path of a model; of a list, the features are
            joined.
        view: how a photo is fitted to the model's input: `squash`, `crop`, `pad`, or `both` of the first two, joined.
        head: `logistic`, `lda`, `ridge`, `centroid` or `knn`.
        input_range: for a model that does not declare it: `0..1`, `-1..1`, `0..255` or `imagenet`; see `Options`.
        layers: `last`, or `several` pooled and joined.
        random_state: seed of the folds in which the strength is chosen, 0 to 2**32 - 1; what `headstart.train` calls
            `seed`. As in scikit-learn, None or a `RandomState` gives new folds at each `fit`; the default gives the
            same head every time.
        store: folder of the feature store; the user's if None.

    Attributes:
        classes_: `(k,)`, the labels in the order of the columns of `predict_proba`, in the type of y.
        head_: the trained head.
        strength_: what cross-validation chose: l2 of `logistic` and `ridge`, shrinkage of `lda`, neighbours of `knn`;
            None for `centroid`.
        card_: of the backbone that it was trained on; predictions use the same one or raise an error.

    Example:
        >>> from headstart.sklearn import HeadstartClassifier
        >>> photos = ["hemlock/1.jpg", "hemlock/2.jpg", "cherry/1.jpg", "cherry/2.jpg"]
        >>> classifier = HeadstartClassifier(head="ridge").fit(photos, [0, 0, 1, 1])
        >>> print(classifier.predict(["cherry/1.jpg", "hemlock/1.jpg"]))
        [1 0]
        >>> classifier.predict_proba(["cherry/1.jpg"]).shape
        (1, 2)
    """

    card_: Card

    def __init__(
        self,
        backbone: str | Sequence[str] = backbones.DEFAULT,
        *,
        view: backbones.Viewing = "squash",
        head: Kind = "logistic",
        input_range: str = "",
        layers: backbones.Layers = "last",
        random_state: int | np.random.RandomState | None = 0,
        store: str | Path | None = None,
    ) -> None:
        self.backbone = backbone
        self.view = view
        self.head = head
        self.input_range = input_range
        self.layers = layers
        self.random_state = random_state
        self.store = store

    def fit(self, X: Pictures, y: Any) -> Self:
        """Train on photos.

        Args:
            X: n photos, see `FeatureExtractor.transform`.
            y: n labels, all text, all numbers or all booleans; at least two classes, of each two different photos.

        Raises:
            DataError: X does not hold photos, one of them cannot be read, or y is wrong; a `ValueError` too.
            BackboneError: a setting is wrong, or the backbone cannot be found or read.
            HeadError: an unknown head, or a seed out of bounds.
        """
        photos = _photos(X)
        target = self._target(y, len(photos))
        backbone = _backbone(self)
        features = vectors_of(backbone, photos, Store(self.store))
        require_all(features.skipped)
        self._learn(features, target)
        self.card_ = backbone.card
        return self

    def predict_proba(self, X: Pictures) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, columns in the order of `classes_`.

        Args:
            X: n photos, see `FeatureExtractor.transform`.

        Returns:
            float64 `(n, k)`, rows sum to 1.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X does not hold photos, or one of them cannot be read; the message names it.
            BackboneError: the backbone is no longer the one that it was trained on.
        """
        check_is_fitted(self)
        photos, store = _photos(X), Store(self.store)
        features = vectors_of(backbones.load_card(self.card_, store.compiled), photos, store)
        require_all(features.skipped)
        return self._probabilities(features.vectors)

    def __sklearn_tags__(self) -> Any:
        return _of_photos(super().__sklearn_tags__())


def _photos(X: Pictures) -> list[str]:
    """A path for each photo.

    Raises:
        DataError: X is a single photo, holds none, or holds something else.
    """
    if is_one(X):
        raise DataError("X is a single photo.\nExpected a list or one column of photos; of one photo: [photo].")
    photos = listed(X)
    if not photos:
        raise DataError("X holds no photos.\nExpected at least one.")
    return photos


def _backbone(estimator: FeatureExtractor | HeadstartClassifier) -> Backbone:
    """The backbone that an estimator's parameters describe."""
    given, options = estimator.backbone, backbones.Options(estimator.input_range, estimator.layers)
    handles = os.fspath(given) if isinstance(given, str | os.PathLike) else [os.fspath(one) for one in given]
    backbone = backbones.load_view(handles, estimator.view, Store(estimator.store).compiled, options, doubts=False)
    if backbone.card.doubt:
        _warn_once(backbone.card.doubt)
    return backbone


#: Warns once in this process: scikit-learn's searches make Python forget which warnings it has shown.
_warn_once = cache(warn)


def _of_photos(tags: Any) -> Any:
    """scikit-learn's tags of an estimator whose X is a list or a column of photos, not a table of numbers."""
    tags.input_tags.one_d_array = True
    tags.input_tags.two_d_array = False
    tags.input_tags.string = True
    return tags
