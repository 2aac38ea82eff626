"""Steps that LiteRT has no operator for, made of those that it has; activations made part of the step before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from headstart.export.graph.builder import Builder
from headstart.export.graph.steps import (
    Binary,
    Clamp,
    Constant,
    Convolution,
    MatMul,
    Pool,
    Program,
    Softmax,
    Step,
    Unary,
    Value,
)

#: Bounds of a clamp that LiteRT has as an activation: its number as part of another operator, and as an operator.
ACTIVATIONS = {(0.0, inf): (1, "RELU"), (-1.0, 1.0): (2, "RELU_N1_TO_1"), (0.0, 6.0): (3, "RELU6")}


@dataclass(frozen=True)
class Unit:
    """A step, and what its operator does in the same go.

    Attributes:
        step: its output is that of the whole unit.
        bias: that is added; of a `MatMul` only, a convolution has its own.
        activation: number of the activation function; 0: none.
    """

    step: Step
    bias: Constant | None = None
    activation: int = 0


def units(program: Program) -> list[Unit]:
    """What has to be written, in order."""
    steps = [new for step in program.steps for new in _plainer(step)]
    uses = Counter(one.name for step in steps for one in step.operands)
    uses[program.result.name] += 1
    found: dict[str, Unit] = {}  # by the name of its output
    for step in steps:
        x = next((one for one in step.operands if isinstance(one, Value)), step.output)
        before = found.get(x.name)
        joined = _joined(before, step) if before and uses[x.name] == 1 else None
        if joined:
            del found[x.name]
        found[step.output.name] = joined or Unit(step)
    return list(found.values())


def bounds(step: Step) -> tuple[float, float]:
    """Between what a step clips; (-inf, inf) if it does something else."""
    match step:
        case Unary(kind="relu"):
            return 0.0, inf
        case Clamp():
            return step.low, step.high
    return -inf, inf


def _joined(before: Unit, step: Step) -> Unit | None:
    """Both as one unit, if there is an operator for them."""
    if before.activation:
        return None
    made = replace(before.step, output=step.output)
    if bounds(step) in ACTIVATIONS and _takes_activation(made):
        return replace(before, step=made, activation=ACTIVATIONS[bounds(step)][0])
    if isinstance(step, Binary) and step.kind == "add" and isinstance(made, MatMul) and is_dense(made):
        bias = step.b if isinstance(step.b, Constant) else step.a
        fits = bias.shape[-1:] == made.b.shape[-1:] and bias.rank <= made.a.rank
        if before.bias is None and isinstance(bias, Constant) and fits and bias.array.size == bias.shape[-1]:
            return Unit(made, Constant(bias.name, bias.array.reshape(-1)))
    return None


def _takes_activation(step: Step) -> bool:
    if isinstance(step, Binary):
        return step.kind in ("add", "sub", "mul", "div")
    return isinstance(step, Convolution) or is_dense(step)


def is_dense(step: Step) -> bool:
    """Whether a step is a dense layer: a matrix product with one constant matrix."""
    return isinstance(step, MatMul) and isinstance(step.b, Constant) and step.b.rank == 2


def same(step: Convolution | Pool) -> tuple[tuple[int, int], tuple[int, int]]:
    """The borders before and after that LiteRT adds itself where padding is "SAME"."""
    dilations = step.dilations if isinstance(step, Convolution) else (1, 1)
    totals = []
    for i in (0, 1):
        side = step.x.shape[1 + i]
        assert side is not None
        windows = -(-side // step.strides[i])
        totals.append(max((windows - 1) * step.strides[i] + (step.kernel[i] - 1) * dilations[i] + 1 - side, 0))
    before = (totals[0] // 2, totals[1] // 2)
    return before, (totals[0] - before[0], totals[1] - before[1])


def _plainer(step: Step) -> list[Step]:
    """The step itself, or several that give the same."""
    builder = Builder(f"{step.output.name}_")
    match step:
        case Convolution() if (step.before, step.after) != same(step):
            return _bordered(step, builder, 0.0)
        case Pool() if (step.before, step.after) != same(step):
            return _bordered(step, builder, -inf)
        case Softmax() if step.axis != step.x.rank - 1:
            axes = [*(axis for axis in range(step.x.rank) if axis != step.axis), step.axis]
            back = [axes.index(axis) for axis in range(step.x.rank)]
            turned = builder.softmax(builder.transpose(step.x, axes), -1)
            builder.transpose(turned, back)
        case Unary(kind="erf"):
            _erf(builder, step.x)
        case Clamp() if bounds(step) not in ACTIVATIONS:
            x = step.x
            if step.low > -inf:
                x = builder.binary("max", x, step.low)
            if step.high < inf:
                x = builder.binary("min", x, step.high)
        case _:
            return [step]
    return [*builder.steps[:-1], replace(builder.steps[-1], output=step.output)]


def _bordered(step: Convolution | Pool, builder: Builder, number: float) -> list[Step]:
    """With the border as a step of its own."""
    x = builder.pad(step.x, (0, *step.before, 0), (0, *step.after, 0), number)
    return [*builder.steps, replace(step, x=x, before=(0, 0), after=(0, 0))]


def _erf(builder: Builder, x: Value) -> None:
    """Formula 7.1.26 of Abramowitz and Stegun (1964), off by at most 1.5e-7.

    With `t = 1 / (1 + p |x|)`: `erf |x| = 1 - (a1 t + ... + a5 t^5) exp(-x^2)`, and erf is odd.
    """
    size = builder.unary("abs", x)
    one = builder.constant(1.0)
    t = builder.binary("div", one, builder.binary("add", builder.binary("mul", size, 0.3275911), one))
    total = builder.binary("mul", t, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        total = builder.binary("mul", builder.binary("add", total, factor), t)
    bell = builder.unary("exp", builder.unary("neg", builder.binary("mul", x, x)))
    half = builder.binary("sub", one, builder.binary("mul", total, bell))
    sign = builder.binary("div", x, builder.binary("max", size, float(np.finfo(np.float32).tiny)))
    builder.binary("mul", half, sign)
