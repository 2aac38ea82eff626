"""What is known of a model before its graph is read: input range, input size, class names.

Hints come with the model (TensorFlow Hub's convention, metadata in the file, a probe) or from the user; the graph
alone does not contain them. Where nothing is known, the usual range for that kind of file is assumed, with a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from headstart.backbones.ranges.feeds import Feed, feed_of
from headstart.errors import BackboneError

#: The backbone that is used where none is named; it comes with headstart.
DEFAULT = "builtin:efficientnet-lite0"
Layers = Literal["last", "several"]
#: How photos are fitted to a model's input; `both`: in two views, `squash` and `crop`, whose features are joined.
Viewing = Literal["squash", "crop", "pad", "both"]
ModelKind = Literal["feature_vector", "classification"]


@dataclass(frozen=True)
class Hints:
    """What came with a model; None or empty: nothing did.

    Attributes:
        feed: the input range.
        size: (height, width), for graphs that take any size.
        crop: fraction of the shorter side that the model's own evaluation keeps.
        labels: its class names in the order of its scores.
        kind: what its publisher calls it.
        licence: of the weights.
    """

    feed: Feed | None = None
    size: tuple[int, int] | None = None
    crop: float | None = None
    labels: tuple[str, ...] = ()
    kind: ModelKind | None = None
    licence: str = ""

    def completed_by(self, publisher: Hints) -> Hints:
        """These hints, completed by the publisher's; only the publisher's `kind` comes before the own one."""
        return Hints(
            feed=self.feed or publisher.feed,
            size=self.size or publisher.size,
            crop=self.crop if self.crop is not None else publisher.crop,
            labels=self.labels or publisher.labels,
            kind=publisher.kind or self.kind,
            licence=self.licence or publisher.licence,
        )

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Hints:
        """Read what JSON made of `dataclasses.asdict`."""

        def plain(values: dict[str, Any]) -> dict[str, Any]:
            return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

        feed = fields["feed"] and Feed(**plain(fields["feed"]))
        return cls(**{**plain(fields), "feed": feed})


@dataclass(frozen=True)
class Options:
    """What the user specifies about a model.

    Attributes:
        input_range: a name of `RANGES`, followed by `,BGR` if blue comes first; empty: as the card has it.
        layers: `last`: the feature that enters the model's own classifier; `several`: up to four stages, pooled
            and joined.
    """

    input_range: str = ""
    layers: Layers = "last"

    def __post_init__(self) -> None:
        if self.layers not in get_args(Layers):
            raise BackboneError(
                f"There is no choice of layers '{self.layers}'.\nExpected {' or '.join(get_args(Layers))}."
            )
        _ = self.feed  # an unknown range is refused at once

    @property
    def feed(self) -> Feed | None:
        """The range that the user gave; None: none."""
        return feed_of(self.input_range) if self.input_range else None
