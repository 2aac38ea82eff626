"""What is known of a network before its graph is read: how bright and in what order it wants its pixels, its classes.

Hints come with the network (TensorFlow Hub's convention, metadata in the file, a probe) or from the user; a graph
alone does not tell. Where nothing is known the commonest range of that kind of file is taken, and that is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from headstart.errors import BackboneError

Channels = Literal["RGB", "BGR"]
Layers = Literal["last", "several"]
Kind = Literal["feature_vector", "classification"]
#: How the input range came to be known. `assumed` is a guess; the others are not.
Origin = Literal["hub", "metadata", "probe", "given", "network", "assumed"]

Triple = tuple[float, float, float]
#: Name -> (mean, scale): a pixel `0..255` enters as `(x - mean) / scale`. `imagenet`: mean and deviation of
#: ImageNet's training photos, 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 (torchvision), times 255.
RANGES: dict[str, tuple[Triple, Triple]] = {
    "0..1": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    "-1..1": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "0..255": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


@dataclass(frozen=True)
class Feed:
    """How pixels enter: `(x - mean) / scale` for each channel, in this order, and how that is known.

    Attributes:
        mean, scale: in units of `0..255`, red, green, blue whatever the order.
        channels: order that the network expects.
        origin: how it is known.
    """

    mean: Triple
    scale: Triple
    channels: Channels = "RGB"
    origin: Origin = "assumed"

    @property
    def name(self) -> str:
        """Such as `-1..1`, `imagenet, BGR`, or the numbers themselves."""
        names = [name for name, pair in RANGES.items() if pair == (self.mean, self.scale)]
        text = names[0] if names else f"(x - {_short(self.mean)}) / {_short(self.scale)}"
        return text if self.channels == "RGB" else f"{text}, BGR"


@dataclass(frozen=True)
class Hints:
    """What came with a network; None or empty: nothing did.

    Attributes:
        feed: the input range.
        size: (height, width), for graphs that take any.
        crop: share of the shorter side that its own evaluation keeps.
        labels: its class names in the order of its scores.
        kind: what its publisher says it is.
        licence: of the weights.
    """

    feed: Feed | None = None
    size: tuple[int, int] | None = None
    crop: float | None = None
    labels: tuple[str, ...] = ()
    kind: Kind | None = None
    licence: str = ""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Hints:
        """Read what JSON made of `dataclasses.asdict`."""

        def plain(value: Any) -> Any:
            return tuple(value) if isinstance(value, list) else value

        feed = fields["feed"] and Feed(**{name: plain(value) for name, value in fields["feed"].items()})
        return cls(**{**{name: plain(value) for name, value in fields.items()}, "feed": feed})


@dataclass(frozen=True)
class Options:
    """What the user says of a network.

    Attributes:
        input_range: a name of `RANGES`, with `,BGR` for blue first; empty: as the network's card has it.
        layers: `last`: the feature that enters the network's own classifier; `several`: up to four stages, pooled
            and joined.
    """

    input_range: str = ""
    layers: Layers = "last"

    def __post_init__(self) -> None:
        if self.layers not in get_args(Layers):
            raise BackboneError(
                f"There is no choice of layers '{self.layers}'.\nExpected {' or '.join(get_args(Layers))}."
            )
        if self.input_range:
            feed_of(self.input_range)

    @property
    def feed(self) -> Feed | None:
        """The range that the user gave."""
        return feed_of(self.input_range) if self.input_range else None


def feed_of(text: str, origin: Origin = "given") -> Feed:
    """Read an input range such as `-1..1`, `[-1, 1]` or `imagenet,BGR`.

    Raises:
        BackboneError: it names none.
    """
    name, comma, order = text.strip().lower().rpartition(",")
    if not (comma and order.strip() in ("rgb", "bgr")):
        name, order = text.strip().lower(), "rgb"
    plain = re.sub(r"\s*(,|\.\.|to)\s*", "..", name.strip("[]() "))
    if plain not in RANGES:
        raise BackboneError(
            f"There is no input range '{text}'.\nExpected {', '.join(RANGES)}, with ',BGR' behind it for blue first."
        )
    return Feed(*RANGES[plain], channels="BGR" if order.strip() == "bgr" else "RGB", origin=origin)


def _short(numbers: Triple) -> str:
    return "/".join(f"{x:g}" for x in (numbers if len(set(numbers)) > 1 else numbers[:1]))
