"""Small graphs that together have every kind of step, as what is exported: their answers come from OpenVINO itself.

`SUBJECTS` has them by name. `answers(subject, pictures)` is what a file written from one has to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import toys
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.subject import Precision, Subject
from toys import conv, dense, numbers, op, ov

SIZE = 16
CLASSES = ("apple", "crème brûlée", "pear <ripe>")


@dataclass(frozen=True)
class ToySubject(Subject):
    """What is exported, made of a graph instead of a classifier."""

    build: Callable[[Any], Any] = lambda x: x

    @property
    def classes(self) -> tuple[str, ...]:
        return CLASSES

    @property
    def is_joined(self) -> bool:
        return False

    def graph(self) -> Any:
        parameter = toys.pictures(1, SIZE, SIZE, 3, kind="u8", name=INPUT)
        picture = toys.channels_first(op.divide(op.convert(parameter, "f32"), np.float32(128)))
        body = self.build(picture)
        shape = body.get_output_shape(0)
        flat = op.reshape(body, np.array([1, int(np.prod(shape))]), False)
        scores = dense(flat, numbers(int(np.prod(shape)), 3, seed=9) / np.float32(np.sqrt(np.prod(shape))))
        result = op.result(op.softmax(scores, 1))
        result.output(0).get_tensor().set_names({OUTPUT})
        return ov.Model([result], [parameter], "toy")


def _weights(*shape: int, seed: int = 0) -> np.ndarray:
    return numbers(*shape, seed=seed) / np.float32(np.sqrt(np.prod(shape[1:])))


def convolutions(x: Any) -> Any:
    """Strides, "same" borders of both kinds, borders that differ, dilation."""
    x = op.convolution(x, _weights(8, 3, 3, 3), [2, 2], [0, 0], [0, 0], [1, 1], "same_upper")
    x = op.convolution(x, _weights(8, 8, 4, 4), [1, 1], [0, 0], [0, 0], [1, 1], "same_lower")
    x = op.add(x, numbers(1, 8, 1, 1))
    x = op.convolution(x, _weights(6, 8, 3, 3), [1, 1], [2, 0], [1, 3], [1, 1])
    return op.convolution(x, _weights(6, 6, 2, 3), [2, 1], [1, 1], [1, 1], [2, 2])


def grouped(x: Any) -> Any:
    """Two groups; each channel by itself, also with dilation and with two strides; two outputs for each channel."""
    x = conv(x, _weights(8, 3, 1, 1))
    x = op.group_convolution(x, _weights(2, 4, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    x = op.group_convolution(x, _weights(8, 1, 1, 3, 3), [2, 2], [0, 0], [1, 1], [1, 1])
    x = op.add(x, numbers(1, 8, 1, 1))
    x = op.group_convolution(x, _weights(8, 1, 1, 3, 3, seed=1), [1, 1], [2, 2], [2, 2], [2, 2])
    x = op.group_convolution(x, _weights(8, 1, 1, 3, 2), [2, 1], [1, 0], [1, 1], [1, 1])
    return op.group_convolution(x, _weights(8, 2, 1, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])


def pools(x: Any) -> Any:
    """Borders that count and that don't, numbers of windows rounded up and down, the whole map."""
    x = op.subtract(x, np.float32(1.5))  # below zero: a border of zeros would win
    most = op.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3], "ceil").output(0)
    alone = op.avg_pool(x, [2, 2], [1, 1], [1, 1], [3, 3], True, "floor")
    counted = op.avg_pool(x, [2, 2], [1, 1], [1, 1], [3, 3], False, "floor")
    rounded = op.avg_pool(x, [3, 3], [0, 0], [0, 0], [2, 2], False, "ceil")
    whole = op.avg_pool(x, [1, 1], [0, 0], [0, 0], [SIZE, SIZE], False, "floor")
    return op.concat([_flat(one) for one in (most, alone, counted, rounded, whole)], 1)


