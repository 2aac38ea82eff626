"""Operators of TensorFlow that compute a program: what a SavedModel and a TensorFlow.js model consist of.

Operators and attributes: https://www.tensorflow.org/api_docs/python/tf/raw_ops. Only operators are used that
TensorFlow.js has, too, and only attributes that both understand alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    Shape,
    Slice,
    Softmax,
    Step,
    TopK,
    Transpose,
    Unary,
    Value,
)


@dataclass(frozen=True)
class Sizes:
    """A shape as an attribute; None is the batch."""

    sizes: Shape


#: An attribute's kind in TensorFlow follows from its type: a NumPy type is a `type`, a tuple a `list(int)`, an array a
#: `tensor`, `Sizes` a `shape`.
Attribute = bool | int | str | tuple[int, ...] | np.dtype[Any] | npt.NDArray[Any] | Sizes


@dataclass(frozen=True, eq=False)
class Node:
    """An operator (a NodeDef).

    Attributes:
        name: unique; letters, digits and `_`. The picture is called `image`, the result `probabilities`.
        op: such as `Conv2D`. `Placeholder` is the picture; `Const` has the attribute `value`, an array.
        inputs: names of the nodes that it takes; `name:2` is the third output of a `Split`.
        attributes: by their names in TensorFlow.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Attribute]


FLOAT = np.dtype(np.float32)
_WHOLE = np.dtype(np.int32)
_UNARY = {
    "abs": "Abs", "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "neg": "Neg", "relu": "Relu",
    "round": "Round", "sigmoid": "Sigmoid", "sqrt": "Sqrt", "tanh": "Tanh",
}  # fmt: skip
_BINARY = {
    "add": "AddV2", "sub": "Sub", "mul": "Mul", "div": "RealDiv", "max": "Maximum", "min": "Minimum", "pow": "Pow",
}  # fmt: skip


def nodes(program: Program) -> list[Node]:
    """The operators of a program with channels last, each after those that it takes.

    A constant that is not float32 is a `Const` of its own type, called `..._small`, and a `Cast`.
    """
    graph = _Graph(program.picture.name, program.result.name)
    graph.add(INPUT, "Placeholder", [], dtype=np.dtype(np.uint8), shape=Sizes(program.picture.shape))
    for step in program.steps:
        graph.step(step)
    return graph.nodes


