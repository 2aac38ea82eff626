"""`Builder`: collects steps while a graph is translated, and keeps track of which axis is the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import ExportError
from headstart.export.graph.steps import (
    Binary,
    BinaryKind,
    Clamp,
    Concat,
    Constant,
    Convolution,
    Operand,
    Pad,
    Program,
    Quantize,
    Reduce,
    Reshape,
    Shape,
    Slice,
    Softmax,
    Step,
    Transpose,
    Unary,
    UnaryKind,
    Value,
)


class UnwritableError(ExportError):
    """A graph has an operation that cannot be expressed in steps.

    Attributes:
        operation: its name in OpenVINO.
    """

    def __init__(self, operation: str, why: str = "") -> None:
        super().__init__(f"The model has the operation {operation}{why and f' ({why})'}, which cannot be written.")
        self.operation = operation


class Builder:
    """Steps in the making. Every method adds one or a few and returns the value that they compute.

    Args:
        prefix: of all names.
    """

    def __init__(self, prefix: str = "") -> None:
        self.steps: list[Step] = []
        self._prefix = prefix
        self._names = 0

    def constant(self, array: npt.ArrayLike) -> Constant:
        """Numbers as an operand."""
        return Constant(self.name("c"), np.asarray(array, np.float32))

    def name(self, first: str = "v") -> str:
        """A name that is not in use."""
        self._names += 1
        return f"{self._prefix}{first}{self._names}"

    def add(self, kind: type[Step], shape: Shape, *arguments: Any, **more: Any) -> Value:
        """Add a step with this output shape; the arguments are those of its class after `output`."""
        output = Value(self.name(), shape)
        self.steps.append(kind(output, *arguments, **more))
        return output

    def unary(self, kind: UnaryKind, x: Value) -> Value:
        """See `steps.Unary`."""
        return self.add(Unary, x.shape, kind, x)

    def binary(self, kind: BinaryKind, a: Operand, b: Operand | float) -> Value:
        """See `steps.Binary`; a plain number becomes a constant."""
        b = b if isinstance(b, Value | Constant) else self.constant(b)
        return self.add(Binary, _broadcast(a.shape, b.shape), kind, a, b)

    def clamp(self, x: Value, low: float, high: float) -> Value:
        """See `steps.Clamp`."""
        return self.add(Clamp, x.shape, x, low, high)

    def reduce(self, kind: Any, x: Value, axes: Sequence[int], keep: bool) -> Value:
        """See `steps.Reduce`."""
        gone = {axis % x.rank for axis in axes}
        if any(x.shape[axis] is None for axis in gone):
            raise UnwritableError("Reduce", "over the pictures of a batch")
        sizes = [1 if i in gone else size for i, size in enumerate(x.shape) if keep or i not in gone]
        return self.add(Reduce, tuple(sizes), kind, x, tuple(sorted(gone)), keep)

    def softmax(self, x: Value, axis: int) -> Value:
        """See `steps.Softmax`."""
        if x.shape[axis] is None:
            raise UnwritableError("Softmax", "over the pictures of a batch")
        return self.add(Softmax, x.shape, x, axis % x.rank)

    def reshape(self, x: Value, sizes: Sequence[int]) -> Value:
        """The same numbers in the sizes that one picture has; the batch stays where it was.

        The axis that stands for the batch is the first with as many numbers before it as the old one: what is before
        it stays outside, and what is merged with it is multiplied by it.
        """
        batch = x.shape.index(None)
        outside = prod(size for size in x.shape[:batch] if size is not None)
        found = next((i for i in range(len(sizes)) if prod(sizes[:i]) == outside), None)
        if found is None:
            raise UnwritableError("Reshape", "it mixes the pictures of a batch")
        shape = tuple(None if i == found else int(size) for i, size in enumerate(sizes))
        return x if shape == x.shape else self.add(Reshape, shape, x)

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """See `steps.Transpose`."""
        if list(axes) == list(range(x.rank)):
            return x
        return self.add(Transpose, tuple(x.shape[axis] for axis in axes), x, tuple(int(axis) for axis in axes))

    def concat(self, parts: Sequence[Operand], axis: int) -> Value:
        """See `steps.Concat`; constants are repeated for each picture."""
        first = next(part for part in parts if isinstance(part, Value))
        axis %= first.rank
        if first.shape[axis] is None:
            raise UnwritableError("Concat", "of the pictures of a batch")
        values = tuple(part if isinstance(part, Value) else self._repeated(part, first) for part in parts)
        sizes = [value.shape[axis] for value in values]
        total = sum(size for size in sizes if size is not None)
        return self.add(Concat, (*first.shape[:axis], total, *first.shape[axis + 1 :]), values, axis)

    def slice(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """See `steps.Slice`."""
        axis %= x.rank
        if (start, stop) == (0, x.shape[axis]):
            return x
        if x.shape[axis] is None:
            raise UnwritableError("Slice", "of the pictures of a batch")
        return self.add(Slice, (*x.shape[:axis], stop - start, *x.shape[axis + 1 :]), x, axis, start, stop)

    def pad(self, x: Value, before: Sequence[int], after: Sequence[int], number: float) -> Value:
        """See `steps.Pad`."""
        if not any(before) and not any(after):
            return x
        sizes = zip(x.shape, before, after, strict=True)
        shape = tuple(None if size is None else size + low + high for size, low, high in sizes)
        return self.add(Pad, shape, x, tuple(map(int, before)), tuple(map(int, after)), number)

    def is_whole(self, x: Value) -> bool:
        """Whether a value consists of whole numbers, which a change of type leaves as they are."""
        made = next((step for step in reversed(self.steps) if step.output.name == x.name), None)
        if isinstance(made, Unary):
            return made.kind in ("round", "floor")
        if not isinstance(made, Quantize):
            return False
        spread = (made.out_high.array - made.out_low.array) / (made.levels - 1)
        return bool(np.all(spread == 1) and np.all(made.out_low.array % 1 == 0))

    def _repeated(self, constant: Constant, like: Value) -> Value:
        """A constant once for each picture: zeros that depend on the batch are added to it."""
        batch = like.shape.index(None)
        zeros = self.reduce("sum", like, [axis for axis in range(like.rank) if axis != batch], keep=True)
        return self.binary("add", self.binary("mul", zeros, 0.0), constant)


def _broadcast(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    return tuple(y if x == 1 else x for x, y in pairs)


def fused(program: Program) -> Program:
    """The same program with the bias that follows a convolution made part of it."""
    uses: dict[str, int] = {}
    for step in program.steps:
        for one in step.operands:
            uses[one.name] = uses.get(one.name, 0) + 1
    made = {step.output.name: step for step in program.steps}
    gone: set[str] = set()
    steps: list[Step] = []
    for step in program.steps:
        if isinstance(step, Binary) and step.kind == "add":
            x, bias = (step.a, step.b) if isinstance(step.b, Constant) else (step.b, step.a)
            before = made.get(x.name)
            channels = step.output.shape[1] if step.output.rank == 4 else None
            plain = isinstance(bias, Constant) and bias.shape in ((1, channels, 1, 1), (channels, 1, 1))
            if plain and isinstance(before, Convolution) and before.bias is None and uses[x.name] == 1:
                assert isinstance(bias, Constant)
                gone.add(x.name)
                flat = Constant(bias.name, bias.array.reshape(-1))
                step = replace(before, output=step.output, bias=flat)
                made[step.output.name] = step
        steps.append(step)
    return replace(program, steps=tuple(step for step in steps if step.output.name not in gone))
