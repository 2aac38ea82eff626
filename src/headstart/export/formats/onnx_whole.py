"""Rounded numbers in ONNX, written so that ONNX Runtime computes with whole numbers of 8 bits.

It looks for an operator between `DequantizeLinear` and `QuantizeLinear`, and runs them as one:
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html. Activations are uint8 with one scale,
weights int8 or uint8 with one for each output, the bias int32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.formats.onnx_graph import Graph
from headstart.export.graph.simpler import expanded, whole_weights
from headstart.export.graph.steps import Constant, Convolution, Pool, Program, Quantize, Reshape, Step, Transpose
from headstart.photos.pixels import View

#: Pairs of products with larger int8 weights overflow on processors without VNNI, except in depthwise convolutions;
#: uint8 is computed in 16 bits there.
_SEVEN_BITS = 64
_NEAR = 1e-2


@dataclass(frozen=True)
class Scale:
    """How whole numbers stand for real ones: `(whole - zero) * scale`."""

    scale: float
    zero: int


def scale_of(low: Constant, high: Constant, levels: int) -> Scale | None:
    """The scale that spreads uint8 from `low` to `high`; None if there are several, or it is not of 8 bits."""
    if low.array.size > 1 or high.array.size > 1 or levels != 256:
        return None
    least, most = float(low.array.reshape(-1)[0]), float(high.array.reshape(-1)[0])
    scale = (most - least) / (levels - 1)
    zero = round(-least / scale)
    if not 0 <= zero < levels or abs(-least / scale - zero) > _NEAR:
        return None
    return Scale(scale, zero)


class WholeGraph(Graph):
    """A graph of a program that has `Quantize`."""

    def __init__(self, program: Program, view: View | None) -> None:
        self._scales: dict[str, Scale] = {}
        super().__init__(program, view)

    def step(self, step: Step) -> None:
        """See `Graph.step`."""
        match step:
            case Quantize():
                self._quantise(step)
            case Convolution() if inputs := self._whole(step):
                self.convolution(step, inputs)
            case Transpose() | Reshape() | Pool(kind="max"):
                if step.x.name in self._scales:
                    self._scales[step.output.name] = self._scales[step.x.name]
                super().step(step)
            case _:
                super().step(step)

    def _quantise(self, step: Quantize) -> None:
        given = scale_of(step.low, step.high, step.levels)
        found = scale_of(step.out_low, step.out_high, step.levels)
        if given is None or found is None:
            for one in expanded(replace(self.program, steps=(step,), result=step.output)).steps:
                super().step(one)
            return
        self._scales[step.output.name] = found
        out = self.name(step.output)
        for kind, scale, before, after in (
            ("Quantize", given, self.name(step.x), f"{out}_whole"),
            ("Dequantize", found, f"{out}_whole", out),
        ):
            numbers = np.array(scale.scale, np.float32), np.array(scale.zero, np.uint8)
            self.node(f"{kind}Linear", [before, *self._scaling(after, *numbers)], after)

    def _whole(self, step: Convolution) -> list[str]:
        """Add the weights and the bias; returns all inputs, none if the weights are not of 8 bits."""
        found = whole_weights(step.weights.array)
        if found is None:
            return []
        whole, scales = found
        least, most = min(int(whole.min()), 0), max(int(whole.max()), 0)
        if most - least > 255:
            return []
        small = max(-least, most) <= (127 if step.depthwise else _SEVEN_BITS)
        zero = 0 if small else 128 if least >= -128 and most < 128 else -least
        stored = (whole.astype(np.int16) + zero).astype(np.int8 if small else np.uint8)
        inputs = [self.name(step.x), self._dequantised(step.weights, stored, scales, zero)]
        if step.bias is not None:
            inputs.append(self._bias(step.bias, scales, self._scales.get(step.x.name)))
        return inputs

    def _bias(self, bias: Constant, scales: npt.NDArray[np.float64], of_x: Scale | None) -> str:
        """As whole numbers that can be added to the sums of products, if these are whole."""
        if of_x is None:
            return self.name(bias)
        whole = np.round(bias.array / (scales * of_x.scale))
        if np.abs(whole).max() >= 2**31:
            return self.name(bias)
        return self._dequantised(bias, whole.astype(np.int32), scales * of_x.scale, 0)

    def _dequantised(
        self, constant: Constant, whole: npt.NDArray[Any], scales: npt.NDArray[np.float64], zero: int
    ) -> str:
        known = self._scaling(constant.name, scales.astype(np.float32), np.full(len(whole), zero, whole.dtype))
        stored = self.tensor(f"{constant.name}_whole", whole)
        return self.node("DequantizeLinear", [stored, *known], constant.name, axis=0)

    def _scaling(self, name: str, scale: npt.NDArray[np.float32], zero: npt.NDArray[Any]) -> list[str]:
        return [self.tensor(f"{name}_scale", scale), self.tensor(f"{name}_zero", zero)]
