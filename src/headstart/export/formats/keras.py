"""Keras 3: a Functional model of Keras' own layers and operations, saved by Keras itself.

Steps become calls of Keras (`calls`), which a child process makes: neither Keras nor its choice of a backend gets into
the user's process. Constants that are no layer's weights stand in the model's configuration, which is how Keras keeps
arguments of operations; their class names there, such as `keras.src.ops.numpy.Add`, are Keras' own.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.disk import atomic
from headstart.errors import ExportError, MissingExtraError
from headstart.export.formats.graphdef import is_same, widened
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
from headstart.export.judges.keras import CLASSES, imported
from headstart.export.subject import Subject
from headstart.safety import child

_UNARY = {"neg": "negative"}
_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "max": "maximum", "min": "minimum",
    "pow": "power",
}  # fmt: skip
#: Below every number, and valid JSON.
_LOWEST = float(np.finfo(np.float32).min)
_SECONDS = 600
#: Of memory, for Keras and its engine; and for each byte of the weights.
_MEGABYTES, _COPIES = 3000, 8


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.keras`.

    Raises:
        MissingExtraError: Keras is not installed.
        ExportError: Keras cannot build the model.
    """
    if find_spec("keras") is None:
        raise MissingExtraError(
            "The format keras needs Keras, which is not installed.\nInstall it: pip install 'headstart[keras]'"
        )
    given = encoded(subject.last)
    megabytes = _MEGABYTES + _COPIES * len(given) // 10**6
    try:
        made = child.call(f"{__name__}:built", given, seconds=_SECONDS, megabytes=megabytes)
    except child.ChildError as error:
        raise ExportError(f"Keras cannot build the model: {error}.") from error
    file = io.BytesIO(made)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(CLASSES, "".join(f"{name}\n" for name in subject.classes))
    atomic.write(target, file.getvalue())


@dataclass(frozen=True)
class Call:
    """A call of Keras.

    Attributes:
        output: name of what it returns.
        function: such as `layers.Conv2D`, which makes a layer that is called then, or `ops.add`.
        inputs: names of values and constants, lists of such, or numbers.
        arguments: of the function.
        weights: names of constants.
        item: which of several outputs is meant; -1: there is one.
    """

    output: str
    function: str
    inputs: list[str | float | list[str]]
    arguments: dict[str, Any] = field(default_factory=dict)
    weights: list[str] = field(default_factory=list)
    item: int = -1


def encoded(program: Program) -> bytes:
    """Calls and constants of a program with channels last, for `built`: an `.npz`."""
    calls = _Calls(program)
    made = {"shape": program.picture.shape[1:], "calls": [asdict(call) for call in calls.found]}
    arrays: dict[str, Any] = {**calls.arrays, "calls": np.frombuffer(json.dumps(made).encode(), np.uint8)}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def built(given: bytes) -> bytes:
    """The bytes of a file of Keras; in a process of its own."""
    os.environ["KERAS_BACKEND"] = "openvino"
    engine()
    keras = imported()
    with np.load(io.BytesIO(given)) as file:
        found: dict[str, Any] = dict(file)
    made = json.loads(found.pop("calls").tobytes())
    found[INPUT] = keras.Input(made["shape"], dtype="uint8", name=INPUT)
    for call in made["calls"]:
        inputs = [_given(found, one) for one in call["inputs"]]
        room, name = call["function"].split(".")
        function = getattr(getattr(keras, room), name)
        if room == "layers":
            layer = function(name=call["output"], **call["arguments"])
            answer = layer(*inputs)
            layer.set_weights([found[one] for one in call["weights"]])
        else:
            answer = function(*inputs, **call["arguments"])
        found[call["output"]] = answer if call["item"] < 0 else answer[call["item"]]
    model = keras.Model(found[INPUT], found[OUTPUT], name="headstart")
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def _given(found: dict[str, Any], one: str | float | list[str]) -> Any:
    if isinstance(one, list):
        return [found[name] for name in one]
    return found[one] if isinstance(one, str) else one


