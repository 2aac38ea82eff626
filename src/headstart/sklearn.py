"""`FeatureExtractor`: a backbone as a scikit-learn transformer, for pipelines and cross-validation.

This is the only module that imports scikit-learn, which comes with the extra `headstart[sklearn]`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from headstart import backbones
from headstart.backbones.base import Backbone, Vectors
from headstart.errors import DataError, MissingExtraError
from headstart.features.extraction import extract, require_all
from headstart.features.store import Store
from headstart.photos.images import Fit

try:
    from sklearn.base import BaseEstimator, TransformerMixin
except ImportError as error:
    raise MissingExtraError(
        f"FeatureExtractor needs scikit-learn, which cannot be imported: {error}.\n"
        "Install it: pip install 'headstart[sklearn]'"
    ) from error


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Paths of photos -> feature vectors of a frozen backbone; there is nothing to fit.

    Vectors that the store has are read from it, so that repeated folds cost nothing.

    Args:
        backbone: a handle.
        view: `squash`, `crop` or `pad`.
        input_range: for a model that does not declare it: `0..1`, `-1..1`, `0..255` or `imagenet`; see `Options`.
        layers: `last`, or `several` pooled and joined.
    """

    def __init__(
        self,
        backbone: str = backbones.DEFAULT,
        view: Fit = "squash",
        input_range: str = "",
        layers: backbones.Layers = "last",
    ) -> None:
        self.backbone = backbone
        self.view = view
        self.input_range = input_range
        self.layers = layers

    def fit(self, X: Sequence[str | Path], y: Any = None) -> Self:
        """Do nothing: there is nothing to learn."""
        return self

    def transform(self, X: Sequence[str | Path]) -> Vectors:
        """Embed photos.

        Args:
            X: n paths.

        Returns:
            float32 `(n, dim)`.

        Raises:
            DataError: a photo cannot be used (none is skipped), or X is a single path.
        """
        if isinstance(X, (str, os.PathLike)):
            raise DataError(f"transform received the single path {X}.\nExpected a list of paths.")
        store = Store()
        backbone = self._load(store).with_fit(self.view)
        features = extract(backbone, [os.fspath(path) for path in X], store)
        require_all(features.skipped)
        return features.vectors

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray[Any, Any]:
        """`f0`, `f1`, ..., one for each dimension."""
        dim = self._load(Store()).card.dim
        return np.array([f"f{i}" for i in range(dim)], dtype=object)

    def _load(self, store: Store) -> Backbone:
        options = backbones.Options(self.input_range, self.layers)
        return backbones.load(self.backbone, folder=store.compiled, options=options)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
