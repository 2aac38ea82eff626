"""A graph that takes one photo of any size, and fits it to its view as `photos.pixels` does.

OpenVINO's mode `bicubic_pillow` gives the pixels of Pillow but for 1 in 2,500, which differ by 1 (photos of 1024 x 768
to 224 x 224); https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/image/interpolate-11.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.export.graph.joined import INPUT
from headstart.photos.pixels import PAD_GREY, View

_AXES = np.array([1, 2])


def resizing(model: Any, view: View) -> Any:
    """The same graph for one upright RGB photo, uint8 `(1, any height, any width, 3)`.

    Args:
        model: with one input, uint8 `(1, height, width, 3)`. It is changed.
        view: how photos are fitted to its input.
    """
    ov = engine()
    photo = ov.opset13.parameter([1, -1, -1, 3], ov.Type.u8, name=INPUT)
    photo.output(0).get_tensor().set_names({INPUT})
    fitted = ov.opset13.reshape(_fitted(photo, view), np.array([1, view.height, view.width, 3]), False)
    old = model.get_parameters()[0]
    old.output(0).replace(fitted.output(0))
    model.remove_parameter(old)
    model.add_parameters([photo])
    model.validate_nodes_and_infer_types()
    return model


def _fitted(photo: Any, view: View) -> Any:
    op = engine().opset13
    sides = np.array([view.height, view.width])
    if view.fit == "squash":
        return _resized(photo, op.constant(sides))
    there = op.gather(op.shape_of(photo), _AXES, np.array(0))
    scales = op.divide(op.convert(there, "f32"), sides.astype(np.float32))
    if view.fit == "crop":  # whole pixels; headstart cuts fractions of pixels, too
        kept = op.multiply(op.reduce_min(scales, np.array(0), True), (sides * view.fraction).astype(np.float32))
        start = _whole(op.divide(op.subtract(op.convert(there, "f32"), kept), np.float32(2)))
        start = op.minimum(start, op.divide(op.subtract(there, np.array(1)), np.array(2)))
        cut = op.slice(photo, start, op.subtract(there, start), np.array([1, 1]), _AXES)
        return _resized(cut, op.constant(sides))
    scale = op.reduce_max(scales, np.array(0), True)
    inner = op.maximum(_whole(op.divide(op.convert(there, "f32"), scale)), np.array(1))
    small = _resized(photo, inner)
    before = op.divide(op.subtract(sides, inner), np.array(2))
    after = op.subtract(op.subtract(sides, inner), before)
    ends = [op.concat([np.array([0]), end, np.array([0])], 0) for end in (before, after)]
    return op.pad(small, *ends, "constant", op.constant(np.array(PAD_GREY, np.uint8)))


def _whole(numbers: Any) -> Any:
    op = engine().opset13
    return op.convert(op.round(numbers, "half_to_even"), "i64")


def _resized(x: Any, sides: Any) -> Any:
    return engine().opset11.interpolate(x, sides, "bicubic_pillow", "sizes", cube_coeff=-0.5, axes=_AXES)
