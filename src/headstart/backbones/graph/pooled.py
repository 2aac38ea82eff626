"""The map of a graph before its global mean: features at each place of the picture."""

from __future__ import annotations

from typing import Any

from headstart.backbones.graph.anatomy import constant, inputs_of

#: Steps after the mean that only change the shape or the number format of the vector, or round it.
_FORM = frozenset({"Convert", "FakeQuantize", "Reshape", "Squeeze", "Unsqueeze", "Transpose"})


def map_before(features: Any) -> tuple[Any, list[int]] | None:
    """The tensor whose mean over height and width is the feature; None if the feature is not such a mean.

    Args:
        features: the tensor of the vectors, `(n, dim)`.

    Returns:
        a tensor of four axes, and the order of its axes that makes it `(n, height, width, dim)`.
    """
    value = features
    while value.get_node().get_type_name() in _FORM:
        (value,) = (one for one in inputs_of(value.get_node()) if not constant(one))
    node = value.get_node()
    if node.get_type_name() not in ("ReduceMean", "AvgPool") or node.input_value(0).get_partial_shape().rank != 4:
        return None
    before, after = _sides(node.input_value(0)), _sides(value)
    if len(after) == 4:  # all axes are kept
        places = [axis for axis in (1, 2, 3) if after[axis] == 1 < before[axis]]
    else:
        axes = node.input_value(1).get_node()
        places = sorted(int(axis) % 4 for axis in axes.data.ravel()) if axes.get_type_name() == "Constant" else []
    if node.get_type_name() == "AvgPool" and list(node.get_attributes()["kernel"]) != before[2:]:
        return None
    if len(places) != 2 or 0 in places or max(before[axis] for axis in places) < 2:
        return None
    (channels,) = {1, 2, 3} - set(places)
    return node.input_value(0), [0, *places, channels]


def _sides(value: Any) -> list[int]:
    """The length of each axis; 0 where any is possible."""
    return [axis.get_length() if axis.is_static else 0 for axis in value.get_partial_shape()]
