"""`Embedder`: a backbone as users call it, pictures in, feature vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import backbones
from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.card import Card
from headstart.features.extraction import Features, require_all
from headstart.features.several import features_of
from headstart.features.store import Store
from headstart.photos.pictures import Pictures, is_one_photo
from headstart.photos.sources import find_files
from headstart.progress import Choice, standard


@dataclass(frozen=True, repr=False)
class Embedder:
    """Turns photos into feature vectors; threads may share it. Made by `headstart.load_backbone`.

    Attributes:
        backbone: computes the vectors.
        store: keeps them, so that no photo is computed twice.
    """

    backbone: Backbone
    store: Store

    def __repr__(self) -> str:
        return f"Embedder({self.card.handle}, {self.dim} dimensions)"

    @property
    def card(self) -> Card:
        """Everything that decides its vectors: weights, view, scaling, output."""
        return self.backbone.card

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self.card.dim

    def embed(self, photos: Pictures, progress: Choice = None) -> Vectors:
        """Feature vectors of photos, as the model gives them: not normalised.

        Args:
            photos: one picture or many, see `headstart.photos.pictures.Pictures`; folders stand for the photos in
                them, in alphabetical order.
            progress: see `headstart.train`.

        Returns:
            float32 `(n, dim)`; of one picture alone `(dim,)`.

        Raises:
            DataError: a photo cannot be used. `features` leaves such photos out and reports them.
        """
        found = self.features(photos, progress)
        require_all(found.skipped)
        return found.vectors[0] if is_one_photo(photos) else found.vectors

    def features(self, photos: Pictures, progress: Choice = None) -> Features:
        """Feature vectors of all photos that can be used, and a list of the others; arguments as of `embed`."""
        return features_of(self.backbone, find_files(photos), self.store, standard(progress))


def load_backbone(
    backbone: str | Sequence[str] = backbones.DEFAULT,
    *,
    view: backbones.Viewing = "squash",
    options: backbones.Options | None = None,
    store: str | Path | None = None,
    progress: Choice = None,
) -> Embedder:
    """Load a pre-trained model to compute feature vectors with.

    Args:
        backbone: a handle; of a list, the features are joined.
        view: how photos are fitted to its input: `squash`, `crop`, `pad`, or `both` of the first two, joined.
        options: what you know of the backbone: input range, layers.
        store: folder of the feature store; the user's if not given.
        progress: see `headstart.train`.

    Raises:
        BackboneError: no model has this handle, or it cannot be downloaded or read.

    Examples:
        >>> import numpy as np
        >>> import headstart
        >>> backbone = headstart.load_backbone()
        >>> backbone
        Embedder(builtin:efficientnet-lite0, 1280 dimensions)
        >>> backbone.embed(np.zeros((64, 64, 3), np.uint8)).shape
        (1280,)
    """
    kept = Store(store)
    return Embedder(backbones.load_view(backbone, view, kept.compiled, options, standard(progress)), kept)


def embed(
    photos: Pictures,
    *,
    backbone: str | Sequence[str] = backbones.DEFAULT,
    view: backbones.Viewing = "squash",
    options: backbones.Options | None = None,
    store: str | Path | None = None,
    progress: Choice = None,
) -> Vectors:
    """Feature vectors of photos, for any use: search, clustering, another library's classifier.

    Args:
        photos: one picture or many; folders stand for the photos in them, in alphabetical order.
        backbone: a handle; of a list, the features are joined.
        view: how photos are fitted to its input: `squash`, `crop`, `pad`, or `both` of the first two, joined.
        options: what you know of the backbone: input range, layers.
        store: folder of the feature store; the user's if not given.
        progress: see `headstart.train`.

    Returns:
        float32 `(n, dim)`, not normalised; of one picture alone `(dim,)`.

    Raises:
        DataError: a photo cannot be used. BackboneError: the model cannot be loaded.

    Examples:
        >>> import numpy as np
        >>> import headstart
        >>> headstart.embed([np.zeros((64, 64, 3), np.uint8), np.ones((32, 48), np.uint8)]).shape
        (2, 1280)
    """
    loaded = load_backbone(backbone, view=view, options=options, store=store, progress=progress)
    return loaded.embed(photos, progress)
