"""LiteRT (TensorFlow Lite): a flatbuffer with a free batch, metadata, and class names that MediaPipe reads.

Tables and field numbers: `schema.fbs` of https://github.com/google-ai-edge/LiteRT, version 3.
"""

from __future__ import annotations

from pathlib import Path

from headstart.disk import atomic
from headstart.export.formats.tflite.flat import Flat, offset
from headstart.export.formats.tflite.metadata import metadata, with_labels
from headstart.export.formats.tflite.operators import Graph, Operator, Tensor
from headstart.export.formats.tflite.schema import OPERATORS, TYPES
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.graph.steps import Program
from headstart.export.subject import Subject

_VERSION = 3
#: Codes of operators above this have a wider field of their own, and this one in the old field.
_PLACEHOLDER = 127


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.tflite`."""
    atomic.write(target, encoded(subject.last, subject.classes))


def encoded(program: Program, classes: tuple[str, ...]) -> bytes:
    """The file's bytes."""
    return with_labels(_model(Graph(program), program.bytes), classes)


def _model(graph: Graph, size: int) -> bytes:
    """The flatbuffer of a model."""
    flat = Flat(size + 100_000)
    kinds = sorted({(one.kind, one.version) for one in graph.operators})
    buffers = [b"", metadata()]  # the first is that of all tensors that operators compute
    tensors = []
    for tensor in graph.tensors:
        if tensor.array is not None:
            buffers.append(tensor.array.tobytes())
        tensors.append(_tensor(flat, tensor, 0 if tensor.array is None else len(buffers) - 1))
    operators = [_operator(flat, one, kinds.index((one.kind, one.version))) for one in graph.operators]
    subgraph = flat.table(
        offset(0, flat.offsets(tensors)),
        offset(1, flat.wholes([graph.picture])),
        offset(2, flat.wholes([graph.result])),
        offset(3, flat.offsets(operators)),
        offset(4, flat.text("main")),
    )
    described = flat.table(offset(0, flat.text("TFLITE_METADATA")), (1, "Uint32", 1))
    model = flat.table(
        (0, "Uint32", _VERSION),
        offset(1, flat.offsets([_code(flat, *kind) for kind in kinds])),
        offset(2, flat.offsets([subgraph])),
        offset(3, flat.text("headstart")),
        offset(4, flat.offsets([flat.table(offset(0, flat.data(one))) if one else flat.table() for one in buffers])),
        offset(6, flat.offsets([described])),
        offset(7, flat.offsets([_signature(flat, graph)])),
    )
    return flat.finished(model, b"TFL3")


def _code(flat: Flat, kind: str, version: int) -> int:
    code = OPERATORS[kind][0]
    return flat.table((0, "Int8", min(code, _PLACEHOLDER)), (2, "Int32", version), (3, "Int32", code))


def _tensor(flat: Flat, tensor: Tensor, buffer: int) -> int:
    fields = [
        offset(0, flat.wholes(tensor.shape)),
        (1, "Int8", TYPES[tensor.dtype]),
        (2, "Uint32", buffer),
        offset(3, flat.text(tensor.name)),
    ]
    if tensor.signature is not None:
        fields.append(offset(7, flat.wholes(tensor.signature)))
    return flat.table(*fields, (8, "Bool", True))


def _operator(flat: Flat, operator: Operator, code: int) -> int:
    number, known = OPERATORS[operator.kind][1]
    fields = [(0, "Uint32", code), offset(1, flat.wholes(operator.inputs)), offset(2, flat.wholes(operator.outputs))]
    if number:
        options = flat.table(*((*known[name], content) for name, content in operator.options.items()))
        fields += [(3, "Uint8", number), offset(4, options)]
    return flat.table(*fields)


def _signature(flat: Flat, graph: Graph) -> int:
    """Names of the input and the output for programs that call the model by its signature."""
    maps = [
        flat.offsets([flat.table(offset(0, flat.text(name)), (1, "Uint32", number))])
        for name, number in ((INPUT, graph.picture), (OUTPUT, graph.result))
    ]
    return flat.table(offset(0, maps[0]), offset(1, maps[1]), offset(2, flat.text("serving_default")))
