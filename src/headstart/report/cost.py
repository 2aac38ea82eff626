"""Accuracy against speed: what is worth its cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from headstart.report.axes import (
    FOOT,
    LEFT,
    RIGHT,
    TOP,
    Box,
    Scale,
    below,
    labels,
    line,
    listed,
    log_ticks,
    path,
    picture,
    shares,
    shortened,
    span_of,
    text,
)
from headstart.report.figures import exact, percent_text, speed_text
from headstart.report.markup import Markup, inline, tag
from headstart.report.style import NARROW
from headstart.report.words import called

Row = Mapping[str, Any]

#: Pixels between heads of one network, which cost the same.
_STEP = 9
_ROUND = 1.35


@dataclass(frozen=True)
class _Mark:
    """Where an entry is drawn: `x`, `y` of its dot, `top` and `bottom` of its interval."""

    name: str
    one: Row
    x: float
    y: float
    top: float
    bottom: float

    def boxes(self) -> list[Box]:
        """What it covers."""
        x, y = self.x, self.y
        return [Box(x - 3, self.top, x + 3, self.bottom), Box(x - 7, y - 7, x + 7, y + 7)]

    def drawn(self) -> Markup:
        """Its interval and its dot; a filled one is on the Pareto front."""
        accuracy, speed, front = self.one["evaluation"]["accuracy"], self.one["photos_per_second"], self.one["pareto"]
        said = tag("title", f"{self.name}: {percent_text(accuracy)}, {speed_text(speed)} photos/s")
        figures = {"data_value": exact(accuracy), "data_cost": exact(speed), "class_": "dot" if front else "ring"}
        dot = tag("circle", said, cx=self.x, cy=self.y, r=5.5 if front else 4.5, **figures)
        return inline(line(self.x, self.top, self.x, self.bottom, "bar" if front else "dim"), dot)


def cost(entries: Sequence[Row], width: int) -> Markup:
    """Accuracy, with its interval, against photos a second; those that nothing beats in both are joined.

    Args:
        entries: all with `photos_per_second`, the most accurate first.
        width: pixels.
    """
    height = 420 if width > NARROW else 360
    speeds = [one["photos_per_second"] for one in entries]
    across = Scale(min(speeds) / _ROUND, max(speeds) * _ROUND, LEFT, width - RIGHT, logarithmic=True)
    upright = Scale(*span_of([one["evaluation"]["interval"] for one in entries]), height - FOOT, TOP)
    marks = _marks(entries, across, upright)
    front = sorted((mark.x, mark.y) for mark in marks if mark.one["pareto"])
    along = [(across.at(speed), speed_text(speed)) for speed in log_ticks(across.low, across.high)]
    described = [
        f"{called(one, entries)}: {percent_text(one['evaluation']['accuracy'])} at {speed_text(speed)} photos a second"
        for one, speed in zip(entries, speeds, strict=True)
    ]
    return picture(
        f"cost-{width}",
        (width, height),
        "Accuracy against speed",
        listed(described),
        *shares(upright, width),
        *below(along, height),
        text(width - RIGHT, height - 6, "photos per second, faster to the right", "end"),
        path(front, "front") if len(front) > 1 else Markup(),
        *(mark.drawn() for mark in reversed(marks)),
        *_names(marks, front, (width, height)),
    )


def _marks(entries: Sequence[Row], across: Scale, upright: Scale) -> list[_Mark]:
    """Entries of the same speed stand side by side, so that their intervals can be seen."""
    placed: list[_Mark] = []
    for one in entries:
        alike = [other for other in entries if other["photos_per_second"] == one["photos_per_second"]]
        place = next(i for i, other in enumerate(alike) if other is one)
        x = across.at(one["photos_per_second"]) + (place - (len(alike) - 1) / 2) * _STEP
        low, high = one["evaluation"]["interval"]
        placed.append(
            _Mark(
                called(one, entries),
                one,
                x,
                upright.at(one["evaluation"]["accuracy"]),
                upright.at(high),
                upright.at(low),
            )
        )
    return placed


def _names(marks: Sequence[_Mark], front: Sequence[tuple[float, float]], size: tuple[int, int]) -> list[Markup]:
    """Names where there is room for them, those on the front first."""
    width, height = size
    order = sorted(marks, key=lambda mark: not mark.one["pareto"])
    texts = [shortened(mark.name, 32 if width > NARROW else 19) for mark in order]
    taken = [box for mark in marks for box in mark.boxes()]
    for (x1, y1), (x2, y2) in pairwise(front):
        steps = max(int(x2 - x1) // 4, 1)
        along = [(x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps) for i in range(steps + 1)]
        taken += [Box(x - 2, y - 2, x + 2, y + 2) for x, y in along]
    area = Box(LEFT + 2, TOP - 8, width - 2, height - FOOT - 2)
    placed = labels(texts, [(mark.x, mark.y) for mark in order], taken, area)
    return [text(one.x, one.y, one.text, one.anchor, "name") for one in placed]
