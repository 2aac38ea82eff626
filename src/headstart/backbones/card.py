"""The card: everything that decides a vector, and the key derived from it.

The store, saved classifiers and reports all carry the card. Callers never pass a mean or a size.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from headstart.backbones.formats import EXTENSIONS
from headstart.backbones.hints import Layers, Viewing
from headstart.backbones.ranges import feeds
from headstart.backbones.ranges.feeds import Channels, Feed, Origin
from headstart.errors import BackboneError
from headstart.photos.images import READER_REVISION, Fit, View
from headstart.photos.pixels import AnyFit
from headstart.safety import untrusted

Precision = Literal["float32", "bfloat16"]

#: Backbones that can be joined, views counted.
MOST_PARTS = 16
#: What the vectors do not depend on: names, and facts for people.
_NOT_IN_KEY = ("handle", "classes", "crop", "licence", "range_from")


#: What the fields of a saved card may be. A model that takes any size is run at the card's, so that has a bound too.
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
    "view": lambda value: View(**untrusted.fields(value, _VIEW_FIELDS)),
    **feeds.FIELDS,
    "output": untrusted.text(1000),
    "dim": untrusted.whole(1, 10**6),
    "precision": untrusted.one_of(*get_args(Precision)),
    "reader": untrusted.whole(0, 10**9),
    "classes": untrusted.whole(0, 10**6),
    "crop": untrusted.number(1e-3, 1.0),
    "licence": untrusted.text(10_000, shortest=0),
    "range_from": untrusted.one_of(*get_args(Origin)),
    "layers": untrusted.one_of(*get_args(Layers)),
}


def read_view(value: Any) -> View:
    """A view from its fields, which may come from a stranger; the view of a joined backbone has parts.

    Raises:
        ValueError: a field is missing or unknown, or has a wrong type or value.
    """
    if isinstance(value, dict) and "parts" in value:
        stack = View.stack([read_view(part) for part in untrusted.many(_part, 2, MOST_PARTS)(value["parts"])])
        if stack.to_json() != value:
            raise ValueError("the parts of a view do not make the view")
        return stack
    return View(**untrusted.fields(value, _VIEW_FIELDS))


def _part(value: Any) -> Any:
    """A part has no parts."""
    if not isinstance(value, dict) or "parts" in value:
        raise ValueError("a dictionary without parts is needed")
    return value


@dataclass(frozen=True)
class Card:
    """What a model needs and what its vectors are.

    Attributes:
        handle: the name that people use for the model; not part of the key.
        weights: SHA-256 (hex) of the file that the weights come from.
        revision: of the code that turns the file into a graph.
        view: how photos are brought to the input size.
        channels: the colour order that the model expects.
        mean, scale: each channel enters as `(x - mean) / scale`, x in `0..255`.
        output: which tensor the vector is made from.
        dim: length of the vector.
        precision: of the arithmetic; already resolved, never `auto`.
        reader: `images.READER_REVISION`, how photos were read.
        classes: number of the model's own classes, 0 if it has none; not part of the key.
        crop: fraction of the shorter side that the model's own evaluation keeps; not part of the key, because
            classification without training puts it into the view.
        licence: of the weights; not part of the key.
        range_from: how `mean`, `scale` and `channels` are known (`feeds.Origin`); not part of the key.
        layers: `last`, or `several` stages pooled and joined.
        parts: of a joined backbone the cards whose vectors it puts one after the other; its other fields follow from
            them, see `joined`. Empty for a backbone that is a single model in a single view.
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
    precision: Precision
    reader: int = READER_REVISION
    classes: int = 0
    crop: float = 1.0
    licence: str = ""
    range_from: Origin = "network"
    layers: Layers = "last"
    parts: tuple[Card, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Card]) -> Card:
        """The card of several backbones whose vectors are put one after the other.

        The input range is the parts' own; `channels`, `mean` and `scale` are those of the first one.
        """
        first = parts[0]
        kinds = dict.fromkeys(part.output for part in parts)
        licences = dict.fromkeys(part.licence for part in parts)
        return replace(
            first,
            handle=_joined_handle(parts),
            weights=hashlib.sha256(" ".join(part.weights for part in parts).encode()).hexdigest(),
            view=View.stack([part.view for part in parts]),
            output=" + ".join(kinds),
            dim=sum(part.dim for part in parts),
            classes=0,
            licence=" + ".join(one or "not stated" for one in licences) if any(licences) else "",
            range_from=next((part.range_from for part in parts if part.range_from == "assumed"), first.range_from),
            parts=tuple(parts),
        )

    @property
    def models(self) -> tuple[Card, ...]:
        """One card for each model, whatever its views: of a single model this one."""
        return tuple({part.handle: part for part in reversed(self.parts)}.values())[::-1] or (self,)

    @property
    def short_name(self) -> str:
        """A name for people, fit for a file name but for spaces, `+` and brackets."""
        return _joined_handle(self.parts or (self,), short_name)

    @property
    def viewing(self) -> Viewing:
        """The view as the user chooses it."""
        fits = {part.view.fit for part in self.parts or (self,)}
        return "both" if len(fits) > 1 else fits.pop()  # type: ignore[return-value]  # no part is a stack

    @property
    def key(self) -> str:
        """32 hex digits of SHA-256 over everything that changes the vector, and nothing else."""
        if self.parts:
            return hashlib.sha256(" ".join(["joined", *(part.key for part in self.parts)]).encode()).hexdigest()[:32]
        decisive = {name: value for name, value in asdict(self).items() if name not in _NOT_IN_KEY}
        del decisive["parts"], decisive["view"]["parts"]
        if self.view.fit != "crop":
            del decisive["view"]["fraction"]
        if self.layers == "last":
            del decisive["layers"]  # the first stores were written before there was a choice
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def feed(self) -> Feed:
        """The input range, and how it is known."""
        return Feed(self.mean, self.scale, self.channels, self.range_from)

    @property
    def doubt(self) -> str:
        """A warning about an input range that is only assumed; empty if it is known."""
        if self.parts:
            return "\n".join(filter(None, (card.doubt for card in self.models)))
        if self.range_from != "assumed":
            return ""
        return (
            f"The input range of {self.handle} is not known; {self.feed.name} is assumed, which is usual for its kind. "
            "A wrong range lowers accuracy without any error. To find out: headstart backbones probe "
            f"{shlex.quote(self.handle)} PHOTOS. If you know it: --input-range RANGE."
        )

    def about(self) -> dict[str, Any]:
        """The `card` of all documents, see docs/json.md: what people want to know of a backbone."""
        return {
            "dim": self.dim,
            "input": [self.view.height, self.view.width],
            "input_range": self.input_range,
            "input_range_from": self.range_from,
            "feature": self.output,
            "layers": self.layers,
            "compute_precision": self.precision,
            "licence": self.licence,
            "view": self.viewing,
            "joined": [{"backbone": part.handle, "card": part.about()} for part in self.parts],
        }

    @property
    def input_range(self) -> str:
        """Name of the input range; of joined models, of each."""
        return " + ".join(dict.fromkeys(card.feed.name for card in self.models))

    def with_fit(self, fit: AnyFit) -> Card:
        """The same card with another way to fit photos to the input size; `crop` takes the card's own fraction."""
        if fit not in get_args(Fit):
            raise BackboneError(f"There is no view '{fit}'.\nExpected {', '.join(get_args(Fit))}.")
        fraction = self.crop if fit == "crop" else 1.0
        return replace(self, view=replace(self.view, fit=fit, fraction=fraction))

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; `Card.from_json` reads it back."""
        if self.parts:
            return {"parts": [part.to_json() for part in self.parts]}
        fields = {**asdict(self), "view": self.view.to_json()}
        del fields["parts"]
        return json.loads(json.dumps(fields))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, fields: Any) -> Card:
        """Read the dictionary that `to_json` writes; it may come from a stranger.

        Raises:
            BackboneError: a field is missing or unknown, or has a wrong type or value.
        """
        try:
            if isinstance(fields, dict) and set(fields) == {"parts"}:
                return cls.joined(
                    [cls.from_json(part) for part in untrusted.many(_part, 2, MOST_PARTS)(fields["parts"])]
                )
            return cls(**untrusted.fields(fields, _FIELDS))
        except (TypeError, ValueError) as error:
            raise BackboneError(f"The card cannot be read: {error}.\nExpected the fields of a Card.") from error


def _joined_handle(parts: Sequence[Card], shown: Callable[[str], str] = str) -> str:
    """Such as `A + B`; a model with several views has them behind its handle: `A (squash + crop)`."""
    handles = dict.fromkeys(part.handle for part in parts)
    fits = {handle: dict.fromkeys(part.view.fit for part in parts if part.handle == handle) for handle in handles}
    return " + ".join(
        f"{shown(handle)} ({' + '.join(own)})" if len(own) > 1 else shown(handle) for handle, own in fits.items()
    )


#: A part of an address this short, such as the `b0` of `efficientnet/b0`, means little by itself.
_SHORT = 3


def short_name(handle: str) -> str:
    """The last meaningful part of a handle, fit for a file name: versions and generic words are skipped."""
    parts = [part for part in re.split(r"[/:\\]", handle) if part]
    words = [p for p in parts if not re.fullmatch(r"\d+|feature[-_]vector|classification|saved_model\.\w+", p)]
    last = (words or parts or ["network"])[-1]
    if "://" in handle and len(last) <= _SHORT and len(words) > 1:
        last = f"{words[-2]}-{last}"
    plain = Path(last).stem if Path(last).suffix in (".pb", *EXTENSIONS) else last
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.")[:60] or "network"
