"""A graph's input: which one takes pictures, in which layout, size and number type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from headstart.backbones.hints import Hints
from headstart.errors import BackboneError

DEFAULT_SIZE = (224, 224)


@dataclass(frozen=True)
class Input:
    """Where photos enter: index of the graph's input, place of the channels, size, type of the numbers."""

    index: int
    layout: Literal["NHWC", "NCHW"]
    height: int
    width: int
    type: Literal["float32", "float16", "uint8", "int8"]


def find_input(model: Any, hints: Hints, handle: str) -> Input:
    """The one input of a graph, which takes pictures.

    Raises:
        BackboneError: there are several, or it does not take pictures.
    """
    found = [(i, port) for i, port in enumerate(model.inputs) if _takes_pictures(port)]
    if len(found) != 1 or len(model.inputs) != 1:
        shapes = ", ".join(f"{name_of(port)} {port.partial_shape}" for port in model.inputs)
        raise BackboneError(
            f"{handle} has the inputs {shapes or 'none'}.\nExpected one, of shape (n, height, width, 3) or "
            "(n, 3, height, width): a frozen model for pictures."
        )
    index, port = found[0]
    dims = [d.get_length() if d.is_static else None for d in port.partial_shape]
    # If no side is fixed, the file is from a PyTorch exporter, which puts channels first.
    last = dims[1] != 3 and (dims[3] == 3 or dims[1] is not None)
    layout: Literal["NHWC", "NCHW"] = "NHWC" if last else "NCHW"
    sides = dims[1:3] if layout == "NHWC" else dims[2:4]
    wanted = hints.size or DEFAULT_SIZE
    height, width = (side or free for side, free in zip(sides, wanted, strict=True))
    kind = port.element_type.get_type_name()
    names: dict[str, Any] = {"f32": "float32", "f16": "float16", "u8": "uint8", "i8": "int8"}
    if kind not in names:
        raise BackboneError(f"{handle} takes pictures of type {kind}.\nExpected float32, float16, uint8 or int8.")
    return Input(index, layout, height, width, names[kind])


def _takes_pictures(port: Any) -> bool:
    shape = port.partial_shape
    if shape.rank.is_dynamic or len(shape) != 4:
        return False
    return any(shape[axis].is_dynamic or shape[axis].get_length() == 3 for axis in (1, 3))


def fix_shapes(model: Any, image: Input, handle: str) -> None:
    """Set the shapes to one picture of the input size; a graph with a fixed batch size keeps it."""
    port = model.inputs[image.index]
    batch, side = port.partial_shape[0], (image.height, image.width)
    shape = (*side, 3) if image.layout == "NHWC" else (3, *side)
    try:
        model.reshape({port: [batch.get_length() if batch.is_static else 1, *shape]})
    except RuntimeError as error:
        raise BackboneError(
            f"{handle} does not take pictures of {side[0]}x{side[1]}: {' '.join(str(error).split())[-300:]}\n"
            "Expected a model for that size."
        ) from error
    free = [port for port in model.outputs if port.partial_shape.is_dynamic]
    if free:
        raise BackboneError(
            f"{handle} has outputs whose size depends on the picture: {', '.join(map(name_of, free))}.\n"
            "Expected one vector, one map or one sequence of tokens for each picture."
        )


def name_of(port: Any) -> str:
    """The name of an input or output, for messages."""
    return str(min(port.names, default=port.node.friendly_name))
