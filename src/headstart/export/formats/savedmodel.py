"""TensorFlow SavedModel: a folder with one graph, a free batch, and class names as an asset.

The constants are in the graph, so there are no variables. Field numbers: the .proto files in tensorflow/core/framework
and tensorflow/core/protobuf of https://github.com/tensorflow/tensorflow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.disk import atomic
from headstart.errors import ExportError
from headstart.export.formats.graphdef import FLOAT, Attribute, Node, Sizes, nodes
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.graph.steps import Program, Shape
from headstart.export.subject import Subject
from headstart.export.wire import data, entry, whole, wholes

#: Version of the graph: that of TensorFlow 2.12. One without a version is taken for one of 2015.
PRODUCER = 1394
#: The most that a protocol buffer can hold.
_MOST = 2**31 - 1
_TYPES = {"float32": 1, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "bool": 10, "float16": 19}
_STRING = 7
_CLASSES = "classes.txt"
_FILE = "classes_file"


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a folder.

    Raises:
        ExportError: the graph is larger than TensorFlow can read.
    """
    content = encoded(subject.last)
    if len(content) > _MOST:
        raise ExportError(
            f"The model takes {len(content) / 1e9:.1f} GB, but TensorFlow reads at most 2.1 GB in one SavedModel.\n"
            "Choose float16, which halves it, or the format openvino."
        )
    for folder in ("variables", "assets"):  # the first is expected by some readers even when it is empty
        (target / folder).mkdir(parents=True, exist_ok=True)
    atomic.write(target / "assets" / _CLASSES, "".join(f"{name}\n" for name in subject.classes))
    atomic.write(target / "saved_model.pb", content)


def encoded(program: Program) -> bytes:
    """The bytes of `saved_model.pb` (a SavedModel)."""
    graph = b"".join(data(1, _node(node)) for node in nodes(program)) + data(1, _path()) + data(4, whole(1, PRODUCER))
    picture, result = program.picture.shape, program.result.shape
    signature = entry(1, INPUT, _described(INPUT, np.dtype(np.uint8), picture))
    signature += entry(2, OUTPUT, _described(OUTPUT, FLOAT, result)) + data(3, "tensorflow/serving/predict")
    asset = data(1, data(1, f"{_FILE}:0")) + data(2, _CLASSES)
    info = data(4, "serve") + whole(7, 1)  # attributes with their usual content are left out
    meta = data(1, info) + data(2, graph) + entry(5, "serving_default", signature) + data(6, asset)
    return whole(1, 1) + data(2, meta)


def _node(node: Node) -> bytes:
    """A NodeDef."""
    inputs = b"".join(data(3, one) for one in node.inputs)
    attributes = b"".join(entry(5, name, _attribute(content)) for name, content in node.attributes.items())
    return data(1, node.name) + data(2, node.op) + inputs + attributes


def _path() -> bytes:
    """A node that is the path of the file with the class names where the folder is now."""
    text = data(8, whole(1, _STRING) + data(2, b"") + data(8, _CLASSES))
    return data(1, _FILE) + data(2, "Const") + entry(5, "dtype", whole(6, _STRING)) + entry(5, "value", text)


def _attribute(content: Attribute) -> bytes:
    """An AttrValue."""
    match content:
        case bool():
            return whole(5, content)
        case int():
            return whole(3, content)
        case str():
            return data(2, content)
        case tuple():
            return data(1, wholes(3, content))
        case np.dtype():
            return whole(6, _TYPES[content.name])
        case Sizes():
            return data(7, _shape(content.sizes))
    return data(8, _tensor(content))


def _tensor(array: npt.NDArray[Any]) -> bytes:
    """A TensorProto."""
    return whole(1, _TYPES[array.dtype.name]) + data(2, _shape(array.shape)) + data(4, array.tobytes())


def _shape(sizes: Shape) -> bytes:
    """A TensorShapeProto; the batch is -1."""
    return b"".join(data(2, whole(1, -1 if size is None else size)) for size in sizes)


def _described(name: str, dtype: np.dtype[Any], shape: Shape) -> bytes:
    """A TensorInfo."""
    return data(1, f"{name}:0") + whole(2, _TYPES[dtype.name]) + data(3, _shape(shape))
