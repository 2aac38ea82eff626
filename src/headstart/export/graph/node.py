"""`Node`: an operation of OpenVINO's graph as the translation sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.export.graph.builder import Builder, UnwritableError
from headstart.export.graph.steps import Operand, Value

#: What an operation computes from: a value of the program, or an array that is known already.
Source = Value | npt.NDArray[Any]


@dataclass(frozen=True)
class Node:
    """An operation and its inputs.

    Attributes:
        op: OpenVINO's node.
        inputs: of it, in order.
    """

    op: Any
    inputs: list[Source]

    @property
    def kind(self) -> str:
        """Such as `Convolution`."""
        return str(self.op.get_type_name())

    @property
    def attributes(self) -> dict[str, Any]:
        """By OpenVINO's names."""
        return dict(self.op.get_attributes())

    @property
    def output_type(self) -> str:
        """Number type of the first output, such as `f32`."""
        return str(self.op.get_output_element_type(0).get_type_name())

    def shape(self, port: int = 0) -> tuple[int, ...]:
        """Of an output, for one picture."""
        return tuple(int(size) for size in self.op.get_output_shape(port))

    def value(self, index: int = 0) -> Value:
        """An input that depends on the picture.

        Raises:
            UnwritableError: it does not.
        """
        found = self.inputs[index]
        if not isinstance(found, Value):
            raise UnwritableError(self.kind, f"its input {index} is constant")
        return found

    def known(self, index: int) -> npt.NDArray[Any]:
        """An input that is known already.

        Raises:
            UnwritableError: it depends on the picture.
        """
        found = self.inputs[index]
        if isinstance(found, Value):
            raise UnwritableError(self.kind, f"its input {index} depends on the picture")
        return found

    def axes(self, index: int, rank: int) -> list[int]:
        """An input that holds axes, counted from the front."""
        return [int(axis) % rank for axis in np.atleast_1d(self.known(index))]

    def operand(self, builder: Builder, index: int) -> Operand:
        """An input as an operand of a step."""
        found = self.inputs[index]
        return found if isinstance(found, Value) else builder.constant(found)

    def computed(self) -> list[Source]:
        """The outputs of an operation whose inputs are all known, by OpenVINO itself.

        Raises:
            UnwritableError: OpenVINO cannot.
        """
        ov = engine()
        given = [ov.Tensor(np.array(one, order="C")) for one in self.inputs]
        outputs = [ov.Tensor(port.get_element_type(), port.get_shape()) for port in self.op.outputs()]
        if not self.op.evaluate(outputs, given):
            raise UnwritableError(self.kind, "of constants")
        return [np.array(tensor.data) for tensor in outputs]
