"""ONNX: opset 13, a free batch, class names in the metadata; opset 18 with the resizing inside.

Field numbers and operators: onnx/onnx.proto and docs/Operators.md of https://github.com/onnx/onnx.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from headstart.disk import atomic
from headstart.export.formats.onnx_nodes import TYPES, Nodes, described
from headstart.export.formats.onnx_resize import OPSET_RESIZE, resizing
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.graph.steps import (
    Binary,
    Cast,
    Clamp,
    Concat,
    Convolution,
    MatMul,
    Operand,
    Pad,
    Pool,
    Program,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Step,
    TopK,
    Transpose,
    Unary,
    Value,
)
from headstart.export.subject import Subject
from headstart.export.wire import data, whole
from headstart.photos.pixels import View

OPSET = 13
#: The oldest versions of the file format that have these operators.
_IR_VERSIONS = {OPSET: 7, OPSET_RESIZE: 8}
_UNARY = {
    "abs": "Abs", "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "neg": "Neg", "relu": "Relu",
    "round": "Round", "sigmoid": "Sigmoid", "sqrt": "Sqrt", "tanh": "Tanh",
}  # fmt: skip
_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow"}


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.onnx`."""
    view = subject.card.view if subject.with_resize else None
    atomic.write(target, encoded(subject.first, subject.classes, view))


def encoded(program: Program, classes: tuple[str, ...], view: View | None = None) -> bytes:
    """The file's bytes (a ModelProto).

    Args:
        program: channels first, plain steps.
        classes: names in the order of the probabilities.
        view: take one photo of any size, and fit it to this view; None: pictures of the network's size.
    """
    graph = _Graph(program, view)
    metadata = data(14, data(1, "classes") + data(2, json.dumps(classes, ensure_ascii=False)))
    opset = data(8, data(1, "") + whole(2, graph.opset))
    return whole(1, _IR_VERSIONS[graph.opset]) + data(2, "headstart") + data(7, graph.content()) + opset + metadata


