"""A graph that takes one photo of any size, and fits it to its view as `photos.pixels` does.

OpenVINO has Pillow's way to resize (`Interpolate` 11, `bicubic_pillow`), but 2026.4 takes seconds to prepare it for
photos of each new size (15 for 1600 x 900, instead of 0.2). So both axes are resized by a product with a matrix of
weights: those of Keys 1981 (IEEE Transactions on Acoustics, Speech, and Signal Processing 29:1153) with a = -1/2,
spread over as many pixels as become one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.export.graph.joined import INPUT
from headstart.photos.pixels import PAD_GREY, View


def resizing(model: Any, view: View) -> Any:
    """The same graph for one upright RGB photo, uint8 `(1, any height, any width, 3)`.

    Args:
        model: with one input, uint8 `(1, height, width, 3)`. It is changed.
        view: how photos are fitted to its input.
    """
    ov = engine()
    op = ov.opset13
    photo = op.parameter([1, -1, -1, 3], ov.Type.u8, name=INPUT)
    photo.output(0).get_tensor().set_names({INPUT})
    pixels = op.reshape(_fitted(photo, view), np.array([1, view.height, view.width, 3]), False)
    old = model.get_parameters()[0]
    old.output(0).replace(op.convert(pixels, "u8").output(0))
    model.remove_parameter(old)
    model.add_parameters([photo])
    model.validate_nodes_and_infer_types()
    return model


def _fitted(photo: Any, view: View) -> Any:
    """float32 `(height, width, 3)`, whole numbers 0..255."""
    op = engine().opset13
    sides = np.array([view.height, view.width])
    there = op.convert(op.gather(op.shape_of(photo), np.array([1, 2]), np.array(0)), "f32")
    scales = op.divide(there, sides.astype(np.float32))
    if view.fit == "squash":
        return _resized(photo, there, sides, there)
    if view.fit == "crop":
        kept = op.multiply(op.reduce_min(scales, np.array(0), True), (sides * view.fraction).astype(np.float32))
        return _resized(photo, there, sides, kept)
    inner = op.round(op.divide(there, op.reduce_max(scales, np.array(0), True)), "half_to_even")
    inner = op.convert(op.maximum(inner, np.float32(1)), "i64")
    before = op.divide(op.subtract(sides, inner), np.array(2))
    after = op.subtract(op.subtract(sides, inner), before)
    ends = [op.concat([end, np.array([0])], 0) for end in (before, after)]
    return op.pad(_resized(photo, there, inner, there), *ends, "constant", np.float32(PAD_GREY))


def _resized(photo: Any, there: Any, sides: Any, kept: Any) -> Any:
    """Resize the middle of a photo.

    Args:
        photo: uint8 `(1, H, W, 3)`.
        there: its height and width, float32.
        sides: of the result, int64.
        kept: height and width of what is resized, float32; the rest is cut off.
    """
    op = engine().opset13
    rows, columns = (_weights(*(_nth(one, axis) for one in (there, sides, kept))) for axis in (0, 1))
    flat = op.reshape(
        op.convert(photo, "f32"), op.concat([_nth(op.shape_of(photo), 1, True), np.array([-1])], 0), False
    )
    low = op.reshape(
        op.matmul(rows, flat, False, False), op.concat([_nth(sides, 0, True), np.array([-1, 3])], 0), False
    )
    small = op.matmul(columns, low, False, False)
    return op.round(op.clamp(small, 0, 255), "half_to_even")


def _nth(numbers: Any, index: int, keep: bool = False) -> Any:
    return engine().opset13.gather(numbers, np.array([index] if keep else index), np.array(0))


def _weights(there: Any, side: Any, kept: Any) -> Any:
    """Of each pixel of a photo's row (or column) in each pixel of the result: float32 `(side, there)`."""
    op = engine().opset13
    half, two = np.float32(0.5), np.float32(2)
    scale = op.divide(kept, op.convert(side, "f32"))
    first = op.divide(op.subtract(there, kept), two)
    numbers = op.add(op.range(np.float32(0), op.convert(side, "f32"), np.float32(1), "f32"), half)
    centres = op.unsqueeze(op.add(op.multiply(numbers, scale), first), np.array(1))
    places = op.add(op.range(np.float32(0), there, np.float32(1), "f32"), half)
    x = op.abs(op.divide(op.subtract(places, centres), op.maximum(scale, np.float32(1))))
    near = op.add(
        op.multiply(op.multiply(x, x), op.subtract(op.multiply(x, np.float32(1.5)), np.float32(2.5))), np.float32(1)
    )
    inside = op.add(op.multiply(op.subtract(op.multiply(x, half), np.float32(2.5)), x), np.float32(4))
    far = op.subtract(two, op.multiply(inside, x))
    weights = op.select(op.less(x, np.float32(1)), near, op.select(op.less(x, two), far, np.float32(0)))
    return op.divide(weights, op.reduce_sum(weights, np.array([1]), True))
