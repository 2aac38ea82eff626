"""A feed: the input range and colour order that a model expects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from headstart.errors import BackboneError
from headstart.safety import untrusted

Channels = Literal["RGB", "BGR"]
#: How the input range is known. `assumed` is a guess; the others are not.
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


def _divisor(value: Any) -> float:
    number = untrusted.number(-1e9, 1e9)(value)
    if abs(number) < 1e-9:
        raise ValueError(f"{number} is too small to divide by")
    return number


#: Checks of the fields of a feed that is read from a file.
FIELDS: dict[str, untrusted.Check[Any]] = {
    "mean": untrusted.many(untrusted.number(-1e9, 1e9), 3, 3),
    "scale": untrusted.many(_divisor, 3, 3),
    "channels": untrusted.one_of(*get_args(Channels)),
}


@dataclass(frozen=True)
class Feed:
    """How pixels enter a model: each channel as `(x - mean) / scale`.

    Attributes:
        mean, scale: in units of `0..255`, for red, green, blue in this order whatever `channels` is.
        channels: the colour order that the model expects.
        origin: how this is known.
    """

    mean: Triple
    scale: Triple
    channels: Channels = "RGB"
    origin: Origin = "assumed"

    @property
    def name(self) -> str:
        """Such as `-1..1`, `imagenet, BGR`, or the numbers themselves."""
        numbers = f"(x - {_short(self.mean)}) / {_short(self.scale)}"
        text = next((name for name, pair in RANGES.items() if pair == (self.mean, self.scale)), numbers)
        return text if self.channels == "RGB" else f"{text}, BGR"


def feed_of(text: str, origin: Origin = "given") -> Feed:
    """Parse an input range such as `-1..1`, `[-1, 1]` or `imagenet,BGR`.

    Raises:
        BackboneError: there is no such range.
    """
    name, comma, order = text.strip().lower().rpartition(",")
    if not (comma and order.strip() in ("rgb", "bgr")):
        name, order = text.strip().lower(), "rgb"
    plain = re.sub(r"\s*(,|\.\.|to)\s*", "..", name.strip("[]() "))
    if plain not in RANGES:
        raise BackboneError(
            f"There is no input range '{text}'.\nExpected {', '.join(RANGES)}; add ',BGR' if blue comes first."
        )
    return Feed(*RANGES[plain], channels="BGR" if order.strip() == "bgr" else "RGB", origin=origin)


def _short(numbers: Triple) -> str:
    return "/".join(f"{x:g}" for x in (numbers if len(set(numbers)) > 1 else numbers[:1]))
