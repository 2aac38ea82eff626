"""Accuracy against speed: what is worth its cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from headstart.report.html.axes import (
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
from headstart.report.html.figures import exact, percent_text, speed_text
from headstart.report.html.markup import Markup, inline, tag
from headstart.report.html.style import NARROW
from headstart.report.html.words import called

Row = Mapping[str, Any]

#: Pixels between heads of one network, which cost the same.
_STEP = 9
_ROUND = 1.35


@dataclass(frozen=True)
class _Mark:
    """An entry as it is drawn.

    Attributes:
        one: the entry. rank: its place in the table, from 1. name: for people.
        x, y: of its dot. top, bottom: of its interval.
    """

    one: Row
    rank: int
    name: str
    x: float
    y: float
    top: float
    bottom: float

    @property
    def said(self) -> str:
        """Its figures, for those who point at it and those who do not see it."""
        accuracy, speed = self.one["evaluation"]["accuracy"], self.one["photos_per_second"]
        return f"{self.rank} {self.name}: {percent_text(accuracy)}, {speed_text(speed)} photos/s"

    def boxes(self) -> list[Box]:
        """What it covers."""
        x, y = self.x, self.y
        return [Box(x - 3, self.top, x + 3, self.bottom), Box(x - 7, y - 7, x + 7, y + 7)]

    def drawn(self) -> Markup:
        """Its interval and its dot; a filled one is on the Pareto front."""
        front = self.one["pareto"]
        accuracy, speed = exact(self.one["evaluation"]["accuracy"]), exact(self.one["photos_per_second"])
        size, kind = (5.5, "dot") if front else (4.5, "ring")
        bar = line(self.x, self.top, self.x, self.bottom, "bar" if front else "dim")
        words = tag("title", self.said)
        return inline(
            bar, tag("circle", words, cx=self.x, cy=self.y, r=size, class_=kind, data_value=accuracy, data_cost=speed)
        )


def cost(entries: Sequence[Row], width: int) -> Markup:
    """Accuracy, with its interval, against photos a second; those that nothing beats in both are joined.

    Args:
        entries: the most accurate first; those without `photos_per_second` are left out, one at least has it.
        width: pixels.
    """
    height = 420 if width > NARROW else 360
    known = [one for one in entries if one["photos_per_second"]]
    speeds = [one["photos_per_second"] for one in known]
    across = Scale(min(speeds) / _ROUND, max(speeds) * _ROUND, LEFT, width - RIGHT, logarithmic=True)
    upright = Scale(*span_of([one["evaluation"]["interval"] for one in known]), height - FOOT, TOP)
    marks = _marks(entries, across, upright)
    front = sorted((mark.x, mark.y) for mark in marks if mark.one["pareto"])
    along = [(across.at(speed), speed_text(speed)) for speed in log_ticks(across.low, across.high)]
    return picture(
        f"cost-{width}",
        (width, height),
        "Accuracy against speed",
        listed([mark.said for mark in marks]),
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
    for rank, one in enumerate(entries, start=1):
        speed, measured = one["photos_per_second"], one["evaluation"]
        if not speed:
            continue
        alike = [i for i, other in enumerate(entries, start=1) if other["photos_per_second"] == speed]
        x = across.at(speed) + (alike.index(rank) - (len(alike) - 1) / 2) * _STEP
        bottom, top = (upright.at(end) for end in measured["interval"])
        placed.append(_Mark(one, rank, called(one, entries), x, upright.at(measured["accuracy"]), top, bottom))
    return placed


def _names(marks: Sequence[_Mark], front: Sequence[tuple[float, float]], size: tuple[int, int]) -> list[Markup]:
    """Names where there is room for them, else numbers; those on the front first."""
    width, height = size
    lengths = (40, 24, 14) if width > NARROW else (24, 14)
    order = sorted(marks, key=lambda mark: not mark.one["pareto"])
    words = [[*(f"{mark.rank} {shortened(mark.name, most)}" for most in lengths), str(mark.rank)] for mark in order]
    taken = [box for mark in marks for box in mark.boxes()]
    for (x1, y1), (x2, y2) in pairwise(front):
        steps = max(int(x2 - x1) // 4, 1)
        along = [(x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps) for i in range(steps + 1)]
        taken += [Box(x - 2, y - 2, x + 2, y + 2) for x, y in along]
    area = Box(LEFT + 2, TOP - 8, width - 2, height - FOOT - 2)
    placed = labels(words, [(mark.x, mark.y) for mark in order], taken, area)
    return [text(one.x, one.y, one.text, one.anchor, "name") for one in placed]