def activations(x: Any) -> Any:
    """Every function of a single number."""
    x = op.subtract(x, np.float32(1.0))
    positive = op.add(op.abs(x), np.float32(0.1))
    wide, far = op.multiply(x, np.float32(3)), op.multiply(x, np.float32(6))
    apart = op.subtract(op.gelu(wide, "erf"), op.gelu(wide, "tanh"))  # by 5e-4 at most
    found = [
        op.relu(x), op.sigmoid(x), op.tanh(x), op.exp(x), op.erf(x), op.floor(wide),
        op.log(positive), op.sqrt(positive), op.negative(x), op.clamp(x, -0.5, 0.25), op.swish(x), op.hswish(far),
        op.hsigmoid(far), op.softplus(x), op.mish(x), op.elu(x, 0.7), op.gelu(x, "erf"), op.gelu(x, "tanh"),
        op.multiply(apart, np.float32(100)),
        op.prelu(x, numbers(3)), op.round(op.multiply(x, np.float32(2.5)), "half_to_even"),
        op.hard_sigmoid(x, np.float32(0.2), np.float32(0.5)), op.power(positive, np.float32(1.7)),
        op.power(positive, np.float32(-0.5)),
    ]  # fmt: skip
    return _pooled(op.concat(found, 1))


def arithmetic(x: Any) -> Any:
    """Two values, or a value and a constant, of shapes that are broadcast."""
    x = conv(x, _weights(4, 3, 3, 3))
    gate = op.sigmoid(conv(op.reduce_mean(x, np.array([2, 3]), True), _weights(4, 4, 1, 1)))
    y = op.multiply(x, gate)
    y = op.subtract(numbers(4, 1, 1), y)
    y = op.maximum(y, op.multiply(x, np.float32(0.3)))
    y = op.minimum(y, numbers(1, 1, 14, 14))
    y = op.divide(y, op.add(op.abs(x), np.float32(1)))
    y = op.add(y, op.squared_difference(x, numbers(1, 4, 14, 1)))
    return op.multiply(op.convert(op.greater_equal(y, x), "f32"), y)


def shapes(x: Any) -> Any:
    """Axes exchanged, split, merged, cut, joined, padded and repeated."""
    x = conv(x, _weights(8, 3, 1, 1))
    windows = op.reshape(x, np.array([1, 8, 4, 4, 4, 4]), False)
    windows = op.transpose(windows, np.array([0, 2, 4, 3, 5, 1]))
    windows = op.reshape(windows, np.array([16, 16, 8]), False)
    windows = op.softmax(windows, 1)
    back = op.reshape(windows, np.array([1, 4, 4, 4, 4, 8]), False)
    back = op.reshape(op.transpose(back, np.array([0, 5, 1, 3, 2, 4])), np.array([1, 8, 16, 16]), False)
    first, second = op.variadic_split(back, np.array(1), np.array([3, 5])).outputs()
    mixed = op.concat([second, first], 1)
    shuffled = op.shuffle_channels(mixed, 1, 2)
    chosen = op.gather(shuffled, np.array([5, 6, 7, 0, 2]), np.array(1))
    cut = op.slice(chosen, np.array([2, 1]), np.array([14, 15]), np.array([1, 1]), np.array([2, 3]))
    padded = op.pad(cut, np.array([0, 1, 0, 2]), np.array([0, 0, 1, 1]), "constant", np.float32(0.5))
    maps = conv(op.tile(padded, np.array([1, 2, 1, 1])), _weights(4, 12, 3, 3))
    row = op.gather(maps, np.array(3), np.array(2))
    return op.concat([_flat(row), op.reduce_max(maps, np.array([1, 2]), False)], 1)


