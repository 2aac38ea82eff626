"""Where things lie in a chart and how strong they are: pure functions, shared by the SVG charts and TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Most classes that a confusion matrix in a page can have; with more, a table of the most frequent confusions is read
#: more easily.
MATRIX_CLASSES = 20

_LEAST_RADIUS, _GREATEST_RADIUS = 2.5, 15.0


@dataclass(frozen=True)
class Scale:
    """Where a value lies in a drawing.

    Attributes:
        low, high: values at the ends, low < high; above 0 if `logarithmic`.
        start, end: their places in pixels.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The place of a value, in pixels."""
        low, high, value = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers from `low` to `high`: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (1, 2, 5, 10, 20):
        first, last = math.ceil(low / (step * power) - 1e-9), math.floor(high / (step * power) + 1e-9)
        if last - first < most:
            return [place * step * power for place in range(first, last + 1)]
    return []


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten from `low` to `high`; over three powers of ten only those."""
    steps = (1, 2, 5) if high / low < 1000 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def apart(places: Sequence[float], least: float) -> list[int]:
    """Which places keep `least` pixels between them: the last one always, the others from the right."""
    kept: list[int] = []
    for i in reversed(range(len(places))):
        if not kept or places[kept[-1]] - places[i] >= least:
            kept.append(i)
    return sorted(kept)


def span_of(intervals: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Round shares between which all intervals lie, at least five points apart."""
    low, high = min(ends[0] for ends in intervals), max(ends[1] for ends in intervals)
    step = 0.01 if high - low < 0.1 else 0.05
    low, high = math.floor(low / step + 1e-9) * step, min(1.0, math.ceil(high / step - 1e-9) * step)
    return max(0.0, min(low, high - 0.05)), max(high, 0.05)


def shades(confusion: npt.NDArray[np.float64], least: float = 0.15) -> npt.NDArray[np.float64]:
    """How strongly each cell of a confusion matrix is shaded, by its share of the row.

    The square root and the least strength let a few confusions be seen beside many.

    Args:
        confusion: float64 `(k, k)`, photos. least: strength of a cell with hardly any photos, 0..1.

    Returns:
        float64 `(k, k)`, 0..1; 0 where there are no photos.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, totals, out=np.zeros_like(confusion), where=totals > 0)
    return np.where(share > 0, least + (1 - least) * np.sqrt(share), 0.0)


def bubble_radius(photos: float, most: float) -> float:
    """Radius in pixels of a circle whose area is its number of photos; `most` photos have the largest circle."""
    return max(_LEAST_RADIUS, _GREATEST_RADIUS * math.sqrt(photos / most))
