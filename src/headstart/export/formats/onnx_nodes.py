"""ONNX's messages: nodes, tensors, inputs and outputs.

Field numbers and types: onnx/onnx.proto of https://github.com/onnx/onnx.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from headstart.export.graph.steps import Shape
from headstart.export.wire import data, real, varint, whole, wholes

TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "float16": 10, "float64": 11
}  # fmt: skip


class Nodes:
    """Nodes and constants of a graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def node(self, kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add an operation; returns its first output. A missing optional input is an empty name."""
        parts = [data(1, one) for one in inputs] + [data(2, one) for one in outputs]
        parts += [data(3, outputs[0]), data(4, kind)]
        parts += [data(5, _attribute(name, content)) for name, content in attributes.items()]
        self._nodes.append(b"".join(parts))
        return outputs[0]

    def tensor(self, name: str, array: npt.NDArray[Any]) -> str:
        """Add a constant (a TensorProto); returns its name."""
        kind = whole(2, TYPES[array.dtype.name])  # a scalar has no sizes: `np.ascontiguousarray` would give it one
        self._tensors.append(wholes(1, array.shape) + kind + data(8, name) + data(9, array.tobytes()))
        return name

    def encoded(self, given: bytes, answer: bytes) -> bytes:
        """The GraphProto; `given` and `answer` are made by `described`."""
        parts = [data(1, node) for node in self._nodes] + [data(2, "headstart")]
        parts += [data(5, tensor) for tensor in self._tensors]
        return b"".join([*parts, data(11, given), data(12, answer)])


def described(name: str, dtype: str, shape: Shape | tuple[int | str, ...]) -> bytes:
    """A ValueInfoProto; sizes that are not fixed have a name instead, None the name `batch`."""
    names = ["batch" if size is None else size for size in shape]
    sizes = b"".join(data(1, data(2, size) if isinstance(size, str) else whole(1, size)) for size in names)
    return data(1, name) + data(2, data(1, whole(1, TYPES[dtype]) + data(2, sizes)))


def _attribute(name: str, content: Any) -> bytes:
    """An AttributeProto: a number, a word, or several whole numbers."""
    match content:
        case int():
            return data(1, name) + whole(3, content) + whole(20, 2)
        case float():
            return data(1, name) + real(2, content) + whole(20, 1)
        case str():
            return data(1, name) + data(4, content) + whole(20, 3)
    return data(1, name) + b"".join(varint(8 << 3) + varint(int(one)) for one in content) + whole(20, 7)


__all__ = ["TYPES", "Nodes", "described"]
