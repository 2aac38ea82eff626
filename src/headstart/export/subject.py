"""`Subject`: what is exported, in the forms that writers need."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headstart.backbones.card import Card
from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.classifier.classifier import Classifier
from headstart.classifier.exporting import Precision
from headstart.export.graph.joined import features, joined
from headstart.export.graph.layout import channels_last
from headstart.export.graph.simpler import expanded, narrowed, shared
from headstart.export.graph.steps import Program
from headstart.export.graph.translate import translate

__all__ = ["Precision", "Subject"]


@dataclass(frozen=True)
class Subject:
    """A classifier to be written, and how.

    Attributes:
        classifier: what is exported.
        precision: of the weights: `float16` halves the file; sums are float32 all the same.
        with_resize: whether photos of any size are taken, and resized inside the file.
        quantised: the backbone in int8, see `export.int8`; None: as it is.
    """

    classifier: Classifier
    precision: Precision = "float32"
    with_resize: bool = False
    quantised: Any = field(default=None, compare=False, repr=False)

    @property
    def card(self) -> Card:
        """Of the backbone."""
        return self.classifier.card

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.classifier.classes

    @property
    def was_quantised(self) -> bool:
        """Whether the model was quantised before it came to headstart."""
        return any(node.get_type_name() == "FakeQuantize" for node in self.graph().get_ops())

    @cached_property
    def raw(self) -> Program:
        """All steps in float32; rounding is one step (`Quantize`)."""
        program = translate(self.graph())
        return shared(program) if self.card.parts and not program.quantised else program

    @cached_property
    def first(self) -> Program:
        """Plain steps, channels first, weights in the precision asked for."""
        plain = expanded(self.raw)
        return narrowed(plain) if self.precision == "float16" else plain

    @cached_property
    def last(self) -> Program:
        """As `first`, channels last."""
        return channels_last(self.first)

    def graph(self) -> Any:
        """A new graph of the engine, see `graph.joined`."""
        return self._graph.clone()

    def compiled(self, **settings: str) -> Any:
        """The graph ready to run in float32: called with one picture, it returns its probabilities first.

        Args:
            settings: more of OpenVINO's properties.
        """
        hints = {"INFERENCE_PRECISION_HINT": "f32", **settings}
        return engine().Core().compile_model(self.graph(), "CPU", hints)

    @cached_property
    def _graph(self) -> Any:
        backbone = features(self.classifier) if self.quantised is None else self.quantised.clone()
        return joined(backbone, self.classifier.head)
