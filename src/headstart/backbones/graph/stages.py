"""The stages of a model: maps at the end of a stage, through which all information about the picture passes.

Pooled and joined to the feature, they also give a head edges and textures, which the last layer has dropped.
"""

from __future__ import annotations

from typing import Any

from headstart.backbones.graph.anatomy import inputs_of
from headstart.errors import BackboneError

#: Maximum number of stages that are joined, the feature itself included.
MOST = 4
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def stage_maps(model: Any, feature: Any) -> list[Any]:
    """Up to three maps `(n, channels, height, width)` before the feature, the earliest first.

    A map counts if every path from the picture to the feature leads through it, it enters a convolution, and there
    are more channels after it: the end of a stage in MobileNets, EfficientNets and ResNets alike.

    Args:
        model: with fixed shapes and one input.
        feature: the tensor that becomes the feature.

    Raises:
        BackboneError: there is none, as in models with the same width throughout.
    """
    order, inputs = _on_the_way(model, feature.get_node())
    into: dict[str, int] = {}
    for node in order:  # paths from the picture to each node
        above = inputs[node.get_name()]
        into[node.get_name()] = sum(into[value.get_node().get_name()] for value in above) if above else 1
    onward = dict.fromkeys(into, 0)
    onward[order[-1].get_name()] = 1
    for node in reversed(order):  # paths from each node to the feature
        for value in inputs[node.get_name()]:
            onward[value.get_node().get_name()] += onward[node.get_name()]
    ways = into[order[-1].get_name()]
    passed: dict[str, Any] = {}
    seen: set[str] = set()  # after a convolution; before it there is only the picture, transposed and scaled
    for node in order:
        convolves = node.get_type_name() in _CONVOLUTIONS
        if convolves:
            value = node.input_value(0)
            name = value.get_node().get_name()
            if name in seen and into[name] * onward[name] == ways:
                passed[name] = value
        if convolves or any(value.get_node().get_name() in seen for value in inputs[node.get_name()]):
            seen.add(node.get_name())
    maps = list(passed.values())
    widths = [value.get_shape()[1] for value in maps] + [max(feature.get_shape()[1:])]
    ends = [value for value, width, after in zip(maps, widths, widths[1:], strict=False) if after > width]
    ends = [value for value in ends if value.get_node() != feature.get_node() and max(value.get_shape()[2:]) > 1]
    if not ends:
        raise BackboneError(
            "This model has no stages that could be joined.\nExpected a convolutional model that gets wider from "
            "stage to stage. Use --layers last."
        )
    return ends[-(MOST - 1) :]


def _on_the_way(model: Any, end: Any) -> tuple[list[Any], dict[str, list[Any]]]:
    """The nodes from the picture to `end`, in order, and for each its inputs that depend on the picture."""
    inputs: dict[str, list[Any]] = {}
    order: list[Any] = []
    for node in model.get_ordered_ops():
        values = [value for value in inputs_of(node) if value.get_node().get_name() in inputs]
        # Shapes are fixed, so what is computed from them alone does not depend on the picture.
        if node.get_type_name() == "Parameter" or (values and node.get_type_name() != "ShapeOf"):
            inputs[node.get_name()] = values
            order.append(node)
        if node.get_name() == end.get_name():
            break
    return order, inputs
