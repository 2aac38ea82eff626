"""Plain steps: what a classifier computes from a picture, as a list of a few kinds of operations with NumPy constants.

The engine's graph is translated to steps once (`translate`), and each format is written from them. All numbers are
float32 but for the picture, which is uint8. Axes are counted from the front, from 0. Broadcasting is NumPy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

#: Sizes of a value; None is the number of pictures in a batch, times a fixed number in some models.
Shape = tuple[int | None, ...]
Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True)
class Value:
    """What a step computes.

    Attributes:
        name: unique in its program; letters, digits and `_`.
        shape: with at most one None.
        dtype: `uint8` of the picture, else `float32`.
    """

    name: str
    shape: Shape
    dtype: Literal["uint8", "float32"] = "float32"

    @property
    def rank(self) -> int:
        """Number of its axes."""
        return len(self.shape)

    @property
    def free(self) -> tuple[int, ...]:
        """Its shape with -1 where it depends on the batch."""
        return tuple(-1 if size is None else size for size in self.shape)


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that do not depend on the picture.

    Attributes:
        name: unique in its program.
        array: float32; or float16, int8 or int16, which are to be stored so, and turned into float32 before use.
    """

    name: str
    array: npt.NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.array.shape

    @property
    def rank(self) -> int:
        """Number of its axes."""
        return self.array.ndim

    @property
    def wide(self) -> npt.NDArray[np.float32]:
        """The numbers as float32."""
        return self.array.astype(np.float32, copy=False)


Operand = Value | Constant


@dataclass(frozen=True)
class Step:
    """One operation; `output` is what it computes."""

    output: Value

    @property
    def operands(self) -> tuple[Operand, ...]:
        """What it computes it from, in the order of its fields."""
        found: list[Operand] = []
        for name in self.__dataclass_fields__:
            field = getattr(self, name)
            if name != "output" and isinstance(field, Value | Constant):
                found.append(field)
            elif isinstance(field, tuple) and field and isinstance(field[0], Value | Constant):
                found.extend(field)
        return tuple(found)


@dataclass(frozen=True)
class Cast(Step):
    """The uint8 picture as float32, 0..255."""

    x: Value


UnaryKind = Literal[
    "abs", "erf", "exp", "floor", "gelu", "gelu_tanh", "log", "neg", "relu", "round", "sigmoid", "sqrt", "tanh"
]


@dataclass(frozen=True)
class Unary(Step):
    """A function of each number. `round`: halves to even; `gelu`: with erf; `gelu_tanh`: its approximation."""

    kind: UnaryKind
    x: Value


@dataclass(frozen=True)
class Clamp(Step):
    """`min(max(x, low), high)`; a bound may be infinite."""

    x: Value
    low: float
    high: float


BinaryKind = Literal["add", "sub", "mul", "div", "max", "min", "pow", "at_least"]


@dataclass(frozen=True)
class Binary(Step):
    """A function of pairs of numbers, broadcast. `at_least`: 1.0 where `a >= b`, else 0.0."""

    kind: BinaryKind
    a: Operand
    b: Operand


@dataclass(frozen=True)
class Convolution(Step):
    """2-D convolution (cross-correlation) with zeros around.

    Attributes:
        x: `(n, channels, height, width)`, or with channels last.
        weights: `(out, channels / groups, kernel height, kernel width)` in both layouts.
        bias: `(out,)`, or None.
        strides, dilations: of height and width.
        before, after: zeros added at the top and left, and at the bottom and right.
        groups: as many as channels for a depthwise convolution.
    """

    x: Value
    weights: Constant
    bias: Constant | None
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    groups: int

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.weights.shape[2], self.weights.shape[3]

    @property
    def depthwise(self) -> bool:
        """Whether each channel is convolved by itself."""
        return self.groups > 1 and self.weights.shape[1] == 1 and self.weights.shape[0] % self.groups == 0


@dataclass(frozen=True)
class Pool(Step):
    """Largest or mean number of each window. Only `max` has a border, and the border never wins.

    Attributes:
        x: `(n, channels, height, width)`, or with channels last.
        kernel, strides: of height and width.
        before, after: border at the top and left, and at the bottom and right; 0 for `mean`.
    """

    kind: Literal["max", "mean"]
    x: Value
    kernel: tuple[int, int]
    strides: tuple[int, int]
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Pad(Step):
    """A border of one number; `before` and `after` have a size for each axis."""

    x: Value
    before: tuple[int, ...]
    after: tuple[int, ...]
    number: float


@dataclass(frozen=True)
class MatMul(Step):
    """Matrix product of the last two axes. A constant `b` is `(in, out)`, and never turned.

    Attributes:
        a, b: of equal rank, but for a constant `b` of rank 2.
        turn_b: use `b` with its last two axes exchanged.
    """

    a: Value
    b: Operand
    turn_b: bool = False


@dataclass(frozen=True)
class Reduce(Step):
    """Mean, sum, largest or smallest number over some axes; `keep`: these axes stay, with size 1."""

    kind: Literal["mean", "sum", "max", "min"]
    x: Value
    axes: tuple[int, ...]
    keep: bool


@dataclass(frozen=True)
class Softmax(Step):
    """Softmax over one axis."""

    x: Value
    axis: int


@dataclass(frozen=True)
class Reshape(Step):
    """The same numbers in another shape, that of `output`."""

    x: Value


@dataclass(frozen=True)
class Transpose(Step):
    """Axes in another order: axis `i` of the output is axis `axes[i]` of `x`."""

    x: Value
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Concat(Step):
    """Values one after another along an axis."""

    xs: tuple[Value, ...]
    axis: int


@dataclass(frozen=True)
class Slice(Step):
    """`x[start:stop]` of one axis."""

    x: Value
    axis: int
    start: int
    stop: int


@dataclass(frozen=True)
class TopK(Step):
    """The `k` largest numbers along the last axis, largest first."""

    x: Value
    k: int


@dataclass(frozen=True)
class Quantize(Step):
    """Rounded to `levels` equally spaced numbers, as a quantised model does it (OpenVINO's FakeQuantize).

    `x` is clipped to `low..high`, and the level is then spread over `out_low..out_high`; `expand.expanded` writes it
    with plain steps.

    Attributes:
        low, high, out_low, out_high: that broadcast with `x`.
        levels: how many.
    """

    x: Value
    low: Constant
    high: Constant
    out_low: Constant
    out_high: Constant
    levels: int


@dataclass(frozen=True)
class Program:
    """What a classifier computes, step by step.

    Attributes:
        picture: the input, uint8 `(n, height, width, 3)`, RGB, 0..255.
        steps: in the order in which they can be run.
        result: probabilities, float32 `(n, k)`.
        layout: of values with four axes in convolutions and pools.
    """

    picture: Value
    steps: tuple[Step, ...]
    result: Value
    layout: Layout = "NCHW"

    @property
    def constants(self) -> tuple[Constant, ...]:
        """Each constant once, in the order of their first use."""
        found = {one.name: one for step in self.steps for one in step.operands if isinstance(one, Constant)}
        return tuple(found.values())

    @property
    def bytes(self) -> int:
        """Of all constants."""
        return sum(prod(one.shape) * one.array.itemsize for one in self.constants)

    @property
    def quantised(self) -> bool:
        """Whether numbers are rounded on the way: the model was quantised. Only before `simpler.expanded`."""
        return any(
            isinstance(step, Quantize) or (isinstance(step, Unary) and step.kind == "round") for step in self.steps
        )
