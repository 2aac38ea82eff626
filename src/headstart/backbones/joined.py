"""Several backbones as one: the features of a photo by several models, or in several views, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, get_args

import numpy as np

from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.card import MOST_PARTS, Card
from headstart.backbones.hints import Viewing
from headstart.errors import BackboneError
from headstart.photos.images import Fit, Images

#: What `both` is made of.
BOTH: tuple[Fit, Fit] = ("squash", "crop")
#: What the numbers of each part add up to, whatever their signs.
SUM = 1000.0
#: Rows at a time: larger temporary arrays would be slower.
_CHUNK = 64


def balance(vectors: Vectors) -> None:
    """Scale each row so that its absolute numbers add up to `SUM`, in place; a row of zeros stays as it is.

    So each part has the same length after the square root that heads take (`heads.power`), and none drowns the others.
    Measured with two models on clothing10 and food10-64: 1.5 points better than without, and as good as a constant for
    each part; with two views of one model there is hardly a difference (benchmarks/views.py).

    Args:
        vectors: float32 `(n, dim)` of one part; changed.
    """
    for start in range(0, len(vectors), _CHUNK):
        part = vectors[start : start + _CHUNK]
        part *= np.float32(SUM) / np.maximum(np.abs(part).sum(axis=1, keepdims=True), np.float32(1e-12))


class Joined(Backbone):
    """The vectors of several backbones, each scaled (`balance`), one after the other.

    Its picture is a stack (`View.stack`): the parts' views of the same photo, one below the other, equal ones once.

    Args:
        parts: in the order of their numbers in the vector; at least two, none of them joined.
    """

    def __init__(self, parts: Sequence[Backbone]) -> None:
        self._parts = tuple(parts)
        self.card = Card.joined([part.card for part in parts])
        models = {part.card.weights: part for part in parts}.values()
        parameters, sizes = [one.parameters for one in models], [one.file_bytes for one in models]
        self.parameters = None if None in parameters else sum(filter(None, parameters))
        self.file_bytes = None if None in sizes else sum(filter(None, sizes))

    @property
    def parts(self) -> tuple[Backbone, ...]:
        """See `Backbone.parts`."""
        return self._parts

    @property
    def batch(self) -> int:
        """Enough to keep each part busy: it cuts them into batches of its own."""
        return 16

    def embed(self, images: Images) -> Vectors:
        """See `Backbone.embed`."""
        self.check(images)
        view = self.card.view
        found = [part.embed(view.part(images, part.card.view)) for part in self._parts]
        for vectors in found:
            balance(vectors)
        return np.concatenate(found, axis=1)

    def exchanged(self, whole: Vectors, part: Backbone, own: Vectors) -> Vectors:
        """Vectors with other numbers of one part.

        Args:
            whole: float32 `(dim,)`, of a picture. part: one of the parts.
            own: float32 `(n, its dim)`, what this part gives for n pictures.
        """
        before = self._parts[: self._parts.index(part)]
        start = sum(one.card.dim for one in before)
        found = np.repeat(whole[None], len(own), axis=0)
        scaled = np.array(own, np.float32)
        balance(scaled)
        found[:, start : start + part.card.dim] = scaled
        return found

    def with_card(self, card: Card) -> Self:
        """See `Backbone.with_card`; the views belong to the parts, so only facts for people may differ."""
        if card.key != self.card.key:
            raise BackboneError(f"{self.card.handle} has the views of its parts.\nExpected the same card.")
        return super().with_card(card)

    def release(self) -> None:
        """See `Backbone.release`."""
        for part in self._parts:
            part.release()


def joined(parts: Sequence[Backbone]) -> Backbone:
    """These backbones as one; a single one as it is.

    Raises:
        BackboneError: there is none, the same twice, or too many.
    """
    if len(parts) == 1:
        return parts[0]
    keys = [part.card.key for part in parts]
    twice = next((part.card.handle for part in parts if keys.count(part.card.key) > 1), None)
    if twice is not None:
        raise BackboneError(f"{twice} is to be joined with itself.\nExpected different backbones.")
    if not 2 <= len(parts) <= MOST_PARTS:
        raise BackboneError(f"{len(parts)} backbones are to be joined, views counted.\nExpected 1 to {MOST_PARTS}.")
    return Joined(parts)


def viewed(backbones: Sequence[Backbone], view: Viewing) -> Backbone:
    """Backbones in a view; several, and the two views of `both`, are joined.

    Raises:
        BackboneError: there is no such view; or see `joined`.
    """
    if view not in get_args(Viewing):
        raise BackboneError(f"There is no view '{view}'.\nExpected {', '.join(get_args(Viewing))}.")
    fits: Sequence[Fit] = BOTH if view == "both" else (view,)
    return joined([backbone.with_fit(fit) for backbone in backbones for fit in fits])