class _Graph(Nodes):
    """A GraphProto in the making."""

    def __init__(self, program: Program, view: View | None) -> None:
        super().__init__()
        self._program, self._view = program, view
        self.opset = OPSET if view is None else OPSET_RESIZE
        self._known: set[str] = set()
        picture = INPUT if view is None else resizing(self, view)
        self._names = {program.picture.name: picture, program.result.name: OUTPUT}
        for step in program.steps:
            self._step(step)

    def content(self) -> bytes:
        """The GraphProto."""
        sizes = self._program.picture.shape if self._view is None else (1, "height", "width", 3)
        answer = self._program.result.shape if self._view is None else (1, *self._program.result.shape[1:])
        return self.encoded(described(INPUT, "uint8", sizes), described(OUTPUT, "float32", answer))

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return self._names.get(operand.name, operand.name)
        if operand.name not in self._known:
            self._known.add(operand.name)
            if operand.array.dtype != np.float32:
                small = self.tensor(f"{operand.name}_small", operand.array)
                self.node("Cast", [small], operand.name, to=TYPES["float32"])
            else:
                self.tensor(operand.name, operand.array)
        return operand.name

    def _wholes(self, step: Step, what: str, numbers: Iterable[int]) -> str:
        """An input of whole numbers, such as a shape."""
        return self.tensor(f"{step.output.name}_{what}", np.array(list(numbers), np.int64))

    def _real(self, step: Step, what: str, number: float) -> str:
        return self.tensor(f"{step.output.name}_{what}", np.array(number, np.float32))

    def _step(self, step: Step) -> None:
        """Add what computes a step; one without a counterpart becomes several operators."""
        out = self._name(step.output)
        inputs = [self._name(one) for one in step.operands]
        match step:
            case Cast():
                self.node("Cast", inputs, out, to=TYPES["float32"])
            case Unary(kind="gelu" | "gelu_tanh"):
                self._gelu(step, inputs[0], out)
            case Unary():
                self.node(_UNARY[step.kind], inputs, out)
            case Clamp():
                bounds = [("low", step.low), ("high", step.high)]
                limits = [self._real(step, name, bound) if np.isfinite(bound) else "" for name, bound in bounds]
                self.node("Clip", [*inputs, *limits], out)
            case Binary(kind="at_least"):
                self.node("GreaterOrEqual", inputs, f"{out}_true")
                self.node("Cast", [f"{out}_true"], out, to=TYPES["float32"])
            case Binary():
                self.node(_BINARY[step.kind], inputs, out)
            case Convolution():
                pads = [*step.before, *step.after]
                self.node(
                    "Conv", inputs, out, strides=step.strides, dilations=step.dilations, pads=pads, group=step.groups,
                    kernel_shape=step.kernel,
                )  # fmt: skip
            case Pool(kind="max"):
                pads = [*step.before, *step.after]
                self.node("MaxPool", inputs, out, kernel_shape=step.kernel, strides=step.strides, pads=pads)
            case Pool():
                self.node("AveragePool", inputs, out, kernel_shape=step.kernel, strides=step.strides)
            case Pad():
                sizes = self._wholes(step, "pads", [*step.before, *step.after])
                self.node("Pad", [*inputs, sizes, self._real(step, "number", step.number)], out)
            case MatMul():
                self._matmul(step, inputs, out)
            case Reduce() if step.kind == "sum" or self.opset >= OPSET_RESIZE:
                axes = self._wholes(step, "axes", step.axes)
                self.node(f"Reduce{step.kind.title()}", [*inputs, axes], out, keepdims=int(step.keep))
            case Reduce():
                self.node(f"Reduce{step.kind.title()}", inputs, out, axes=step.axes, keepdims=int(step.keep))
            case Softmax():
                self.node("Softmax", inputs, out, axis=step.axis)
            case Reshape():
                self.node("Reshape", [*inputs, self._wholes(step, "shape", step.output.free)], out)
            case Transpose():
                self.node("Transpose", inputs, out, perm=step.axes)
            case Concat():
                self.node("Concat", inputs, out, axis=step.axis)
            case Slice():
                ends = [("start", step.start), ("stop", step.stop), ("axis", step.axis)]
                self.node("Slice", inputs + [self._wholes(step, name, [end]) for name, end in ends], out)
            case TopK():
                self._top(step, inputs, out)
            case _:
                raise TypeError(f"no operator for {type(step).__name__}")

    def _matmul(self, step: MatMul, inputs: list[str], out: str) -> None:
        a, b = inputs
        if step.turn_b:
            order = [*range(step.b.rank - 2), step.b.rank - 1, step.b.rank - 2]
            self.node("Transpose", [b], f"{out}_turned", perm=order)
            b = f"{out}_turned"
        self.node("MatMul", [a, b], out)

    def _gelu(self, step: Unary, x: str, out: str) -> None:
        """`x / 2 * (1 + erf(x / sqrt 2))`, or with `tanh(sqrt(2 / pi) * (x + 0.044715 x^3))` (Hendrycks 2016)."""
        one, half = self._real(step, "one", 1.0), self._real(step, "half", 0.5)
        if step.kind == "gelu":
            self.node("Mul", [x, self._real(step, "root", 2**-0.5)], f"{out}_a")
            self.node("Erf", [f"{out}_a"], f"{out}_b")
        else:
            self.node("Mul", [x, x], f"{out}_c")
            self.node("Mul", [f"{out}_c", self._real(step, "cubic", 0.044715)], f"{out}_d")
            self.node("Add", [f"{out}_d", one], f"{out}_e")
            self.node("Mul", [x, f"{out}_e"], f"{out}_f")
            self.node("Mul", [f"{out}_f", self._real(step, "scale", (2 / np.pi) ** 0.5)], f"{out}_a")
            self.node("Tanh", [f"{out}_a"], f"{out}_b")
        self.node("Add", [f"{out}_b", one], f"{out}_g")
        self.node("Mul", [f"{out}_g", half], f"{out}_h")
        self.node("Mul", [x, f"{out}_h"], out)

    def _top(self, step: TopK, inputs: list[str], out: str) -> None:
        self.node("TopK", [*inputs, self._wholes(step, "k", [step.k])], out, f"{out}_positions")
