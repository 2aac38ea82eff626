"""Programs made simpler: rounding as plain steps, weights as float16."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.graph.builder import Builder
from headstart.export.graph.steps import Constant, Convolution, MatMul, Program, Quantize, Step, Value

#: Weights with fewer numbers stay float32: they would save nothing.
_MANY = 256
#: Weights of at most 8 bits are multiples of their scale up to this many.
_LEVELS = 255
#: How far a multiple may be from a whole number.
_NEAR = 2e-3

Whole = npt.NDArray[np.int8 | np.int16]


def expanded(program: Program) -> Program:
    """The same program without `Quantize`: clipped, scaled, rounded and scaled back.

    A convolution of rounded numbers with weights that were rounded, too, is computed with whole numbers and scaled
    afterwards, as engines for quantised models do it. Sums of whole numbers below 2^24 are exact in float32, so all
    runtimes agree; sums of scaled ones differ in the last digits, which the next rounding can turn into a whole level.
    """
    steps: list[Step] = []
    levels: dict[str, _Levels] = {}
    for step in program.steps:
        if isinstance(step, Quantize):
            new, levels[step.output.name] = _rounded(step)
            steps.extend(new)
        elif isinstance(step, Convolution) and step.x.name in levels and (whole := whole_weights(step.weights.array)):
            steps.extend(_exact(step, levels[step.x.name], *whole))
        else:
            steps.append(step)
    return _needed(replace(program, steps=tuple(steps)))


@dataclass(frozen=True)
class _Levels:
    """Rounded numbers before they are scaled: `(whole + offset) * scale`; scale 0: they have several scales."""

    whole: Value
    offset: float
    scale: float


def _rounded(step: Quantize) -> tuple[list[Step], _Levels]:
    builder = Builder(f"{step.output.name}_")
    low, high, out_low, out_high = (
        one.array.astype(np.float64) for one in (step.low, step.high, step.out_low, step.out_high)
    )
    intervals = step.levels - 1
    if low.size == high.size == 1:
        x = builder.clamp(step.x, float(low.reshape(-1)[0]), float(high.reshape(-1)[0]))
    else:
        x = builder.binary("min", builder.binary("max", step.x, step.low), step.high)
    x = builder.binary("mul", _shifted(builder, x, -low), builder.constant(intervals / (high - low)))
    whole = builder.unary("round", x)
    scale = (out_high - out_low) / intervals
    builder.binary("add", builder.binary("mul", whole, builder.constant(scale)), builder.constant(out_low))
    steps = [*builder.steps[:-1], replace(builder.steps[-1], output=step.output)]
    offset = np.round(out_low / scale)
    if scale.size > 1 or offset.size > 1 or abs(out_low / scale - offset).max() > _NEAR:
        return steps, _Levels(whole, 0.0, 0.0)
    return steps, _Levels(whole, float(offset.reshape(-1)[0]), float(scale.reshape(-1)[0]))


def _exact(step: Convolution, levels: _Levels, weights: Whole, scales: npt.NDArray[np.float64]) -> list[Step]:
    if not levels.scale:
        return [step]
    builder = Builder(f"{step.output.name}_")
    x = _shifted(builder, levels.whole, np.array(levels.offset))
    sums = builder.add(
        Convolution, step.output.shape, x, Constant(f"{step.weights.name}_whole", weights), None, step.strides,
        step.dilations, step.before, step.after, step.groups,
    )  # fmt: skip
    scaled = builder.binary("mul", sums, builder.constant((levels.scale * scales).reshape(1, -1, 1, 1)))
    if step.bias is not None:
        builder.binary("add", scaled, builder.constant(step.bias.array.reshape(1, -1, 1, 1)))
    return [*builder.steps[:-1], replace(builder.steps[-1], output=step.output)]


def whole_weights(array: npt.NDArray[Any]) -> tuple[Whole, npt.NDArray[np.float64]] | None:
    """Weights as whole numbers times one scale for each output, if they were rounded to at most 8 bits.

    Args:
        array: float32 `(out, in, height, width)`.

    Returns:
        int8 or int16 of the same shape, and float64 `(out,)`; None if they are not.
    """
    rows = array.reshape(len(array), -1).astype(np.float64)
    found, scales = np.zeros(rows.shape), np.ones(len(rows))
    for row, numbers, i in zip(rows, found, range(len(rows)), strict=True):
        sizes = np.abs(row[row != 0])
        if not len(sizes):
            continue
        for part in range(1, _LEVELS):
            scale = sizes.min() / part
            if sizes.max() / scale > _LEVELS:
                return None
            rounded = np.round(row / scale)
            if np.abs(row / scale - rounded).max() < _NEAR:
                numbers[:] = rounded
                scales[i] = float(row @ rounded / (rounded @ rounded))  # the scale that fits all of them best
                break
    kind = np.int8 if np.abs(found).max() <= 127 else np.int16
    return found.reshape(array.shape).astype(kind), scales


def _shifted(builder: Builder, x: Value, offset: npt.NDArray[np.float64]) -> Value:
    return builder.binary("add", x, builder.constant(offset)) if np.any(offset) else x


def _needed(program: Program) -> Program:
    """Without the steps whose output nobody uses."""
    wanted, kept = {program.result.name}, []
    for step in reversed(program.steps):
        if step.output.name in wanted:
            wanted |= {one.name for one in step.operands}
            kept.append(step)
    return replace(program, steps=tuple(reversed(kept)))


def shared(program: Program) -> Program:
    """The same program with equal constants of equal steps only once: a model that sees two views has them twice."""
    found: dict[tuple[Any, ...], Constant] = {}

    def once(step: Step) -> Step:
        kept = {name: getattr(step, name) for name in step.__dataclass_fields__ if name != "output"}
        plain = [repr(field) for field in kept.values() if not isinstance(field, Constant | Value)]
        constants: dict[str, Any] = {name: field for name, field in kept.items() if isinstance(field, Constant)}
        for name, field in constants.items():
            key = type(step), *plain, name, field.shape, sha256(field.array.tobytes()).digest()
            constants[name] = found.setdefault(key, field)
        return replace(step, **constants)

    return replace(program, steps=tuple(map(once, program.steps)))


def narrowed(program: Program) -> Program:
    """The same program with the weights of convolutions and matrix products as float16; the sums stay float32.

    Numbers that float16 cannot hold (65,504 and more) keep their constant in float32.
    """
    return replace(program, steps=tuple(map(_narrow, program.steps)))


def _narrow(step: Step) -> Step:
    if isinstance(step, Convolution):
        return replace(step, weights=_half(step.weights))
    if isinstance(step, MatMul) and isinstance(step.b, Constant):
        return replace(step, b=_half(step.b))
    return step


def _half(constant: Constant) -> Constant:
    array = constant.array
    if array.dtype != np.float32 or array.size < _MANY or np.abs(array).max() >= np.finfo(np.float16).max:
        return constant
    return replace(constant, array=array.astype(np.float16))
