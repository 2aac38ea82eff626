"""Core ML: an ML Program in an `.mlpackage`, for iOS 16 and macOS 13 and newer. Nothing here runs it: that takes a Mac.

Field numbers and operators: Model.proto, FeatureTypes.proto and MIL.proto of Apple's Core ML format
(https://apple.github.io/coremltools/mlmodel/) and the reference of MIL operators
(https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html). Headers of weights:
mlmodel/src/MILBlob/Blob/StorageFormat.hpp of https://github.com/apple/coremltools.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.disk import atomic
from headstart.export.graph.builder import UnwritableError
from headstart.export.graph.joined import INPUT
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
from headstart.export.wire import data, entry, whole, wholes
from headstart.heads.head import Vectors
from headstart.photos.images import Images

#: Version of the file format and the set of operators that came with iOS 16.
_VERSION, OPSET = 7, "CoreML6"
#: Names of the outputs, those that other converters give: a class name, and the probability of each.
LABEL, PROBABILITIES = "classLabel", "classLabel_probs"
_BOOL, _STRING, _FLOAT16, _FLOAT32, _FLOAT64, _INT32 = 1, 2, 10, 11, 12, 23
#: Kinds of numbers in the file of weights.
_STORED = {_FLOAT16: 1, _FLOAT32: 2}
#: Constants with fewer numbers stand in the program.
_FEW = 10
#: The engine's values have at most so many axes.
_MOST_AXES = 5
_WEIGHTS = "@model_path/weights/weight.bin"
_UNARY = {"abs", "erf", "exp", "floor", "relu", "round", "sigmoid", "sqrt", "tanh"}
_GELU = {"gelu": "EXACT", "gelu_tanh": "TANH_APPROXIMATION"}
_BINARY = {"div": "real_div", "max": "maximum", "min": "minimum"}
_CHECK = Path(__file__).with_name("templates") / "check.py.txt"
_PARTS = {
    "6c1b7a52-3f0e-4c8e-9a57-0d4d2f6b1e01": ("model.mlmodel", "CoreML Model Specification"),
    "6c1b7a52-3f0e-4c8e-9a57-0d4d2f6b1e02": ("weights", "CoreML Model Weights"),
}


def write(subject: Subject, target: Path, checks: Sequence[tuple[Images, Vectors]] = ()) -> None:
    """Write the folder `target` (`.mlpackage`), and beside it `check.py` and `reference.npz`, to try it on a Mac.

    Args:
        subject: what is written.
        target: its folder exists.
        checks: pictures and their probabilities, for `reference.npz`.
    """
    made = _Program(subject.first, subject.classes)
    inside = target / "Data" / "com.apple.CoreML"
    (inside / "weights").mkdir(parents=True)
    atomic.write(inside / "model.mlmodel", made.model())
    atomic.write(inside / "weights" / "weight.bin", made.weights())
    atomic.write(target / "Manifest.json", json.dumps(_manifest(), indent=4))
    atomic.write(target.parent / "check.py", _CHECK.read_text("utf-8"))
    pixels, probabilities = ([pair[i] for pair in checks] for i in (0, 1))
    content = io.BytesIO()
    np.savez_compressed(content, pixels=pixels, probabilities=probabilities, classes=np.array(subject.classes))
    atomic.write(target.parent / "reference.npz", content.getvalue())


def _manifest() -> dict[str, Any]:
    items = {
        key: {"author": "com.apple.CoreML", "description": about, "name": name, "path": f"com.apple.CoreML/{name}"}
        for key, (name, about) in _PARTS.items()
    }
    return {"fileFormatVersion": "1.0.0", "itemInfoEntries": items, "rootModelIdentifier": next(iter(_PARTS))}


class _Program:
    """An ML Program in the making, for one picture at a time: the batch is 1."""

    def __init__(self, program: Program, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._picture = (1, 3, *(int(size or 1) for size in program.picture.shape[1:3]))
        self._operations: list[bytes] = []
        self._blobs: list[bytes] = []
        self._offset = 64
        self._known: set[str] = set()
        #: Sizes of values by name; and the names of those that stand for values with more axes than the engine takes.
        self._shapes: dict[str, tuple[int, ...]] = {program.picture.name: self._picture}
        self._folded: dict[str, str] = {}
        for step in program.steps:
            self._shapes[step.output.name] = self._shape(step)
            self._step(step)
        self._classify(program.result.name)

    def weights(self) -> bytes:
        """The file of weights: how many there are, and each with a header."""
        return struct.pack("<II56x", len(self._blobs), 2) + b"".join(self._blobs)

    def model(self) -> bytes:
        """A Model: its description and the program."""
        _, _, height, width = self._picture
        image = data(4, whole(1, width) + whole(2, height) + whole(3, 20))
        about = f"Classifies a picture as one of {len(self._classes)} classes."
        metadata = data(1, about) + data(3, "headstart")
        description = data(1, data(1, INPUT) + data(2, "RGB, resized as README.md describes") + data(3, image))
        description += data(10, data(1, LABEL) + data(3, data(3, b"")))
        description += data(10, data(1, PROBABILITIES) + data(3, data(6, data(2, b""))))
        description += data(11, LABEL) + data(12, PROBABILITIES) + data(100, metadata)
        block = data(2, LABEL) + data(2, PROBABILITIES) + b"".join(data(3, one) for one in self._operations)
        function = data(1, _described(INPUT, _tensor(_FLOAT32, self._picture)))
        function += data(2, OPSET) + entry(3, OPSET, block)
        return whole(1, _VERSION) + data(2, description) + data(502, whole(1, 1) + entry(2, "main", function))

    def _shape(self, step: Step) -> tuple[int, ...]:
        """Sizes of a step's output: of the axis that depends on the batch, what it is for one picture."""
        known = prod(size for size in step.output.shape if size is not None)
        if isinstance(step, Reshape):
            open_size = prod(self._shapes[step.x.name]) // known
        else:
            values = [one for one in step.operands if isinstance(one, Value)]
            open_size = max(self._shapes[one.name][one.shape.index(None)] for one in values if None in one.shape)
        return tuple(open_size if size is None else size for size in step.output.shape)

    def _operand(self, operand: Operand) -> bytes:
        if isinstance(operand, Value):
            if operand.name in self._folded:
                raise UnwritableError("Reshape", f"to {operand.rank} axes; Core ML takes at most {_MOST_AXES}")
            return _named(operand.name)
        if operand.name not in self._known:
            self._known.add(operand.name)
            self._constant(operand.name, operand.array)
        return _named(operand.name)

    def _constant(self, name: str, array: npt.NDArray[Any]) -> None:
        """Float16 and whole numbers, which float16 holds exactly up to 2,048, are stored as float16."""
        kind = _FLOAT32 if array.dtype == np.float32 or array.size < _FEW else _FLOAT16
        stored = array.astype(np.float16 if kind == _FLOAT16 else np.float32)
        value = data(2, _tensor(kind, stored.shape))
        if stored.size < _FEW:
            value += data(3, data(1, data(1, data(1, stored.tobytes()))))
        else:
            value += data(5, data(1, _WEIGHTS) + whole(2, self._blob(stored, _STORED[kind])))
        wide = _described(name, _tensor(_FLOAT32, array.shape))
        if kind == _FLOAT32:
            content = data(1, "const") + entry(5, "val", value)
        else:
            content = (
                data(1, "constexpr_cast") + entry(5, "source_val", value) + entry(5, "output_dtype", _text("fp32"))
            )
        self._operations.append(content + data(3, wide) + entry(5, "name", _text(name)))

    def _blob(self, array: npt.NDArray[Any], kind: int) -> int:
        """Add an array to the file of weights, header and numbers at multiples of 64. Returns where its header is."""
        at, content = self._offset, array.tobytes()
        header = struct.pack("<IIQQ40x", 0xDEADBEEF, kind, len(content), at + 64)
        self._blobs.append(header + content + bytes(-len(content) % 64))
        self._offset += len(self._blobs[-1])
        return at

    def _add(self, kind: str, output: str, shape: tuple[int, ...], dtype: int = _FLOAT32, /, **inputs: Any) -> None:
        """Add an operation; its inputs are `_named`, or numbers, words or lists of whole numbers."""
        self._operation(kind, output, [_described(output, _tensor(dtype, shape))], **inputs)

    def _operation(self, kind: str, name: str, outputs: list[bytes], /, **inputs: Any) -> None:
        parts = [data(1, kind), entry(5, "name", _text(f"{name}_{kind}")), *(data(3, one) for one in outputs)]
        for key, one in inputs.items():
            parts.append(entry(2, key, one if isinstance(one, bytes) else data(1, data(2, _given(one)))))
        self._operations.append(b"".join(parts))

    def _step(self, step: Step) -> None:
        """Add what computes a step; one without a counterpart becomes several operations."""
        out, shape = step.output.name, self._shapes[step.output.name]
        if isinstance(step, Reshape):
            self._reshape(step, out, shape)
            return
        if isinstance(step, Transpose):
            self._transpose(step, out, shape)
            return
        if isinstance(step, Cast):  # Core ML hands over floats, 0..255, with channels first
            self._add("transpose", out, shape, x=_named(INPUT), perm=[0, 2, 3, 1])
            return
        inputs = [self._operand(one) for one in step.operands]
        x = inputs[0]
        match step:
            case Unary(kind="neg"):
                self._add("mul", out, shape, x=x, y=-1.0)
            case Unary(kind="log"):
                self._add("log", out, shape, x=x, epsilon=1e-45)
            case Unary(kind="gelu" | "gelu_tanh"):
                self._add("gelu", out, shape, x=x, mode=_GELU[step.kind])
            case Unary() if step.kind in _UNARY:
                self._add(step.kind, out, shape, x=x)
            case Clamp():
                most = float(np.finfo(np.float32).max)
                self._add("clip", out, shape, x=x, alpha=max(step.low, -most), beta=min(step.high, most))
            case Binary(kind="at_least"):
                self._add("greater_equal", f"{out}_true", shape, _BOOL, x=x, y=inputs[1])
                self._add("cast", out, shape, x=_named(f"{out}_true"), dtype="fp32")
            case Binary():
                self._add(_BINARY.get(step.kind, step.kind), out, shape, x=x, y=inputs[1])
            case Convolution():
                bias: dict[str, Any] = {"bias": inputs[2]} if step.bias is not None else {}
                self._add(
                    "conv", out, shape, x=x, weight=inputs[1], **bias, strides=[*step.strides], pad_type="custom",
                    pad=_borders(step.before, step.after), dilations=[*step.dilations], groups=step.groups,
                )  # fmt: skip
            case Pool():
                more: dict[str, Any] = {"exclude_padding_from_average": True} if step.kind == "mean" else {}
                self._add(
                    "max_pool" if step.kind == "max" else "avg_pool", out, shape, x=x, kernel_sizes=[*step.kernel],
                    strides=[*step.strides], pad_type="custom", pad=_borders(step.before, step.after), ceil_mode=False,
                    **more,
                )  # fmt: skip
            case Pad():
                borders = _borders(step.before, step.after)
                self._add("pad", out, shape, x=x, pad=borders, mode="constant", constant_val=float(step.number))
            case MatMul():
                self._add("matmul", out, shape, x=x, y=inputs[1], transpose_x=False, transpose_y=step.turn_b)
            case Reduce():
                self._add(f"reduce_{step.kind}", out, shape, x=x, axes=[*step.axes], keep_dims=step.keep)
            case Softmax():
                self._add("softmax", out, shape, x=x, axis=step.axis)
            case Concat():
                self._add("concat", out, shape, values=b"".join(inputs), axis=step.axis, interleave=False)
            case Slice():
                begin = [step.start if axis == step.axis else 0 for axis in range(len(shape))]
                self._add("slice_by_size", out, shape, x=x, begin=begin, size=[*shape])
            case TopK():
                tensors = [_described(out, _tensor(_FLOAT32, shape))]
                self._operation(
                    "topk", out, tensors, x=x, k=step.k, axis=step.x.rank - 1, ascending=False, sort=True,
                    return_indices=False,
                )  # fmt: skip
            case _:
                raise TypeError(f"no operation for {type(step).__name__}")

    def _reshape(self, step: Reshape, out: str, shape: tuple[int, ...]) -> None:
        """One with too many axes is left to the transpose or the reshape after it, which merge axes."""
        x = self._folded.get(step.x.name, step.x.name)
        if len(shape) > _MOST_AXES:
            self._folded[out] = x
        else:
            self._add("reshape", out, shape, x=_named(x), shape=[*shape])

    def _transpose(self, step: Transpose, out: str, shape: tuple[int, ...]) -> None:
        x, axes, sizes = step.x.name, list(step.axes), self._shapes[step.x.name]
        if x in self._folded:  # without axes of size 1, and with neighbours that stay neighbours as one
            groups: list[list[int]] = []
            for axis in (one for one in axes if sizes[one] > 1):
                if groups and all(sizes[one] == 1 for one in range(groups[-1][-1] + 1, axis)) and axis > groups[-1][-1]:
                    groups[-1].append(axis)
                else:
                    groups.append([axis])
            order = sorted(range(len(groups)), key=groups.__getitem__)
            merged = [prod(sizes[one] for one in groups[i]) for i in order]
            if len(merged) > _MOST_AXES:
                raise UnwritableError("Transpose", f"of {len(merged)} axes; Core ML takes at most {_MOST_AXES}")
            self._add("reshape", f"{out}_merged", tuple(merged), x=_named(self._folded[x]), shape=merged)
            x, axes, self._folded[out] = f"{out}_merged", [order.index(i) for i in range(len(groups))], f"{out}_turned"
            out, shape = f"{out}_turned", tuple(merged[i] for i in axes)
        self._add("transpose", out, shape, x=_named(x), perm=axes)

    def _classify(self, result: str) -> None:
        """From probabilities to a class name and a dictionary."""
        words = data(2, data(1, _tensor(_STRING, ())) + data(2, data(1, whole(1, len(self._classes)))))
        names = b"".join(data(1, _text(name)) for name in self._classes)
        classes = data(1, data(2, data(2, words) + data(3, data(3, names))))
        pairs = data(4, data(1, _tensor(_STRING, ())) + data(2, _tensor(_FLOAT64, ())))
        outputs = [_described(LABEL, _tensor(_STRING, ())), _described(PROBABILITIES, pairs)]
        self._operation("classify", LABEL, outputs, probabilities=_named(result), classes=classes)