class _Graph:
    """Nodes in the making.

    Args:
        picture, result: names of these values in the program.
    """

    def __init__(self, picture: str, result: str) -> None:
        self.nodes: list[Node] = []
        self._known: set[str] = set()
        self._names = {picture: INPUT, result: OUTPUT}

    def add(self, name: str, op: str, inputs: list[str], **attributes: Attribute) -> str:
        self.nodes.append(Node(name, op, tuple(inputs), attributes))
        return name

    def _float(self, name: str, op: str, inputs: list[str], **attributes: Attribute) -> str:
        """A node whose numbers are float32."""
        return self.add(name, op, inputs, T=FLOAT, **attributes)

    def _constant(self, name: str, array: npt.NDArray[Any]) -> str:
        if name not in self._known:
            self._known.add(name)
            small = array.dtype in (np.float16, np.int8, np.int16)
            stored = f"{name}_small" if small else name
            self.add(stored, "Const", [], dtype=array.dtype, value=array)
            if small:
                self._cast(stored, name, array.dtype)
        return name

    def _cast(self, x: str, out: str, source: np.dtype[Any]) -> None:
        self.add(out, "Cast", [x], SrcT=source, DstT=FLOAT, Truncate=False)

    def _real(self, step: Step, what: str, number: float) -> str:
        return self._constant(f"{self._name(step.output)}_{what}", np.array(number, np.float32))

    def _wholes(self, step: Step, what: str, numbers: int | Iterable[int]) -> str:
        """An input of whole numbers, such as a shape."""
        array = np.array(numbers if isinstance(numbers, int) else list(numbers), _WHOLE)
        return self._constant(f"{self._name(step.output)}_{what}", array)

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return self._names.get(operand.name, operand.name)
        return self._constant(operand.name, operand.array)

    def step(self, step: Step) -> None:
        """Add what computes a step."""
        out = self._name(step.output)
        if isinstance(step, Convolution):  # its weights are given in another order
            self._convolution(step, self._name(step.x), out)
            return
        inputs = [self._name(one) for one in step.operands]
        match step:
            case Cast():
                self._cast(inputs[0], out, np.dtype(np.uint8))
            case Unary(kind="gelu" | "gelu_tanh"):
                self._gelu(step, inputs[0], out)
            case Unary():
                self._float(out, _UNARY[step.kind], inputs)
            case Clamp(low=0.0, high=6.0):
                self._float(out, "Relu6", inputs)
            case Clamp():
                limits = [self._real(step, "low", step.low), self._real(step, "high", step.high)]
                self._float(out, "ClipByValue", [*inputs, *limits])
            case Binary(kind="at_least"):
                self._float(f"{out}_true", "GreaterEqual", inputs)
                self._cast(f"{out}_true", out, np.dtype(np.bool_))
            case Binary():
                self._float(out, _BINARY[step.kind], inputs)
            case Pool():
                self._pool(step, inputs[0], out)
            case Pad():
                self._pad(step, inputs[0], out, step.before, step.after, step.number)
            case MatMul():
                self._matmul(step, inputs, out)
            case Reduce():
                axes = self._wholes(step, "axes", step.axes)
                self._float(out, step.kind.title(), [*inputs, axes], keep_dims=step.keep, Tidx=_WHOLE)
            case Softmax():
                self._softmax(step, inputs[0], out)
            case Reshape():
                self._float(out, "Reshape", [*inputs, self._wholes(step, "shape", step.output.free)], Tshape=_WHOLE)
            case Transpose():
                self._transpose(step, inputs[0], out, step.axes, "order")
            case Concat():
                axis = self._wholes(step, "axis", step.axis)
                self._float(out, "ConcatV2", [*inputs, axis], N=len(inputs), Tidx=_WHOLE)
            case Slice():
                whole = range(step.x.rank)
                begin = self._wholes(step, "begin", [step.start if axis == step.axis else 0 for axis in whole])
                size = [step.stop - step.start if axis == step.axis else -1 for axis in whole]
                self._float(out, "Slice", [*inputs, begin, self._wholes(step, "size", size)], Index=_WHOLE)
            case TopK():
                self._float(out, "TopKV2", [*inputs, self._wholes(step, "k", step.k)], sorted=True)
            case _:
                raise TypeError(f"no operator for {type(step).__name__}")

    def _convolution(self, step: Convolution, x: str, out: str) -> None:
        """The convolution and its bias.

        TensorFlow's operator for single channels takes neither dilations nor two different strides, and TensorFlow.js
        takes no dilations with strides: dilations become zeros between the weights.
        """
        strides, dilations, weights, array = step.strides, step.dilations, step.weights.name, step.weights.array
        single = step.depthwise and strides[0] == strides[1]
        if max(dilations) > 1 and (single or max(strides) > 1):
            weights, array, dilations = f"{weights}_wide", widened(array, dilations), (1, 1)
        x, padding = self._bordered(step, x, out)
        raw = f"{out}_raw" if step.bias is not None else out
        attributes: dict[str, Attribute] = {
            "padding": padding, "strides": (1, *strides, 1), "dilations": (1, *dilations, 1), "data_format": "NHWC",
        }  # fmt: skip
        if single:
            array = array.reshape(step.groups, -1, *array.shape[2:]).transpose(2, 3, 0, 1)
            self._float(raw, "DepthwiseConv2dNative", [x, self._constant(f"{weights}_single", array)], **attributes)
        elif step.groups == 1:
            kernel = self._constant(f"{weights}_last", array.transpose(2, 3, 1, 0))
            self._float(raw, "Conv2D", [x, kernel], **attributes)
        else:
            kernels = np.split(array.transpose(2, 3, 1, 0), step.groups, axis=3)
            names = [self._constant(f"{weights}_group{i}", kernel) for i, kernel in enumerate(kernels)]
            self._groups(step, x, raw, names, attributes)
        if step.bias is not None:
            self._float(out, "BiasAdd", [raw, self._name(step.bias)], data_format="NHWC")

    def _groups(
        self, step: Convolution, x: str, out: str, kernels: list[str], attributes: dict[str, Attribute]
    ) -> None:
        """One convolution for each group: TensorFlow.js has no other way."""
        axis = self._wholes(step, "axis", 3)
        split = self._float(f"{out}_split", "Split", [axis, x], num_split=step.groups)
        found = [
            self._float(f"{out}_group{i}", "Conv2D", [f"{split}:{i}", kernel], **attributes)
            for i, kernel in enumerate(kernels)
        ]
        self._float(out, "ConcatV2", [*found, axis], N=step.groups, Tidx=_WHOLE)

    def _pool(self, step: Pool, x: str, out: str) -> None:
        x, padding = self._bordered(step, x, out)
        op = "MaxPool" if step.kind == "max" else "AvgPool"
        sizes: dict[str, Attribute] = {"ksize": (1, *step.kernel, 1), "strides": (1, *step.strides, 1)}
        self._float(out, op, [x], padding=padding, data_format="NHWC", **sizes)

    def _bordered(self, step: Convolution | Pool, x: str, out: str) -> tuple[str, str]:
        """The value with its border, and the word for the padding that is left to the operator."""
        if not any((*step.before, *step.after)):
            return x, "VALID"
        if is_same(step):
            return x, "SAME"
        number = -np.inf if isinstance(step, Pool) else 0.0
        return self._pad(step, x, f"{out}_padded", (0, *step.before, 0), (0, *step.after, 0), number), "VALID"

    def _pad(self, step: Step, x: str, out: str, before: tuple[int, ...], after: tuple[int, ...], number: float) -> str:
        sizes = np.array([before, after], _WHOLE).T
        border = [self._constant(f"{out}_borders", sizes), self._real(step, "number", number)]
        return self._float(out, "PadV2", [x, *border], Tpaddings=_WHOLE)

    def _matmul(self, step: MatMul, inputs: list[str], out: str) -> None:
        if step.a.rank == step.b.rank == 2:
            self._float(out, "MatMul", inputs, transpose_a=False, transpose_b=step.turn_b)
        else:
            self._float(out, "BatchMatMulV2", inputs, adj_x=False, adj_y=step.turn_b)

    def _transpose(self, step: Step, x: str, out: str, axes: Iterable[int], what: str) -> str:
        return self._float(out, "Transpose", [x, self._wholes(step, what, axes)], Tperm=_WHOLE)

    def _softmax(self, step: Softmax, x: str, out: str) -> None:
        """TensorFlow's is over the last axis."""
        last = step.x.rank - 1
        if step.axis == last:
            self._float(out, "Softmax", [x])
            return
        order = list(range(step.x.rank))
        order[step.axis], order[last] = last, step.axis  # the same order leads back
        turned = self._transpose(step, x, f"{out}_turned", order, "order")
        self._float(f"{out}_last", "Softmax", [turned])
        self._transpose(step, f"{out}_last", out, order, "order")

    def _gelu(self, step: Unary, x: str, out: str) -> None:
        """`x / 2 * (1 + erf(x / sqrt 2))`, or with `tanh(sqrt(2 / pi) * (x + 0.044715 x^3))` (Hendrycks 2016)."""
        one, half = self._real(step, "one", 1.0), self._real(step, "half", 0.5)
        if step.kind == "gelu":
            self._float(f"{out}_a", "Mul", [x, self._real(step, "root", 2**-0.5)])
            self._float(f"{out}_b", "Erf", [f"{out}_a"])
        else:
            self._float(f"{out}_c", "Mul", [x, x])
            self._float(f"{out}_d", "Mul", [f"{out}_c", self._real(step, "cubic", 0.044715)])
            self._float(f"{out}_e", "AddV2", [f"{out}_d", one])
            self._float(f"{out}_f", "Mul", [x, f"{out}_e"])
            self._float(f"{out}_a", "Mul", [f"{out}_f", self._real(step, "scale", (2 / np.pi) ** 0.5)])
            self._float(f"{out}_b", "Tanh", [f"{out}_a"])
        self._float(f"{out}_g", "AddV2", [f"{out}_b", one])
        self._float(f"{out}_h", "Mul", [f"{out}_g", half])
        self._float(out, "Mul", [x, f"{out}_h"])


def is_same(step: Convolution | Pool) -> bool:
    """Whether TensorFlow's padding `SAME` makes the borders of a step with channels last.

    It adds as much as makes `size / stride` windows, rounded up: half of it before, or one less.
    """
    dilations = step.dilations if isinstance(step, Convolution) else (1, 1)
    for axis, borders in enumerate(zip(step.before, step.after, strict=True)):
        size, stride = int(step.x.shape[1 + axis] or 0), step.strides[axis]
        reach = (step.kernel[axis] - 1) * dilations[axis] + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        if borders != (total // 2, total - total // 2):
            return False
    return True


def widened(weights: npt.NDArray[Any], dilations: tuple[int, int]) -> npt.NDArray[Any]:
    """Weights `(out, in, height, width)` with zeros between them, as many as dilations leave out."""
    *channels, height, width = weights.shape
    high, wide = dilations
    found = np.zeros((*channels, (height - 1) * high + 1, (width - 1) * wide + 1), weights.dtype)
    found[:, :, ::high, ::wide] = weights
    return found