class _Calls:
    """Calls in the making, and the arrays that they need."""

    def __init__(self, program: Program) -> None:
        self.found: list[Call] = []
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        self._names = {program.picture.name: INPUT, program.result.name: OUTPUT}
        for step in program.steps:
            self._step(step)

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return self._names.get(operand.name, operand.name)
        return self._array(operand.name, operand.wide)

    def _array(self, name: str, array: npt.NDArray[Any]) -> str:
        self.arrays[name] = array
        return name

    def _operand(self, operand: Operand, other: Operand) -> str | float:
        """A constant of a single number is given as such."""
        if isinstance(operand, Constant) and operand.array.size == 1 and operand.rank <= other.rank:
            return float(operand.wide.reshape(-1)[0])
        return self._name(operand)

    def _layer(self, out: str, kind: str, inputs: list[Any], weights: list[str], **arguments: Any) -> None:
        self.found.append(Call(out, f"layers.{kind}", inputs, arguments, weights))

    def _op(self, out: str, kind: str, inputs: list[Any], item: int = -1, **arguments: Any) -> str:
        self.found.append(Call(out, f"ops.{kind}", inputs, arguments, item=item))
        return out

    def _step(self, step: Step) -> None:
        """Add what computes a step."""
        out = self._name(step.output)
        match step:
            case Cast():
                self._op(out, "cast", [self._name(step.x)], dtype="float32")
            case Unary(kind="gelu" | "gelu_tanh"):
                self._op(out, "gelu", [self._name(step.x)], approximate=step.kind == "gelu_tanh")
            case Unary(kind="relu"):
                self._layer(out, "ReLU", [self._name(step.x)], [])
            case Unary():
                self._op(out, _UNARY.get(step.kind, step.kind), [self._name(step.x)])
            case Clamp():
                self._clamp(step, self._name(step.x), out)
            case Binary(kind="at_least"):
                self._op(f"{out}_true", "greater_equal", [self._operand(step.a, step.b), self._operand(step.b, step.a)])
                self._op(out, "cast", [f"{out}_true"], dtype="float32")
            case Binary():
                self._op(out, _BINARY[step.kind], [self._operand(step.a, step.b), self._operand(step.b, step.a)])
            case Convolution():
                self._convolution(step, self._name(step.x), out)
            case Pool():
                x, padding = self._bordered(step, self._name(step.x), out)
                kind = "MaxPooling2D" if step.kind == "max" else "AveragePooling2D"
                self._layer(out, kind, [x], [], pool_size=step.kernel, strides=step.strides, padding=padding)
            case Pad():
                self._pad(self._name(step.x), out, step.before, step.after, step.number)
            case MatMul():
                self._matmul(step, self._name(step.a), out)
            case Reduce():
                self._op(out, step.kind, [self._name(step.x)], axis=step.axes, keepdims=step.keep)
            case Softmax():
                self._layer(out, "Softmax", [self._name(step.x)], [], axis=step.axis)
            case Reshape():
                self._op(out, "reshape", [self._name(step.x)], newshape=step.output.free)
            case Transpose():
                self._op(out, "transpose", [self._name(step.x)], axes=step.axes)
            case Concat():
                self._layer(out, "Concatenate", [[self._name(x) for x in step.xs]], [], axis=step.axis)
            case Slice():
                ends = [end for end in (step.start, step.stop) if 0 < end < int(step.x.shape[step.axis] or 0)]
                x, item = self._name(step.x), int(step.start > 0)
                self._op(out, "split", [x], item, indices_or_sections=ends, axis=step.axis)
            case TopK():
                self._op(out, "top_k", [self._name(step.x)], 0, k=step.k)
            case _:
                raise TypeError(f"no call for {type(step).__name__}")

    def _clamp(self, step: Clamp, x: str, out: str) -> None:
        if (step.low, step.high) == (0, 6):
            self._layer(out, "ReLU", [x], [], max_value=6.0)
        elif np.isfinite([step.low, step.high]).all():
            self._op(out, "clip", [x], x_min=step.low, x_max=step.high)
        elif np.isfinite(step.low):
            self._op(out, "maximum", [x, step.low])
        else:
            self._op(out, "minimum", [x, step.high])

    def _convolution(self, step: Convolution, x: str, out: str) -> None:
        """Keras takes no dilations with strides, nor single channels with two different strides."""
        dilations, weights, array = step.dilations, step.weights.name, step.weights.wide
        single = step.depthwise and step.strides[0] == step.strides[1]
        if max(dilations) > 1 and (single or max(step.strides) > 1):
            weights, array, dilations = f"{weights}_wide", widened(array, dilations), (1, 1)
        x, padding = self._bordered(step, x, out)
        arguments = {
            "kernel_size": array.shape[2:], "strides": step.strides, "dilation_rate": dilations, "padding": padding,
            "use_bias": step.bias is not None, "data_format": "channels_last",
        }  # fmt: skip
        if single:
            array = array.reshape(step.groups, -1, *array.shape[2:]).transpose(2, 3, 0, 1)
            kind, arguments["depthwise_initializer"] = "DepthwiseConv2D", "zeros"
            arguments["depth_multiplier"] = array.shape[3]
        else:
            array = array.transpose(2, 3, 1, 0)
            kind, arguments["kernel_initializer"] = "Conv2D", "zeros"
            arguments |= {"filters": array.shape[3], "groups": step.groups}
        kernel = self._array(f"{weights}_{kind}", array)
        bias = [self._name(step.bias)] if step.bias is not None else []
        self._layer(out, kind, [x], [kernel, *bias], **arguments)

    def _bordered(self, step: Convolution | Pool, x: str, out: str) -> tuple[str, str]:
        """The value with its border, and the word for the padding that is left to the layer."""
        if not any((*step.before, *step.after)):
            return x, "valid"
        if is_same(step):
            return x, "same"
        number = _LOWEST if isinstance(step, Pool) else 0.0
        return self._pad(x, f"{out}_padded", (0, *step.before, 0), (0, *step.after, 0), number), "valid"

    def _pad(self, x: str, out: str, before: tuple[int, ...], after: tuple[int, ...], number: float) -> str:
        return self._op(out, "pad", [x], pad_width=list(zip(before, after, strict=True)), constant_values=number)

    def _matmul(self, step: MatMul, a: str, out: str) -> None:
        if isinstance(step.b, Constant):
            units, weights = step.b.shape[1], [self._name(step.b)]
            self._layer(out, "Dense", [a], weights, units=units, use_bias=False, kernel_initializer="zeros")
            return
        b = self._name(step.b)
        if step.turn_b:
            order = [*range(step.b.rank - 2), step.b.rank - 1, step.b.rank - 2]
            b = self._op(f"{out}_turned", "transpose", [b], axes=order)
        self._op(out, "matmul", [a, b])
