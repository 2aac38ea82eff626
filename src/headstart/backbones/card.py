"""The card: everything that decides a vector, and the key made of it.

A store, a saved classifier and a report all carry the card. Callers never pass a mean or a size.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from headstart.backbones.hints import Channels, Feed, Layers, Origin
from headstart.errors import BackboneError
from headstart.photos.images import READER_REVISION, Fit, View
from headstart.safety import untrusted

Precision = Literal["auto", "float32", "bfloat16"]

#: What the vectors do not depend on: names and facts for people.
_NOT_IN_KEY = ("handle", "classes", "crop", "licence", "range_from")


def _view(value: Any) -> View:
    return View(**untrusted.fields(value, _VIEW_FIELDS))


def _scale(value: Any) -> float:
    scale = untrusted.number(-1e9, 1e9)(value)
    if abs(scale) < 1e-9:
        raise ValueError(f"{scale} is too small to divide by")
    return scale


#: What a field of a saved card may be. A network of free size is given the card's, so that has a bound as well.
_VIEW_FIELDS: dict[str, untrusted.Check[Any]] = {
    "height": untrusted.whole(1, 4096),
    "width": untrusted.whole(1, 4096),
    "fit": untrusted.one_of(*get_args(Fit)),
    "fraction": untrusted.number(1e-3, 1.0),
}
_FIELDS: dict[str, untrusted.Check[Any]] = {
    "handle": untrusted.text(4096),
    "weights": untrusted.text(200),
    "revision": untrusted.whole(0, 10**9),
    "view": _view,
    "channels": untrusted.one_of(*get_args(Channels)),
    "mean": untrusted.many(untrusted.number(-1e9, 1e9), 3, 3),
    "scale": untrusted.many(_scale, 3, 3),
    "output": untrusted.text(1000),
    "dim": untrusted.whole(1, 10**6),
    "precision": untrusted.one_of("float32", "bfloat16"),
    "reader": untrusted.whole(0, 10**9),
    "classes": untrusted.whole(0, 10**6),
    "crop": untrusted.number(1e-3, 1.0),
    "licence": untrusted.text(10_000, shortest=0),
    "range_from": untrusted.one_of(*get_args(Origin)),
    "layers": untrusted.one_of(*get_args(Layers)),
}


@dataclass(frozen=True)
class Card:
    """What a network needs and what its vectors are.

    Attributes:
        handle: how a person asks for the network; not part of the key.
        weights: SHA-256 (hex) of the file that the weights come from.
        revision: of the code that turns the file into a graph.
        view: how photos are brought to the input size.
        channels: order of the colours that the network expects.
        mean, scale: each channel enters as `(x - mean) / scale`, x in `0..255`.
        output: which tensor the vector is.
        dim: length of the vector.
        precision: of the arithmetic, resolved: never `auto`.
        reader: `images.READER_REVISION`, how photos were read.
        classes: number of the network's own classes, 0 if it has none; not part of the key.
        crop: share of the shorter side that the network's own evaluation keeps; not part of the key, because
            as-is classification puts it into the view.
        licence: of the weights; not part of the key.
        range_from: how `mean`, `scale` and `channels` are known (`hints.Origin`); not part of the key.
        layers: `last`, or `several` stages pooled and joined.
    """

    handle: str
    weights: str
    revision: int
    view: View
    channels: Channels
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    output: str
    dim: int
    precision: Literal["float32", "bfloat16"]
    reader: int = READER_REVISION
    classes: int = 0
    crop: float = 1.0
    licence: str = ""
    range_from: Origin = "network"
    layers: Layers = "last"

    @property
    def key(self) -> str:
        """32 hex digits of SHA-256 over all that changes the vector, and over nothing else."""
        decisive = {name: value for name, value in asdict(self).items() if name not in _NOT_IN_KEY}
        if self.view.fit != "crop":
            del decisive["view"]["fraction"]
        if self.layers == "last":
            del decisive["layers"]  # there was no choice when the first stores were written
        text = json.dumps(decisive, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def feed(self) -> Feed:
        """How pixels enter, and how that is known."""
        return Feed(self.mean, self.scale, self.channels, self.range_from)

    @property
    def doubt(self) -> str:
        """What the user should know before trusting the vectors; empty if nothing."""
        if self.range_from != "assumed":
            return ""
        return (
            f"The input range of {self.handle} is not known; {self.feed.name} is assumed, as is usual for its kind. A "
            "wrong one costs accuracy in silence. Find out: headstart backbones probe "
            f"{shlex.quote(self.handle)} PHOTOS; or say it: --input-range RANGE."
        )

    def about(self) -> dict[str, Any]:
        """The `card` of all documents, see docs/json.md: what people want to know of a backbone."""
        return {
            "dim": self.dim,
            "input": [self.view.height, self.view.width],
            "input_range": self.feed.name,
            "input_range_from": self.range_from,
            "feature": self.output,
            "layers": self.layers,
            "compute_precision": self.precision,
            "licence": self.licence,
        }

    def with_fit(self, fit: Fit) -> Card:
        """The same network looking at photos in another way; `crop` takes the card's own fraction."""
        if fit not in get_args(Fit):
            raise BackboneError(f"There is no view '{fit}'.\nExpected {', '.join(get_args(Fit))}.")
        fraction = self.crop if fit == "crop" else 1.0
        return replace(self, view=replace(self.view, fit=fit, fraction=fraction))

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; `Card.from_json` reads it back."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, fields: Any) -> Card:
        """Read `to_json`'s dictionary, whoever wrote it.

        Raises:
            BackboneError: a field is missing, unknown, or not of the type and range that it must be.
        """
        try:
            return cls(**untrusted.fields(fields, _FIELDS))
        except (TypeError, ValueError) as error:
            raise BackboneError(f"The card cannot be read: {error}.\nExpected the fields of a Card.") from error


#: A word of an address this short, such as the `b0` of `efficientnet/b0`, does not tell by itself.
_SHORT = 3


def short_name(handle: str) -> str:
    """The telling end of a handle, fit for a file name: versions and generic words do not tell."""
    parts = [part for part in re.split(r"[/:\\]", handle) if part]
    telling = [p for p in parts if not re.fullmatch(r"\d+|feature[-_]vector|classification|saved_model\.\w+", p)]
    last = (telling or parts or ["network"])[-1]
    if "://" in handle and len(last) <= _SHORT and len(telling) > 1:
        last = f"{telling[-2]}-{last}"
    plain = re.sub(r"\.(onnx|tflite|xml|pb|h5|keras)$", "", last)
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.")[:60] or "network"
