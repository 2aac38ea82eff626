"""TensorFlow.js graph model: `model.json` and one file of weights, class names in the metadata.

The JSON form: tfjs-core/src/io/types.ts (ModelJSON) and tfjs-converter/src/data/compiled_api.ts of
https://github.com/tensorflow/tfjs. The graph is TensorFlow's GraphDef as protocol buffers are written in JSON.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.disk import atomic
from headstart.export.formats.graphdef import Attribute, Node, Sizes, nodes
from headstart.export.formats.savedmodel import PRODUCER
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.graph.steps import Shape, Value
from headstart.export.subject import Subject

MODEL, WEIGHTS = "model.json", "weights.bin"
_TYPES = {
    "float32": "DT_FLOAT", "int32": "DT_INT32", "uint8": "DT_UINT8", "int16": "DT_INT16", "int8": "DT_INT8",
    "bool": "DT_BOOL", "float16": "DT_HALF",
}  # fmt: skip
#: How the loader turns stored numbers into float32: `stored * scale + min`.
_STORED: dict[str, dict[str, Any]] = {
    "float16": {"dtype": "float16", "original_dtype": "float32"},
    "int8": {"dtype": "uint8", "scale": 1, "min": -(2**7), "original_dtype": "float32"},
    "int16": {"dtype": "uint16", "scale": 1, "min": -(2**15), "original_dtype": "float32"},
}


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a folder."""
    description, weights = encoded(subject)
    target.mkdir(parents=True, exist_ok=True)
    atomic.write(target / WEIGHTS, weights)
    atomic.write(target / MODEL, json.dumps(description, ensure_ascii=False))


def encoded(subject: Subject) -> tuple[dict[str, Any], bytes]:
    """The content of `model.json`, and the weights."""
    program = subject.last
    graph = _widened(nodes(program))
    constants = [(node.name, node.attributes["value"]) for node in graph if node.op == "Const"]
    arrays = [(name, array) for name, array in constants if isinstance(array, np.ndarray)]
    description = {
        "format": "graph-model",
        "generatedBy": "headstart",
        "convertedBy": None,
        "signature": {
            "inputs": {INPUT: _described(INPUT, program.picture)},
            "outputs": {OUTPUT: _described(OUTPUT, program.result)},
        },
        "userDefinedMetadata": {"classes": list(subject.classes)},
        "modelTopology": {"node": [_node(node) for node in graph], "versions": {"producer": PRODUCER}},
        "weightsManifest": [{"paths": [WEIGHTS], "weights": [_weight(name, array) for name, array in arrays]}],
    }
    return description, b"".join(_stored(array).tobytes() for _, array in arrays)


def _widened(graph: list[Node]) -> list[Node]:
    """Without the casts of small constants: the loader makes them float32."""
    constants = {node.name: node for node in graph if node.op == "Const"}
    casts = {node.inputs[0]: node.name for node in graph if node.op == "Cast" and node.inputs[0] in constants}
    return [replace(node, name=casts.get(node.name, node.name)) for node in graph if node.name not in casts.values()]


def _node(node: Node) -> dict[str, Any]:
    attributes = {name: _attribute(content) for name, content in node.attributes.items() if name != "value"}
    if node.op == "Const":  # what it holds is in the weights, and of a type that the loader makes
        attributes["dtype"] = {"type": _TYPES[_loaded(node.attributes["dtype"])]}
    return {"name": node.name, "op": node.op, "input": list(node.inputs), "attr": attributes}


def _attribute(content: Attribute) -> dict[str, Any]:
    match content:
        case bool():
            return {"b": content}
        case int():
            return {"i": str(content)}
        case str():
            return {"s": b64encode(content.encode()).decode()}
        case tuple():
            return {"list": {"i": [str(one) for one in content]}}
        case np.dtype():
            return {"type": _TYPES[content.name]}
        case Sizes():
            return {"shape": _shape(content.sizes)}
    raise TypeError(f"no JSON for {type(content).__name__}")


def _shape(sizes: Shape) -> dict[str, Any]:
    return {"dim": [{"size": str(-1 if size is None else size)} for size in sizes]}


def _described(name: str, value: Value) -> dict[str, Any]:
    """A TensorInfo."""
    return {"name": f"{name}:0", "dtype": _TYPES[value.dtype], "tensorShape": _shape(value.shape)}


def _loaded(dtype: Any) -> str:
    """Name of the type that stored numbers become."""
    return "float32" if dtype.name in _STORED else str(dtype.name)


def _weight(name: str, array: npt.NDArray[Any]) -> dict[str, Any]:
    """An entry of the manifest."""
    entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": _loaded(array.dtype)}
    if array.dtype.name in _STORED:
        entry["quantization"] = _STORED[array.dtype.name]
    return entry


def _stored(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As the manifest has it: whole numbers without a sign."""
    if array.dtype == np.int8:
        return (array.astype(np.int16) + 2**7).astype(np.uint8)
    if array.dtype == np.int16:
        return (array.astype(np.int32) + 2**15).astype(np.uint16)
    return array
