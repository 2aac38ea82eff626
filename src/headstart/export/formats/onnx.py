"""ONNX: opset 13, a free batch, class names in the metadata.

Field numbers and operators: onnx/onnx.proto and docs/Operators.md of https://github.com/onnx/onnx.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.disk import atomic
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.graph.steps import (
    Binary,
    Cast,
    Clamp,
    Concat,
    Constant,
    Convolution,
    MatMul,
    Operand,
    Pad,
    Pool,
    Program,
    Reduce,
    Reshape,
    Shape,
    Slice,
    Softmax,
    Step,
    TopK,
    Transpose,
    Unary,
    Value,
)
from headstart.export.subject import Subject
from headstart.export.wire import data, real, varint, whole, wholes

OPSET = 13
#: The oldest version of the file format that has opset 13.
_IR_VERSION = 7
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int64": 7, "float16": 10}
_UNARY = {
    "abs": "Abs", "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "neg": "Neg", "relu": "Relu",
    "round": "Round", "sigmoid": "Sigmoid", "sqrt": "Sqrt", "tanh": "Tanh",
}  # fmt: skip
_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow"}


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.onnx`."""
    atomic.write(target, encoded(subject.first, subject.classes))


def encoded(program: Program, classes: tuple[str, ...]) -> bytes:
    """The file's bytes (a ModelProto)."""
    graph = _Graph(program)
    metadata = data(14, data(1, "classes") + data(2, json.dumps(classes, ensure_ascii=False)))
    opset = data(8, data(1, "") + whole(2, OPSET))
    return whole(1, _IR_VERSION) + data(2, "headstart") + data(7, graph.encoded()) + opset + metadata


