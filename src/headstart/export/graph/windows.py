"""Convolutions and pools of OpenVINO's graph -> steps. All borders become explicit numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from headstart.export.graph.builder import Builder, UnwritableError
from headstart.export.graph.node import Node
from headstart.export.graph.steps import Convolution, Pool, Value

Pair = tuple[int, int]


def _pair(numbers: Sequence[int], kind: str) -> Pair:
    if len(numbers) != 2:
        raise UnwritableError(kind, f"with {len(numbers)} dimensions")
    return int(numbers[0]), int(numbers[1])


def _borders(node: Node, sizes: Sequence[int], kernel: Pair, strides: Pair, dilations: Pair) -> tuple[Pair, Pair]:
    """Sizes of the borders before and after, as the attributes state them or `auto_pad` implies."""
    attributes = node.attributes
    mode = str(attributes.get("auto_pad", "explicit")).lower()
    if mode == "valid":
        return (0, 0), (0, 0)
    if mode in ("same_upper", "same_lower"):
        before, after = [], []
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
            total = max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            small, large = total // 2, total - total // 2
            before.append(small if mode == "same_upper" else large)
            after.append(large if mode == "same_upper" else small)
        return _pair(before, node.kind), _pair(after, node.kind)
    return _pair(attributes["pads_begin"], node.kind), _pair(attributes["pads_end"], node.kind)


def convolution(builder: Builder, node: Node) -> Value:
    """`Convolution` and `GroupConvolution`; the weights of the latter have one axis more, for the groups."""
    x, weights = node.value(), node.known(1)
    groups = 1
    if node.kind == "GroupConvolution":
        groups = weights.shape[0]
        weights = weights.reshape(prod(weights.shape[:2]), *weights.shape[2:])
    if weights.ndim != 4:
        raise UnwritableError(node.kind, f"with {weights.ndim - 2} dimensions")
    strides, dilations = (_pair(node.attributes[name], node.kind) for name in ("strides", "dilations"))
    sizes = [int(size or 1) for size in x.shape[2:]]
    before, after = _borders(node, sizes, _pair(weights.shape[2:], node.kind), strides, dilations)
    shape = (x.shape[0], *node.shape()[1:])
    kernel = builder.constant(np.ascontiguousarray(weights))
    return builder.add(Convolution, shape, x, kernel, None, strides, dilations, before, after, groups)


def _windows(node: Node) -> tuple[Value, Pair, Pair, Pair, Pair, Pair]:
    """Value, kernel, strides, border before, border after, and what the windows reach beyond the value."""
    x = node.value()
    kernel, strides = (_pair(node.attributes[name], node.kind) for name in ("kernel", "strides"))
    dilations = node.attributes.get("dilations") or (1, 1)
    if any(int(one) != 1 for one in dilations):
        raise UnwritableError(node.kind, "with dilations")
    sizes = [int(size or 1) for size in x.shape[2:]]
    before, after = _borders(node, sizes, kernel, strides, (1, 1))
    # The number of windows may be rounded up: then the last one reaches further than the border.
    counts = node.shape()[2:]
    reach = tuple(
        max((count - 1) * stride + k - size - low, 0)
        for count, stride, k, size, low in zip(counts, strides, kernel, sizes, before, strict=True)
    )
    return x, kernel, strides, before, after, _pair(reach, node.kind)


def max_pool(builder: Builder, node: Node) -> list[Value]:
    """`MaxPool`; its second output, the positions, is not written."""
    x, kernel, strides, before, _, reach = _windows(node)
    shape = (x.shape[0], *node.shape()[1:])
    return [builder.add(Pool, shape, "max", x, kernel, strides, before, reach)]


def avg_pool(builder: Builder, node: Node) -> Value:
    """`AvgPool`: a border of zeros, the mean of whole windows, and a factor where not all of a window counts."""
    x, kernel, strides, before, after, reach = _windows(node)
    sizes = [int(size or 1) for size in x.shape[2:]]
    if kernel == tuple(sizes) and not any((*before, *reach)):
        return builder.reduce("mean", x, [2, 3], keep=True)
    padded = builder.pad(x, (0, 0, *before), (0, 0, *reach), 0.0)
    shape = (x.shape[0], *node.shape()[1:])
    means = builder.add(Pool, shape, "mean", padded, kernel, strides)
    alone = bool(node.attributes.get("exclude-pad", node.attributes.get("exclude_pad", False)))
    counts = []
    for axis in range(2):
        low, high = (0, sizes[axis]) if alone else (-before[axis], sizes[axis] + after[axis])
        starts = np.arange(node.shape()[2 + axis]) * strides[axis] - before[axis]
        counts.append(np.minimum(starts + kernel[axis], high) - np.maximum(starts, low))
    factor = prod(kernel) / np.outer(*counts)
    return means if np.all(factor == 1) else builder.binary("mul", means, builder.constant(factor[None, None]))


HANDLERS: dict[str, Callable[[Builder, Node], Value | list[Value]]] = {
    "Convolution": convolution,
    "GroupConvolution": convolution,
    "MaxPool": max_pool,
    "AvgPool": avg_pool,
}
