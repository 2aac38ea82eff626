"""OpenVINO's graph -> plain steps. Each kind of operation has a function in `operations` or `windows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.export.graph import operations, windows
from headstart.export.graph.builder import Builder, UnwritableError, fused
from headstart.export.graph.node import Node, Source
from headstart.export.graph.steps import Cast, Constant, Program, Value

_HANDLERS: dict[str, Callable[[Builder, Node], Source | list[Value]]] = {**operations.HANDLERS, **windows.HANDLERS}
#: Types of whole numbers that a quantised model counts in: what is converted to them has been rounded before.
_FLOATS = ("f16", "bf16", "f32", "f64")
_CAST_FROM = "Convert"


def simplified(model: Any) -> Any:
    """The graph with constants computed and operations fused; the same object.

    `apply_moc_transformations` is what OpenVINO's own converters call. It is in a private module, so a test holds it.
    """
    engine()
    from openvino._offline_transformations import apply_moc_transformations
    from openvino.passes import ConstantFolding, Manager

    apply_moc_transformations(model, cf=True)
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)
    return model


def translate(model: Any) -> Program:
    """The steps of a graph from uint8 pictures to probabilities.

    Args:
        model: `openvino.Model` with one input, uint8 `(1, height, width, 3)`, and one output `(1, k)`. It is changed.

    Raises:
        UnwritableError: an operation cannot be expressed in steps.
    """
    model = simplified(model)
    builder = Builder()
    found: dict[tuple[str, int], Source] = {}
    picture: Value | None = None
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Parameter":
            _, *sizes = (int(size) for size in node.get_output_shape(0))
            picture = Value("image", (None, *sizes), "uint8")
            found[node.get_name(), 0] = picture
        elif kind == "Constant":
            found[node.get_name(), 0] = node.get_data()
        elif kind == "Result":
            value = node.input_value(0)
            result = found[value.get_node().get_name(), value.get_index()]
        else:
            inputs = [found[v.get_node().get_name(), v.get_index()] for v in node.input_values()]
            outputs = _outputs(builder, Node(node, inputs))
            found |= {(node.get_name(), index): output for index, output in enumerate(outputs)}
    assert isinstance(result, Value)
    assert picture is not None
    return fused(Program(picture, tuple(builder.steps), result))


def _outputs(builder: Builder, node: Node) -> list[Source]:
    if all(isinstance(one, np.ndarray) for one in node.inputs):
        return node.computed()
    if node.kind == _CAST_FROM:
        return [_converted(builder, node)]
    handler = _HANDLERS.get(node.kind)
    if handler is None:
        raise UnwritableError(node.kind)
    made = handler(builder, node)
    return list(made) if isinstance(made, list) else [made]


def _converted(builder: Builder, node: Node) -> Source:
    """A change of the number type. Only the picture's matters: all other numbers are float32 in steps."""
    x = node.inputs[0]
    if isinstance(x, Value) and x.dtype == "uint8":
        return builder.add(Cast, x.shape, x)
    if isinstance(x, Value) and node.output_type not in _FLOATS and not builder.is_whole(x):
        raise UnwritableError("Convert", f"to {node.output_type}")
    return x


__all__ = ["Constant", "simplified", "translate"]
