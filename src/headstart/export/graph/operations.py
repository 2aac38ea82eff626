"""How each of OpenVINO's operations becomes steps; those with windows (convolutions, pools) are in `windows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from headstart.export.graph.builder import Builder, UnwritableError
from headstart.export.graph.node import Node, Source
from headstart.export.graph.steps import BinaryKind, Cast, MatMul, Quantize, TopK, UnaryKind, Value

Handler = Callable[[Builder, Node], Source | list[Value]]
HANDLERS: dict[str, Handler] = {}


def operation(*kinds: str) -> Callable[[Handler], Handler]:
    """Register a function for these kinds of operations."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


_UNARY: dict[str, UnaryKind] = {
    "Abs": "abs", "Erf": "erf", "Exp": "exp", "Floor": "floor", "Log": "log", "Negative": "neg", "Relu": "relu",
    "Sigmoid": "sigmoid", "Sqrt": "sqrt", "Tanh": "tanh",
}  # fmt: skip
_BINARY: dict[str, BinaryKind] = {
    "Add": "add", "Subtract": "sub", "Multiply": "mul", "Divide": "div", "Maximum": "max", "Minimum": "min",
    "GreaterEqual": "at_least",
}  # fmt: skip
_REDUCE = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min"}
assert set(_UNARY.values()) < set(get_args(UnaryKind))


@operation(*_UNARY)
def _unary(builder: Builder, node: Node) -> Value:
    return builder.unary(_UNARY[node.kind], node.value())


@operation("Round")
def _round(builder: Builder, node: Node) -> Value:
    if node.attributes["mode"] != "half_to_even":
        raise UnwritableError("Round", "halves away from zero")
    return builder.unary("round", node.value())


@operation("Gelu")
def _gelu(builder: Builder, node: Node) -> Value:
    exact = str(node.attributes.get("approximation_mode", "ERF")).upper() == "ERF"
    return builder.unary("gelu" if exact else "gelu_tanh", node.value())


@operation(*_BINARY)
def _binary(builder: Builder, node: Node) -> Value:
    return builder.binary(_BINARY[node.kind], node.operand(builder, 0), node.operand(builder, 1))


@operation("Power")
def _power(builder: Builder, node: Node) -> Value:
    exponent = node.inputs[1]
    if isinstance(exponent, Value) or exponent.size != 1:
        return builder.binary("pow", node.operand(builder, 0), node.operand(builder, 1))
    x, number = node.value(), float(exponent.reshape(-1)[0])
    if number == 2:
        return builder.binary("mul", x, x)
    if number == 0.5:
        return builder.unary("sqrt", x)
    if number == -0.5:
        return builder.binary("div", builder.constant(1.0), builder.unary("sqrt", x))
    return builder.binary("pow", x, number)


@operation("SquaredDifference")
def _squared_difference(builder: Builder, node: Node) -> Value:
    difference = builder.binary("sub", node.operand(builder, 0), node.operand(builder, 1))
    return builder.binary("mul", difference, difference)


@operation("Clamp")
def _clamp(builder: Builder, node: Node) -> Value:
    return builder.clamp(node.value(), float(node.attributes["min"]), float(node.attributes["max"]))


@operation("Swish")
def _swish(builder: Builder, node: Node) -> Value:
    x = node.value()
    scaled = builder.binary("mul", x, node.operand(builder, 1)) if len(node.inputs) > 1 else x
    return builder.binary("mul", x, builder.unary("sigmoid", scaled))


@operation("HSwish", "HSigmoid")
def _hard(builder: Builder, node: Node) -> Value:
    x = node.value()
    gate = builder.binary("mul", builder.clamp(builder.binary("add", x, 3.0), 0.0, 6.0), 1 / 6)
    return gate if node.kind == "HSigmoid" else builder.binary("mul", x, gate)


@operation("HardSigmoid")
def _hard_sigmoid(builder: Builder, node: Node) -> Value:
    line = builder.binary("mul", node.value(), node.operand(builder, 1))
    return builder.clamp(builder.binary("add", line, node.operand(builder, 2)), 0.0, 1.0)


def _softplus(builder: Builder, x: Value) -> Value:
    """`max(x, 0) + log(1 + exp(-|x|))`: the same as `log(1 + exp(x))`, without overflow."""
    small = builder.unary("exp", builder.unary("neg", builder.unary("abs", x)))
    return builder.binary("add", builder.unary("relu", x), builder.unary("log", builder.binary("add", small, 1.0)))


@operation("SoftPlus")
def _soft_plus(builder: Builder, node: Node) -> Value:
    return _softplus(builder, node.value())


@operation("Mish")
def _mish(builder: Builder, node: Node) -> Value:
    return builder.binary("mul", node.value(), builder.unary("tanh", _softplus(builder, node.value())))


@operation("Elu")
def _elu(builder: Builder, node: Node) -> Value:
    x = node.value()
    below = builder.binary("add", builder.unary("exp", builder.clamp(x, -np.inf, 0.0)), -1.0)
    scaled = builder.binary("mul", below, float(node.attributes["alpha"]))
    return builder.binary("add", builder.unary("relu", x), scaled)


