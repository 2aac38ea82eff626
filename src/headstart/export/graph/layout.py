"""Channels last: the same program for formats whose convolutions take `(n, height, width, channels)`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headstart.export.graph.steps import (
    Binary,
    Cast,
    Clamp,
    Concat,
    Constant,
    Convolution,
    Operand,
    Pad,
    Pool,
    Program,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Step,
    Transpose,
    Unary,
    Value,
)

#: Axes of `(n, channels, height, width)` in the order `(n, height, width, channels)`, and the way back.
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def channels_last(program: Program) -> Program:
    """The same computation with channels last wherever a value has channels, height and width.

    A value keeps its axes' order unless a convolution or pool made it or takes it. Where a model turns its picture
    itself, that step and ours cancel out.
    """
    turning = _Turning()
    for step in program.steps:
        turning.take(step)
    result = turning.plain(program.result)
    return Program(program.picture, tuple(turning.steps), result, "NHWC")


class _Turning:
    """What has been turned so far: for each old value the new one, in the old order of axes, turned, or in both."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._plain: dict[str, Value] = {}
        self._turned: dict[str, Value] = {}

    def take(self, step: Step) -> None:
        """Add the new form of a step."""
        values = [one for one in step.operands if isinstance(one, Value)]
        lasting = any(value.name in self._turned for value in values)
        match step:
            case Convolution() | Pool():
                self._add_turned(replace(step, x=self.turned(step.x)))
            case Transpose(axes=axes, x=x) if axes == _FIRST and x.rank == 4 and not lasting:
                self._turned[step.output.name] = self.plain(x)
            case Transpose(axes=axes, x=x) if axes == _LAST and lasting:
                self._plain[step.output.name] = self.turned(x)
            case Unary() | Clamp() | Cast() if lasting:
                self._add_turned(replace(step, x=self.turned(step.x)))
            case Quantize() if lasting:
                low, high, below, above = map(_turned, (step.low, step.high, step.out_low, step.out_high))
                x = self.turned(step.x)
                self._add_turned(replace(step, x=x, low=low, high=high, out_low=below, out_high=above))
            case Binary() if lasting and all(one.rank == 4 or isinstance(one, Constant) for one in step.operands):
                self._add_turned(replace(step, a=self._operand(step.a), b=self._operand(step.b)))
            case Concat() if lasting:
                axis = _LAST.index(step.axis)
                self._add_turned(replace(step, xs=tuple(self.turned(x) for x in step.xs), axis=axis))
            case Softmax() | Slice() if lasting:
                self._add_turned(replace(step, x=self.turned(step.x), axis=_LAST.index(step.axis)))
            case Pad() if lasting:
                before, after = (tuple(sizes[axis] for axis in _LAST) for sizes in (step.before, step.after))
                self._add_turned(replace(step, x=self.turned(step.x), before=before, after=after))
            case Reduce() if lasting and (step.keep or _in_order(step.axes)):
                axes = tuple(sorted(_LAST.index(axis) for axis in step.axes))
                new = replace(step, x=self.turned(step.x), axes=axes)
                if step.keep:
                    self._add_turned(new)
                else:
                    self._add_plain(new)
            case Reshape() if lasting and step.x.shape[2:] == (1, 1):
                self._add_plain(replace(step, x=self.turned(step.x)))
            case _:
                self._add_plain(self._with_plain(step))

    def plain(self, old: Value) -> Value:
        """The value in its old order of axes."""
        if old.name not in self._plain and old.name not in self._turned:
            return old  # the picture
        if old.name not in self._plain:
            turned = self._turned[old.name]
            self._plain[old.name] = self._moved(turned, replace(old, name=f"{turned.name}_first"), _FIRST)
        return self._plain[old.name]

    def turned(self, old: Value) -> Value:
        """The value with channels last."""
        if old.name not in self._turned:
            plain = self.plain(old)
            shape = tuple(plain.shape[axis] for axis in _LAST)
            self._turned[old.name] = self._moved(plain, Value(f"{plain.name}_last", shape, old.dtype), _LAST)
        return self._turned[old.name]

    def _moved(self, x: Value, output: Value, axes: tuple[int, ...]) -> Value:
        """One number a channel has the same order both ways, and is only given another shape."""
        flat = [size for size in x.shape[1:] if size == 1]
        self.steps.append(Reshape(output, x) if len(flat) >= 2 else Transpose(output, x, axes))
        return output

    def _operand(self, operand: Operand) -> Operand:
        return self.turned(operand) if isinstance(operand, Value) else _turned(operand)

    def _add_turned(self, step: Step) -> None:
        shape = tuple(step.output.shape[axis] for axis in _LAST)
        output = replace(step.output, shape=shape)
        self._turned[step.output.name] = output
        self.steps.append(replace(step, output=output))

    def _add_plain(self, step: Step) -> None:
        self._plain[step.output.name] = step.output
        self.steps.append(step)

    def _with_plain(self, step: Step) -> Step:
        changed: dict[str, Any] = {}
        for name in step.__dataclass_fields__:
            content = getattr(step, name)
            if name != "output" and isinstance(content, Value):
                changed[name] = self.plain(content)
            elif isinstance(content, tuple) and content and isinstance(content[0], Value):
                changed[name] = tuple(self.plain(one) for one in content)
        return replace(step, **changed)


def _turned(constant: Constant) -> Constant:
    """A constant that is broadcast with four axes."""
    whole = constant.array.reshape((1,) * (4 - constant.rank) + constant.shape)
    return Constant(f"{constant.name}_last", whole.transpose(_LAST))


def _in_order(axes: tuple[int, ...]) -> bool:
    """Whether the axes that are left have the same order both ways."""
    left = [axis for axis in _LAST if axis not in axes]
    return left == sorted(left)
