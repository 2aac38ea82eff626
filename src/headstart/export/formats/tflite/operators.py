"""Operators and tensors of LiteRT that compute a program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.formats.tflite.plainer import ACTIVATIONS, Unit, bounds, is_dense, units
from headstart.export.formats.tflite.schema import SAME, TYPES, VALID
from headstart.export.graph.builder import UnwritableError
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
    Slice,
    Softmax,
    Step,
    TopK,
    Transpose,
    Unary,
    Value,
)

_UNARY = {
    "abs": "ABS", "exp": "EXP", "floor": "FLOOR", "log": "LOG", "neg": "NEG", "relu": "RELU", "round": "ROUND",
    "sigmoid": "LOGISTIC", "sqrt": "SQRT", "tanh": "TANH",
}  # fmt: skip
_BINARY = {"add": "ADD", "sub": "SUB", "mul": "MUL", "div": "DIV", "max": "MAXIMUM", "min": "MINIMUM", "pow": "POW"}
_REDUCE = {"mean": "MEAN", "sum": "SUM", "max": "REDUCE_MAX", "min": "REDUCE_MIN"}
#: The first version of these operators that broadcasts more than four axes.
_BROADCAST: dict[str, int] = {"sub": 3, "div": 2, "max": 3, "min": 3}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        shape: for one picture.
        signature: the same with -1 where it depends on the batch; None if it doesn't.
        array: its numbers; None: an operator computes them.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None = None
    array: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Operator:
    """An operator of the file; `inputs` and `outputs` are numbers of tensors."""

    kind: str
    version: int
    inputs: list[int]
    outputs: list[int]
    options: dict[str, Any]


class Graph:
    """A program as tensors and operators.

    Attributes:
        tensors, operators: in the order of their numbers.
        picture, result: numbers of the tensors that go in and come out.
    """

    def __init__(self, program: Program) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self._numbers: dict[str, int] = {}  # of the tensors, by what they are made from
        self._names = {program.picture.name: INPUT, program.result.name: OUTPUT}
        self._batch: dict[str, int] = {}  # size of the axis that depends on the batch, for one picture
        self.picture = self._value(program.picture, 1)
        for unit in units(program):
            self._unit(unit)
        self.result = self._numbers[program.result.name]

    def _value(self, value: Value, batch: int) -> int:
        """A new tensor for what an operator computes."""
        shape = tuple(batch if size is None else size for size in value.shape)
        signature = value.free if None in value.shape else None
        self._batch[value.name] = batch
        name = self._names.get(value.name, value.name)
        return self._tensor(value.name, Tensor(name, value.dtype, shape, signature))

    def _tensor(self, key: str, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        self._numbers[key] = len(self.tensors) - 1
        return self._numbers[key]

    def _beside(self, number: int, what: str, dtype: str) -> int:
        """A new tensor of the same shape as another."""
        like = self.tensors[number]
        name = f"{like.name}_{what}"
        return self._tensor(name, replace(like, name=name, dtype=dtype))

    def _numbers_of(self, name: str, array: npt.NDArray[Any]) -> int:
        """A tensor with these numbers, as float32 if they are stored as something smaller."""
        key = f"{name} {array.dtype} {array.shape}"
        if key in self._numbers:
            return self._numbers[key]
        if array.dtype == np.int32 or array.dtype == np.float32:
            return self._tensor(key, Tensor(name, array.dtype.name, array.shape, None, array))
        # Whole numbers up to 2048 are exact in float16. LiteRT's fast kernels take weights that are float16, but none
        # that are int8 and cast: a MobileNet V2 then takes 2.4 times as long.
        half = Tensor(f"{name}_half", "float16", array.shape, None, array.astype(np.float16))
        small = self._tensor(f"{key} half", half)
        wide = self._tensor(key, Tensor(name, "float32", array.shape))
        self._add("DEQUANTIZE", [small], [wide], 3)
        return wide

    def _operand(self, operand: Operand) -> int:
        if isinstance(operand, Value):
            return self._numbers[operand.name]
        return self._numbers_of(operand.name, operand.array)

    def _wholes(self, numbers: npt.ArrayLike) -> int:
        """An input of whole numbers, such as a shape; equal ones are shared."""
        array = np.asarray(numbers, np.int32)
        return self._numbers_of(f"wholes_{array.tolist()}", array)

    def _add(self, kind: str, inputs: list[int], outputs: list[int], version: int = 1, **options: Any) -> None:
        self.operators.append(Operator(kind, version, inputs, outputs, options))

    def _unit(self, unit: Unit) -> None:
        """Add what computes a step."""
        step = unit.step
        out = self._value(step.output, self._batch_of(step))
        rank = step.output.rank
        most = 5 if isinstance(step, Pad) else 6
        if rank > most:
            raise UnwritableError(type(step).__name__, f"LiteRT takes at most {most} axes")
        match step:
            case Convolution():
                self._convolution(step, unit.activation, out)
                return
            case MatMul(b=Constant() as weights) if is_dense(step):
                self._dense(step, weights, unit, out)
                return
        inputs = [self._operand(one) for one in step.operands]
        match step:
            case Cast():
                self._add("CAST", inputs, [out], from_type=TYPES["uint8"], to_type=TYPES["float32"])
            case Unary(kind="gelu" | "gelu_tanh"):
                self._add("GELU", inputs, [out], approximate=step.kind == "gelu_tanh")
            case Unary():
                self._add(_UNARY[step.kind], inputs, [out])
            case Clamp():
                self._add(ACTIVATIONS[bounds(step)][1], inputs, [out])
            case Binary(kind="at_least"):
                truth = self._beside(out, "true", "bool")
                self._add("GREATER_EQUAL", inputs, [truth])
                self._add("CAST", [truth], [out], from_type=TYPES["bool"], to_type=TYPES["float32"])
            case Binary():
                version = _BROADCAST.get(step.kind, 1) if rank > 4 and step.a.shape != step.b.shape else 1
                options = {"activation": unit.activation} if unit.activation else {}
                self._add(_BINARY[step.kind], inputs, [out], version, **options)
            case Pool():
                self._add(
                    "MAX_POOL_2D" if step.kind == "max" else "AVERAGE_POOL_2D", inputs, [out],
                    filter_width=step.kernel[1], filter_height=step.kernel[0], **_window(step),
                )  # fmt: skip
            case Pad():
                inputs.append(self._wholes(np.transpose([step.before, step.after])))
                if step.number:
                    inputs.append(self._numbers_of(f"{step.output.name}_number", np.array(step.number, np.float32)))
                self._add("PADV2" if step.number else "PAD", inputs, [out], 4 if rank > 4 else 1)
            case MatMul():
                self._add("BATCH_MATMUL", inputs, [out], adj_y=step.turn_b)
            case Reduce():
                self._add(_REDUCE[step.kind], [*inputs, self._wholes(step.axes)], [out], keep_dims=step.keep)
            case Softmax():
                self._add("SOFTMAX", inputs, [out], beta=1.0)
            case Reshape():
                self._add("RESHAPE", [*inputs, self._wholes(step.output.free)], [out])
            case Transpose():
                version = 6 if rank > 5 else 4 if rank > 4 else 1
                self._add("TRANSPOSE", [*inputs, self._wholes(step.axes)], [out], version)
            case Concat():
                self._add("CONCATENATION", inputs, [out], axis=step.axis)
            case Slice():
                begin, size = [0] * rank, [-1] * rank  # -1: up to the end
                begin[step.axis], size[step.axis] = step.start, step.stop - step.start
                self._add("SLICE", [*inputs, self._wholes(begin), self._wholes(size)], [out], 5 if rank > 4 else 1)
            case TopK():
                places = self._beside(out, "places", "int32")
                self._add("TOPK_V2", [*inputs, self._wholes(step.k)], [out, places])
            case _:
                raise TypeError(f"no operator for {type(step).__name__}")

    def _batch_of(self, step: Step) -> int:
        """Size of the output's axis that depends on the batch, for one picture."""
        if isinstance(step, Reshape):
            total = prod(self.tensors[self._numbers[step.x.name]].shape)
            return total // prod(size for size in step.output.shape if size is not None)
        return max(self._batch[one.name] for one in step.operands if isinstance(one, Value))

    def _convolution(self, step: Convolution, activation: int, out: int) -> None:
        weights, outputs = step.weights.array, step.weights.shape[0]
        bias = step.bias or Constant(f"{step.output.name}_bias", np.zeros(outputs, np.float32))
        options: dict[str, Any] = {"dilation_w": step.dilations[1], "dilation_h": step.dilations[0]}
        if step.depthwise:
            kind, weights = "DEPTHWISE_CONV_2D", weights.transpose(1, 2, 3, 0)
            version = 1 if step.dilations == (1, 1) else 2
            options["multiplier"] = outputs // step.groups
        else:
            kind, weights = "CONV_2D", weights.transpose(0, 2, 3, 1)
            version = 1 if step.groups == 1 else 6
        inputs = [self._operand(step.x), self._numbers_of(step.weights.name, weights), self._operand(bias)]
        self._add(kind, inputs, [out], version, activation=activation, **options, **_window(step))

    def _dense(self, step: MatMul, weights: Constant, unit: Unit, out: int) -> None:
        """A matrix product with constant weights, which are `(out, in)` here."""
        keep = step.a.rank > 2
        bias = unit.bias or Constant(f"{step.output.name}_bias", np.zeros(weights.shape[1], np.float32))
        turned = self._numbers_of(f"{weights.name}_turned", weights.array.T)
        inputs = [self._operand(step.a), turned, self._operand(bias)]
        self._add("FULLY_CONNECTED", inputs, [out], 5 if keep else 1, activation=unit.activation, keep_num_dims=keep)


def _window(step: Convolution | Pool) -> dict[str, int]:
    padding = SAME if any(step.before + step.after) else VALID
    return {"padding": padding, "stride_w": step.strides[1], "stride_h": step.strides[0]}