@operation("PRelu")
def _prelu(builder: Builder, node: Node) -> Value:
    x, slope = node.value(), node.known(1)
    if slope.ndim == 1 and slope.size > 1:  # a slope for each channel
        slope = slope.reshape(-1, *(1,) * (x.rank - 2))
    below = builder.binary("mul", builder.unary("relu", builder.unary("neg", x)), builder.constant(slope))
    return builder.binary("sub", builder.unary("relu", x), below)


@operation("BatchNormInference")
def _batch_norm(builder: Builder, node: Node) -> Value:
    x, (gamma, beta, mean, variance) = node.value(), (node.known(i).astype(np.float64) for i in range(1, 5))
    scale = gamma / np.sqrt(variance + float(node.attributes["epsilon"]))
    tail = (1,) * (x.rank - 2)
    scaled = builder.binary("mul", x, builder.constant(scale.reshape(-1, *tail)))
    return builder.binary("add", scaled, builder.constant((beta - mean * scale).reshape(-1, *tail)))


@operation("MVN")
def _mvn(builder: Builder, node: Node) -> Value:
    """Mean and variance normalised: layer, instance and group normalisation."""
    x, attributes = node.value(), node.attributes
    axes = node.axes(1, x.rank)
    centred = builder.binary("sub", x, builder.reduce("mean", x, axes, keep=True))
    if not attributes["normalize_variance"]:
        return centred
    variance = builder.reduce("mean", builder.binary("mul", centred, centred), axes, keep=True)
    epsilon = float(attributes["eps"])
    if str(attributes["eps_mode"]).lower() == "inside_sqrt":
        return builder.binary("div", centred, builder.unary("sqrt", builder.binary("add", variance, epsilon)))
    return builder.binary("div", centred, builder.binary("add", builder.unary("sqrt", variance), epsilon))


@operation("NormalizeL2")
def _normalize_l2(builder: Builder, node: Node) -> Value:
    x, epsilon = node.value(), float(node.attributes["eps"])
    total = builder.reduce("sum", builder.binary("mul", x, x), node.axes(1, x.rank), keep=True)
    largest = str(node.attributes["eps_mode"]).lower() == "max"
    bounded = builder.binary("max" if largest else "add", total, epsilon)
    return builder.binary("div", x, builder.unary("sqrt", bounded))


@operation(*_REDUCE)
def _reduce(builder: Builder, node: Node) -> Value:
    x = node.value()
    return builder.reduce(_REDUCE[node.kind], x, node.axes(1, x.rank), bool(node.attributes["keep_dims"]))


@operation("ReduceL2", "ReduceL1")
def _norm(builder: Builder, node: Node) -> Value:
    x, keep = node.value(), bool(node.attributes["keep_dims"])
    if node.kind == "ReduceL1":
        return builder.reduce("sum", builder.unary("abs", x), node.axes(1, x.rank), keep)
    total = builder.reduce("sum", builder.binary("mul", x, x), node.axes(1, x.rank), keep)
    return builder.unary("sqrt", total)


@operation("Softmax", "LogSoftmax")
def _softmax(builder: Builder, node: Node) -> Value:
    found = builder.softmax(node.value(), int(node.attributes["axis"]))
    return builder.unary("log", found) if node.kind == "LogSoftmax" else found


@operation("Reshape", "Squeeze", "Unsqueeze")
def _reshape(builder: Builder, node: Node) -> Value:
    return builder.reshape(node.value(), node.shape())


@operation("Transpose")
def _transpose(builder: Builder, node: Node) -> Value:
    x = node.value()
    order = node.known(1)
    return builder.transpose(x, [int(axis) for axis in order] if order.size else list(range(x.rank))[::-1])


@operation("Concat")
def _concat(builder: Builder, node: Node) -> Value:
    parts = [node.operand(builder, i) for i in range(len(node.inputs))]
    return builder.concat(parts, int(node.attributes["axis"]))


@operation("Split", "VariadicSplit")
def _split(builder: Builder, node: Node) -> list[Value]:
    x = node.value()
    if x.dtype == "uint8":  # the picture: all other numbers are float32
        x = builder.add(Cast, x.shape, x)
    (axis,) = node.axes(1, x.rank)
    ends = np.cumsum([node.shape(port)[axis] for port in range(node.op.get_output_size())]).tolist()
    return [builder.slice(x, axis, start, stop) for start, stop in zip([0, *ends], ends, strict=False)]


@operation("Slice", "StridedSlice")
def _slice(builder: Builder, node: Node) -> Value:
    """Which positions are kept is found by slicing their numbers with OpenVINO itself."""
    x, shape = node.value(), node.shape()
    sizes = [1 if size is None else size for size in x.shape]
    kept = []
    for axis, size in enumerate(sizes):
        numbers = np.broadcast_to(np.arange(size).reshape([-1 if i == axis else 1 for i in range(x.rank)]), sizes)
        (chosen,) = Node(node.op, [numbers.astype(np.float32), *node.inputs[1:]]).computed()
        kept.append(np.unique(np.asarray(chosen)).astype(int).tolist())
    for axis, positions in enumerate(kept):
        if positions != list(range(positions[0], positions[-1] + 1)):
            raise UnwritableError(node.kind, "with steps")
        if x.shape[axis] is not None:
            x = builder.slice(x, axis, positions[0], positions[-1] + 1)
    return builder.reshape(x, shape)