def attention(x: Any) -> Any:
    """A small vision transformer: class token, layer normalisation, attention with two heads, an MLP."""
    patches = op.convolution(x, _weights(12, 3, 4, 4), [4, 4], [0, 0], [0, 0], [1, 1])
    tokens = op.transpose(op.reshape(patches, np.array([1, 12, 16]), False), np.array([0, 2, 1]))
    tokens = op.add(op.concat([op.constant(numbers(1, 1, 12)), tokens], 1), numbers(1, 17, 12, seed=1))
    normal = op.multiply(op.mvn(tokens, np.array([2]), True, 1e-6, "inside_sqrt"), numbers(12))
    triple = op.reshape(dense(normal, _weights(12, 36)), np.array([1, 17, 3, 2, 6]), False)
    triple = op.transpose(triple, np.array([2, 0, 3, 1, 4]))
    q, k, v = (op.gather(triple, np.array(i), np.array(0)) for i in range(3))
    weights = op.softmax(op.multiply(op.matmul(q, k, False, True), np.float32(6**-0.5)), 3)
    mixed = op.transpose(op.matmul(weights, v, False, False), np.array([0, 2, 1, 3]))
    tokens = op.add(tokens, dense(op.reshape(mixed, np.array([1, 17, 12]), False), _weights(12, 12)))
    tokens = op.add(tokens, dense(op.gelu(dense(tokens, _weights(12, 24)), "erf"), _weights(24, 12)))
    return op.gather(tokens, np.array(0), np.array(1))


def reductions(x: Any) -> Any:
    """Sums, means, largest, smallest; lengths; the nearest few."""
    x = op.add(conv(x, _weights(8, 3, 3, 3)), numbers(1, 8, 1, 1))
    vector = op.reduce_mean(x, np.array([2, 3]), False)
    long = op.reduce_l2(vector, np.array([1]), True)
    unit = op.divide(vector, op.maximum(long, np.float32(1e-12)))
    near = dense(unit, _weights(8, 40))
    top = op.topk(near, np.int64(5), 1, "max", "value").output(0)
    votes = op.convert(op.greater_equal(near, op.reduce_min(top, np.array([1]), True)), "f32")
    rows = op.reduce_sum(x, np.array([3]), False)
    return op.concat(
        [vector, op.multiply(votes, near), op.reduce_l1(rows, np.array([2]), False), _flat(op.log_softmax(rows, 1)),
         op.reduce_min(x, np.array([1, 3]), False), op.normalize_l2(vector, np.array([1]), 1e-9, "add"), top], 1
    )  # fmt: skip


def quantised(x: Any) -> Any:
    """Activations and weights rounded to 256 levels."""
    low, high = np.float32(-0.1), np.float32(2.45)
    x = op.fake_quantize(x, low, high, low, high, 256)
    levels = np.round(_weights(8, 3, 3, 3) * 100)
    x = conv(x, (levels * np.linspace(0.01, 0.02, 8).reshape(8, 1, 1, 1)).astype(np.float32))
    x = op.add(x, numbers(1, 8, 1, 1))
    # Rounded numbers whose zero is level 4, and zeros around them, go straight into rounded weights.
    x = op.fake_quantize(x, np.float32(-1), np.float32(3), np.float32(-1), np.float32(3), 17)
    levels = np.round(_weights(4, 8, 3, 3, seed=1) * 100) * np.linspace(0.01, 0.02, 4).reshape(4, 1, 1, 1)
    return op.convolution(x, op.constant(levels.astype(np.float32)), [1, 1], [1, 1], [1, 1], [1, 1])


def _flat(x: Any) -> Any:
    port = x if isinstance(x, ov.Output) else x.output(0)
    return op.reshape(x, np.array([1, int(np.prod(port.get_shape()))]), False)


def _pooled(x: Any) -> Any:
    return op.reduce_mean(x, np.array([2, 3]), False)


_BUILDERS = (convolutions, grouped, pools, activations, arithmetic, shapes, attention, reductions, quantised)
NAMES = tuple(one.__name__ for one in _BUILDERS)


def subject(name: str, precision: Precision = "float32") -> ToySubject:
    """The toy with this name, to be written in this precision."""
    build = next(one for one in _BUILDERS if one.__name__ == name)
    return ToySubject(None, precision, build=build)  # type: ignore[arg-type]


def pictures(n: int = 5) -> np.ndarray:
    """uint8 `(n, SIZE, SIZE, 3)`, each different."""
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


@lru_cache
def answers(name: str) -> np.ndarray:
    """What OpenVINO answers for `pictures()`, one at a time: float32 `(n, 3)`."""
    model = ov.Core().compile_model(subject(name).graph(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([np.array(model(one[None])[0]) for one in pictures()])