def _borders(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """Before and after of each axis in turn."""
    return [size for pair in zip(before, after, strict=True) for size in pair]


def _tensor(dtype: int, shape: tuple[int, ...]) -> bytes:
    """A ValueType: a tensor; one without axes is a single number or word."""
    sizes = b"".join(data(3, data(1, whole(1, size))) for size in shape)
    return data(1, whole(1, dtype) + whole(2, len(shape)) + sizes)


def _described(name: str, kind: bytes) -> bytes:
    """A NamedValueType."""
    return data(1, name) + data(2, kind)


def _named(name: str) -> bytes:
    """An Argument: the value with this name."""
    return data(1, data(1, name))


def _text(text: str) -> bytes:
    """A Value: a word."""
    return data(2, _tensor(_STRING, ())) + data(3, data(1, data(4, data(1, text))))


def _given(content: bool | float | str | list[int]) -> bytes:
    """A Value: a truth value, a number, a word, or several whole numbers."""
    if isinstance(content, str):
        return _text(content)
    if isinstance(content, list):
        return data(2, _tensor(_INT32, (len(content),))) + data(3, data(1, data(2, wholes(1, content))))
    if isinstance(content, bool):
        return data(2, _tensor(_BOOL, ())) + data(3, data(1, data(3, wholes(1, [content]))))
    if isinstance(content, int):
        return data(2, _tensor(_INT32, ())) + data(3, data(1, data(2, wholes(1, [content]))))
    return data(2, _tensor(_FLOAT32, ())) + data(3, data(1, data(1, data(1, struct.pack("<f", content)))))