#: Most pieces that a gather with indices in no order is cut into.
_PIECES = 64


@operation("Gather")
def _gather(builder: Builder, node: Node) -> Value:
    x, indices = node.value(), node.known(1)
    (axis,) = node.axes(2, x.rank)
    size = x.shape[axis]
    if size is None:
        raise UnwritableError("Gather", "of the pictures of a batch")
    order = [int(i) % size for i in indices.reshape(-1)]
    breaks = [i for i in range(1, len(order)) if order[i] != order[i - 1] + 1]
    if len(breaks) >= _PIECES:
        raise UnwritableError("Gather", "of indices in no order")
    runs = [order[start:stop] for start, stop in zip([0, *breaks], [*breaks, len(order)], strict=True)]
    pieces = [builder.slice(x, axis, run[0], run[-1] + 1) for run in runs]
    return builder.reshape(builder.concat(pieces, axis) if len(pieces) > 1 else pieces[0], node.shape())


@operation("Pad")
def _pad(builder: Builder, node: Node) -> Value:
    if str(node.attributes["pad_mode"]).lower() != "constant" or min(*node.known(1), *node.known(2)) < 0:
        raise UnwritableError("Pad", "other than with a number")
    number = float(node.known(3).reshape(-1)[0]) if len(node.inputs) > 3 else 0.0
    return builder.pad(node.value(), node.known(1).tolist(), node.known(2).tolist(), number)


@operation("Broadcast")
def _broadcast(builder: Builder, node: Node) -> Value:
    return builder.binary("mul", node.value(), builder.constant(np.ones(node.shape())))


@operation("Tile")
def _tile(builder: Builder, node: Node) -> Value:
    x = node.value()
    for axis, times in enumerate(node.known(1).tolist()[-x.rank :]):
        x = builder.concat([x] * times, axis) if times > 1 else x
    return x


@operation("ShuffleChannels")
def _shuffle(builder: Builder, node: Node) -> Value:
    x, groups = node.value(), int(node.attributes["group"])
    axis = int(node.attributes["axis"]) % x.rank
    shape = node.shape()
    split = builder.reshape(x, [*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]])
    order = [*range(axis), axis + 1, axis, *range(axis + 2, x.rank + 1)]
    return builder.reshape(builder.transpose(split, order), shape)


@operation("MatMul")
def _matmul(builder: Builder, node: Node) -> Value:
    a, b, turn = node.value(0), node.inputs[1], bool(node.attributes["transpose_b"])
    if node.attributes["transpose_a"]:
        a = builder.transpose(a, [*range(a.rank - 2), a.rank - 1, a.rank - 2])
    if isinstance(b, Value):
        if a.rank != b.rank:
            raise UnwritableError("MatMul", "of values with different numbers of axes")
        width = b.shape[-2 if turn else -1]
        return builder.add(MatMul, (*a.shape[:-1], width), a, b, turn)
    if b.ndim > 2 and b.size == np.prod(b.shape[-2:]):
        b = b.reshape(b.shape[-2:])
    if b.ndim != 2:
        raise UnwritableError("MatMul", "with several matrices of constants")
    weights = builder.constant(np.ascontiguousarray(b.T if turn else b))
    return builder.add(MatMul, (*a.shape[:-1], weights.shape[1]), a, weights)


@operation("ScaledDotProductAttention")
def _attention(builder: Builder, node: Node) -> Value:
    q, k, v = node.value(0), node.value(1), node.value(2)
    if len(node.inputs) > 3 and not (isinstance(node.inputs[3], np.ndarray) and not node.inputs[3].any()):
        raise UnwritableError(node.kind, "with a mask")
    if node.attributes.get("causal") or q.shape[-1] is None:
        raise UnwritableError(node.kind, "causal")
    scale = float(node.known(4).reshape(-1)[0]) if len(node.inputs) > 4 else float(q.shape[-1]) ** -0.5
    scores = builder.add(MatMul, (*q.shape[:-1], k.shape[-2]), q, k, True)
    weights = builder.softmax(builder.binary("mul", scores, scale), -1)
    return builder.add(MatMul, (*q.shape[:-1], v.shape[-1]), weights, v, False)


@operation("TopK")
def _top(builder: Builder, node: Node) -> list[Any]:
    x, k = node.value(), int(node.known(1))
    if node.attributes["mode"] != "max" or int(node.attributes["axis"]) % x.rank != x.rank - 1:
        raise UnwritableError("TopK", "of the smallest, or along another axis than the last")
    return [builder.add(TopK, (*x.shape[:-1], k), x, k)]


@operation("FakeQuantize")
def _quantize(builder: Builder, node: Node) -> Value:
    x = node.value()
    bounds = [builder.constant(node.known(i)) for i in range(1, 5)]
    return builder.add(Quantize, x.shape, x, *bounds, int(node.attributes["levels"]))
