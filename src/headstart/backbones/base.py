"""`Backbone`, the base class of all that turns pictures into vectors; `embed` is the one required method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from copy import copy
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from headstart.backbones.card import Card
from headstart.errors import BackboneError
from headstart.photos.images import Images
from headstart.photos.pixels import AnyFit

Vectors = npt.NDArray[np.float32]
#: Features at each place of a picture: float32 `(n, height, width, dim)`.
Maps = npt.NDArray[np.float32]
Tag = TypeVar("Tag")


class Backbone(ABC):
    """A frozen model and how to feed it.

    Attributes:
        card: everything that decides its vectors.
        labels: names of its own classes in the order of its scores; empty if it has none.
        parameters: number of parameters in its graph; None if not known.
        file_bytes: size of its file or files; None if not known.
    """

    card: Card
    labels: tuple[str, ...] = ()
    parameters: int | None = None
    file_bytes: int | None = None

    @property
    def parts(self) -> tuple[Backbone, ...]:
        """The backbones whose vectors it puts one after the other; of a single one itself."""
        return (self,)

    @property
    def batch(self) -> int:
        """How many pictures to pass at once."""
        return 4

    @abstractmethod
    def embed(self, images: Images) -> Vectors:
        """Turn a batch of pictures into feature vectors.

        Args:
            images: uint8 `(n, height, width, 3)`, sRGB, `0..255`, n >= 1. Scaling and normalisation belong to
                the backbone: callers never do them. The array is not modified.

        Returns:
            float32 `(n, dim)`, finite, not scaled to unit length. Row `i` depends on image `i` alone, not on
            its neighbours, the batch size or earlier calls.

        Raises:
            BackboneError: the pictures have the wrong shape or type, or the engine failed (its own error is the
                `__cause__`).
        """

    def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
        """Embed many batches; `done(tag, vectors)` is called for each, in any order, from any thread.

        Engines that work in the background override this and fetch the next batch while they compute. No batch may
        be larger than `batch`. An error raised by `done` is raised here.
        """
        for tag, images in batches:
            done(tag, self.embed(images))

    def maps(self, images: Images) -> Maps | None:
        """The maps whose means over height and width are the vectors, apart from rounding.

        Args:
            images: as for `embed`.

        Returns:
            float32 `(n, height, width, dim)`, of fewer places than the picture has pixels; None if the vectors are not
            such means, or the maps are not known.
        """
        return None

    def exchanged(self, whole: Vectors, part: Backbone, own: Vectors) -> Vectors:
        """Vectors of a picture, float32 `(dim,)`, with other numbers of one part, `(n, its dim)`: of itself, these."""
        return own

    def release(self) -> None:
        """Free memory; what is freed is created again at the next use."""
        return

    def with_card(self, card: Card) -> Self:
        """The same backbone with another card, such as one with another view."""
        other = copy(self)
        other.card = card
        return other

    def with_fit(self, fit: AnyFit) -> Self:
        """The same backbone with another way to fit photos to its input size: `squash`, `crop` or `pad`."""
        return self.with_card(self.card.with_fit(fit))

    def classify(self, images: Images) -> Vectors:
        """Probabilities of the model's own classes.

        Args:
            images: as for `embed`, in the card's own view.

        Returns:
            float32 `(n, classes)`, rows sum to 1, columns in the order of `labels`.

        Raises:
            BackboneError: it has no classes of its own, or the engine failed.
        """
        raise BackboneError(
            f"{self.card.handle} has no classes of its own whose names are known.\nExpected a classifier that comes "
            "with its label list or has ImageNet's 1,000 or 1,001 classes. Train a head on it instead."
        )

    def check(self, images: Images) -> None:
        """Raise `BackboneError` unless the pictures are what the card asks for."""
        view = self.card.view
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (view.height, view.width, 3):
            raise BackboneError(
                f"{self.card.handle} cannot read this array.\nExpected uint8 (n, {view.height}, {view.width}, 3), RGB, "
                f"0..255; received {images.dtype} {images.shape}."
            )
        if not len(images):
            raise BackboneError(f"{self.card.handle} received no pictures.\nExpected at least one.")