class _Graph:
    """A GraphProto in the making."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._known: set[str] = set()
        self._names = {program.picture.name: INPUT, program.result.name: OUTPUT}
        for step in program.steps:
            self._step(step)

    def encoded(self) -> bytes:
        picture, result = self._program.picture, self._program.result
        parts = [data(1, node) for node in self._nodes] + [data(2, "headstart")]
        parts += [data(5, tensor) for tensor in self._tensors]
        parts += [data(11, _described(INPUT, "uint8", picture.shape))]
        parts += [data(12, _described(OUTPUT, "float32", result.shape))]
        return b"".join(parts)

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return self._names.get(operand.name, operand.name)
        if operand.name not in self._known:
            self._known.add(operand.name)
            if operand.array.dtype != np.float32:
                self._tensors.append(_tensor(f"{operand.name}_small", operand.array))
                self._node("Cast", [f"{operand.name}_small"], operand.name, to=_TYPES["float32"])
            else:
                self._tensors.append(_tensor(operand.name, operand.array))
        return operand.name

    def _wholes(self, step: Step, what: str, numbers: Iterable[int]) -> str:
        """An input of whole numbers, such as a shape."""
        name = f"{step.output.name}_{what}"
        self._tensors.append(_tensor(name, np.array(list(numbers), np.int64)))
        return name

    def _real(self, step: Step, what: str, number: float) -> str:
        name = f"{step.output.name}_{what}"
        self._tensors.append(_tensor(name, np.array(number, np.float32)))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        parts = [data(1, one) for one in inputs] + [data(2, output), data(3, output), data(4, kind)]
        parts += [data(5, _attribute(name, content)) for name, content in attributes.items()]
        self._nodes.append(b"".join(parts))

    def _step(self, step: Step) -> None:
        """Add what computes a step; one without a counterpart becomes several operators."""
        out = self._name(step.output)
        inputs = [self._name(one) for one in step.operands]
        match step:
            case Cast():
                self._node("Cast", inputs, out, to=_TYPES["float32"])
            case Unary(kind="gelu" | "gelu_tanh"):
                self._gelu(step, inputs[0], out)
            case Unary():
                self._node(_UNARY[step.kind], inputs, out)
            case Clamp():
                bounds = [("low", step.low), ("high", step.high)]
                limits = [self._real(step, name, bound) if np.isfinite(bound) else "" for name, bound in bounds]
                self._node("Clip", [*inputs, *limits], out)
            case Binary(kind="at_least"):
                self._node("GreaterOrEqual", inputs, f"{out}_true")
                self._node("Cast", [f"{out}_true"], out, to=_TYPES["float32"])
            case Binary():
                self._node(_BINARY[step.kind], inputs, out)
            case Convolution():
                pads = [*step.before, *step.after]
                self._node(
                    "Conv", inputs, out, strides=step.strides, dilations=step.dilations, pads=pads, group=step.groups,
                    kernel_shape=step.kernel,
                )  # fmt: skip
            case Pool(kind="max"):
                pads = [*step.before, *step.after]
                self._node("MaxPool", inputs, out, kernel_shape=step.kernel, strides=step.strides, pads=pads)
            case Pool():
                self._node("AveragePool", inputs, out, kernel_shape=step.kernel, strides=step.strides)
            case Pad():
                sizes = self._wholes(step, "pads", [*step.before, *step.after])
                self._node("Pad", [*inputs, sizes, self._real(step, "number", step.number)], out)
            case MatMul():
                self._matmul(step, inputs, out)
            case Reduce(kind="sum"):
                self._node("ReduceSum", [*inputs, self._wholes(step, "axes", step.axes)], out, keepdims=int(step.keep))
            case Reduce():
                self._node(f"Reduce{step.kind.title()}", inputs, out, axes=step.axes, keepdims=int(step.keep))
            case Softmax():
                self._node("Softmax", inputs, out, axis=step.axis)
            case Reshape():
                self._node("Reshape", [*inputs, self._wholes(step, "shape", step.output.free)], out)
            case Transpose():
                self._node("Transpose", inputs, out, perm=step.axes)
            case Concat():
                self._node("Concat", inputs, out, axis=step.axis)
            case Slice():
                ends = [("start", step.start), ("stop", step.stop), ("axis", step.axis)]
                self._node("Slice", inputs + [self._wholes(step, name, [end]) for name, end in ends], out)
            case TopK():
                self._top(step, inputs, out)
            case _:
                raise TypeError(f"no operator for {type(step).__name__}")

    def _matmul(self, step: MatMul, inputs: list[str], out: str) -> None:
        a, b = inputs
        if step.turn_b:
            order = [*range(step.b.rank - 2), step.b.rank - 1, step.b.rank - 2]
            self._node("Transpose", [b], f"{out}_turned", perm=order)
            b = f"{out}_turned"
        self._node("MatMul", [a, b], out)

    def _gelu(self, step: Unary, x: str, out: str) -> None:
        """`x / 2 * (1 + erf(x / sqrt 2))`, or with `tanh(sqrt(2 / pi) * (x + 0.044715 x^3))` (Hendrycks 2016)."""
        one, half = self._real(step, "one", 1.0), self._real(step, "half", 0.5)
        if step.kind == "gelu":
            self._node("Mul", [x, self._real(step, "root", 2**-0.5)], f"{out}_a")
            self._node("Erf", [f"{out}_a"], f"{out}_b")
        else:
            self._node("Mul", [x, x], f"{out}_c")
            self._node("Mul", [f"{out}_c", self._real(step, "cubic", 0.044715)], f"{out}_d")
            self._node("Add", [f"{out}_d", one], f"{out}_e")
            self._node("Mul", [x, f"{out}_e"], f"{out}_f")
            self._node("Mul", [f"{out}_f", self._real(step, "scale", (2 / np.pi) ** 0.5)], f"{out}_a")
            self._node("Tanh", [f"{out}_a"], f"{out}_b")
        self._node("Add", [f"{out}_b", one], f"{out}_g")
        self._node("Mul", [f"{out}_g", half], f"{out}_h")
        self._node("Mul", [x, f"{out}_h"], out)

    def _top(self, step: TopK, inputs: list[str], out: str) -> None:
        node = [data(1, one) for one in [*inputs, self._wholes(step, "k", [step.k])]]
        node += [data(2, out), data(2, f"{out}_positions"), data(3, out), data(4, "TopK")]
        self._nodes.append(b"".join(node))


def _described(name: str, dtype: str, shape: Shape) -> bytes:
    """A ValueInfoProto; the batch has a name instead of a size."""
    sizes = b"".join(data(1, data(2, "batch") if size is None else whole(1, size)) for size in shape)
    return data(1, name) + data(2, data(1, whole(1, _TYPES[dtype]) + data(2, sizes)))


def _tensor(name: str, array: npt.NDArray[Any]) -> bytes:
    """A TensorProto. A scalar has no sizes: `np.ascontiguousarray` would give it one."""
    kind = whole(2, _TYPES[array.dtype.name])
    return wholes(1, array.shape) + kind + data(8, name) + data(9, array.tobytes())


def _attribute(name: str, content: Any) -> bytes:
    """An AttributeProto: a whole number, or several."""
    if isinstance(content, int):
        return data(1, name) + whole(3, content) + whole(20, 2)
    return data(1, name) + b"".join(varint(8 << 3) + varint(int(one)) for one in content) + whole(20, 7)


__all__ = ["Constant", "encoded", "real", "write"]
