"""The beginning of an ONNX graph that takes one photo of any size, and fits it to its view as `photos.pixels` does.

Operator `Resize` of opset 18, whose `antialias` was made to agree with Pillow:
https://onnx.ai/onnx/operators/onnx__Resize.html
"""

from __future__ import annotations

import numpy as np

from headstart.export.formats.onnx_nodes import TYPES, Nodes
from headstart.export.graph.joined import INPUT
from headstart.photos.pixels import PAD_GREY, View

#: The first with `antialias`.
OPSET_RESIZE = 18
_PICTURE = "fitted"


def resizing(graph: Nodes, view: View) -> str:
    """Add what fits the photo `image`, uint8 `(1, any height, any width, 3)`, to the view.

    Returns:
        the name of the result, uint8 `(1, view.height, view.width, 3)`.
    """
    fit = _Fit(graph)
    photo = fit("Transpose", INPUT, perm=(0, 3, 1, 2))
    sides = np.array([view.height, view.width])
    if view.fit == "squash":
        result = fit.resized(photo, fit.known(sides))
    else:
        there = fit("Slice", fit("Shape", photo), fit.known([2]), fit.known([4]))
        scales = fit("Div", fit.reals(there), fit.known(sides.astype(np.float64)))
        result = (
            _cut(fit, photo, there, scales, view) if view.fit == "crop" else _padded(fit, photo, there, scales, view)
        )
    whole = fit("Reshape", result, fit.known([1, 3, view.height, view.width]))
    return graph.node("Transpose", [whole], _PICTURE, perm=(0, 2, 3, 1))


class _Fit:
    """Adds nodes whose names nobody needs; all have one output."""

    def __init__(self, graph: Nodes) -> None:
        self._graph = graph
        self._names = 0

    def __call__(self, kind: str, *inputs: str, **attributes: object) -> str:
        return self._graph.node(kind, list(inputs), self._name(), **attributes)

    def _name(self) -> str:
        self._names += 1
        return f"{_PICTURE}_{self._names}"

    def known(self, numbers: object) -> str:
        """A constant, int64 unless it is an array of another type."""
        return self._graph.tensor(self._name(), np.asarray(numbers))

    def reals(self, x: str) -> str:
        """Whole numbers as float64, in which headstart computes sizes."""
        return self("Cast", x, to=TYPES["float64"])

    def whole(self, x: str) -> str:
        """Rounded, as int64."""
        return self("Cast", self("Round", x), to=TYPES["int64"])

    def resized(self, x: str, sides: str) -> str:
        """Antialiased bicubic, uint8 `(1, 3, height, width)`. Given uint8, ONNX Runtime rounds as Pillow does."""
        sizes = self("Concat", self.known([1, 3]), sides, axis=0)
        return self(
            "Resize", x, "", "", sizes, mode="cubic", cubic_coeff_a=-0.5, antialias=1, exclude_outside=1,
            coordinate_transformation_mode="half_pixel",
        )  # fmt: skip

    def halved(self, x: str) -> str:
        """Whole numbers divided by 2, rounded down."""
        return self("Div", x, self.known([2]))


def _cut(fit: _Fit, photo: str, there: str, scales: str, view: View) -> str:
    """Whole pixels are cut off, as many on one side as on the other; headstart cuts fractions of pixels, too."""
    sides = np.array([view.height, view.width])
    scale = fit("ReduceMin", scales, keepdims=1)
    kept = fit("Mul", scale, fit.known(sides * view.fraction))
    start = fit.whole(fit("Div", fit("Sub", fit.reals(there), kept), fit.known(np.array(2.0))))
    start = fit("Min", start, fit.halved(fit("Sub", there, fit.known([1]))))
    cut = fit("Slice", photo, start, fit("Sub", there, start), fit.known([2, 3]))
    return fit.resized(cut, fit.known(sides))


def _padded(fit: _Fit, photo: str, there: str, scales: str, view: View) -> str:
    scale = fit("ReduceMax", scales, keepdims=1)
    sides = fit.known([view.height, view.width])
    inner = fit("Max", fit.whole(fit("Div", fit.reals(there), scale)), fit.known([1]))
    small = fit.resized(photo, inner)
    before = fit.halved(fit("Sub", sides, inner))
    after = fit("Sub", fit("Sub", sides, inner), before)
    ends = fit("Concat", fit.known([0, 0]), before, fit.known([0, 0]), after, axis=0)
    return fit("Pad", small, ends, fit.known(np.array(PAD_GREY, np.uint8)))
