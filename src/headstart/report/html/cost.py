"""Accuracy against speed: which backbones are worth their cost?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from headstart.classifier.comparison import Entry, label
from headstart.report.geometry import Scale, log_ticks, span_of
from headstart.report.html.axes import FOOT, LEFT, NARROW, RIGHT, TOP, below, line, path, picture, shares, text
from headstart.report.html.figures import exact, speed_text
from headstart.report.html.labels import Box, labels, shortened
from headstart.report.html.markup import inline, tag
from headstart.safety.printable import percent

#: Pixels between heads of one backbone, which have the same speed.
_STEP = 9
_ROUND = 1.35


@dataclass(frozen=True)
class _Mark:
    """An entry as it is drawn.

    Attributes:
        entry: whose. speed: its photos per second. rank: its place in the table, from 1. name: for people.
        x, y: of its dot. top, bottom: of its interval.
    """

    entry: Entry
    speed: float
    rank: int
    name: str
    x: float
    y: float
    top: float
    bottom: float

    @property
    def words(self) -> str:
        """Its figures, as a tooltip and for screen readers."""
        return f"{self.rank} {self.name}: {percent(self.entry.accuracy)}, {speed_text(self.speed)} photos/s"

    def boxes(self) -> list[Box]:
        """What it covers."""
        x, y = self.x, self.y
        return [Box(x - 3, self.top, x + 3, self.bottom), Box(x - 7, y - 7, x + 7, y + 7)]

    def drawn(self) -> Markup:
        """Its interval and its dot; a filled one is on the Pareto front."""
        radius, dot, bar = (5.5, "dot", "bar") if self.entry.is_on_front else (4.5, "ring", "dim")
        numbers = {"data_value": exact(self.entry.accuracy), "data_cost": exact(self.speed)}
        words = tag("title", self.words)
        circle = tag("circle", words, cx=self.x, cy=self.y, r=radius, class_=dot, **numbers)
        return inline(line(self.x, self.top, self.x, self.bottom, bar), circle)


def cost(entries: Sequence[Entry], width: int) -> Markup:
    """Accuracy, with its interval, against photos per second; the Pareto front is joined.

    Args:
        entries: the most accurate first; those of unknown speed are left out, one at least is known.
        width: pixels.
    """
    height = 420 if width > NARROW else 360
    speeds = [one.speed for one in entries if one.speed]
    across = Scale(min(speeds) / _ROUND, max(speeds) * _ROUND, LEFT, width - RIGHT, logarithmic=True)
    span = span_of([one.evaluation.interval for one in entries if one.speed])
    marks = _marks(entries, across, Scale(*span, height - FOOT, TOP))
    front = sorted((mark.x, mark.y) for mark in marks if mark.entry.is_on_front)
    return picture(
        f"cost-{width}",
        (width, height),
        "Accuracy against speed",
        [mark.words for mark in marks],
        *shares(Scale(*span, height - FOOT, TOP), width),
        *below([(across.at(speed), speed_text(speed)) for speed in log_ticks(across.low, across.high)], height),
        text(width - RIGHT, height - 6, "photos per second, faster to the right", "end"),
        *([path(front, "front")] if len(front) > 1 else []),
        *(mark.drawn() for mark in reversed(marks)),
        *_names(marks, front, (width, height)),
    )


def _marks(entries: Sequence[Entry], across: Scale, upright: Scale) -> list[_Mark]:
    """Entries of the same speed stand side by side, so that their intervals can be seen."""
    placed: list[_Mark] = []
    for rank, one in enumerate(entries, start=1):
        if one.speed:
            alike = [i for i, other in enumerate(entries, start=1) if other.speed == one.speed]
            x = across.at(one.speed) + (alike.index(rank) - (len(alike) - 1) / 2) * _STEP
            bottom, top = (upright.at(end) for end in one.evaluation.interval)
            name = label(one, entries)
            placed.append(_Mark(one, one.speed, rank, name, x, upright.at(one.accuracy), top, bottom))
    return placed


def _names(marks: Sequence[_Mark], front: Sequence[tuple[float, float]], size: tuple[int, int]) -> list[Markup]:
    """Names where there is room for them, else numbers; those on the front first."""
    width, height = size
    lengths = (40, 24, 14) if width > NARROW else (24, 14)
    order = sorted(marks, key=lambda mark: not mark.entry.is_on_front)
    words = [[*(f"{mark.rank} {shortened(mark.name, most)}" for most in lengths), str(mark.rank)] for mark in order]
    taken = [box for mark in marks for box in mark.boxes()]
    for (x1, y1), (x2, y2) in pairwise(front):
        steps = max(int(x2 - x1) // 4, 1)
        along = [(x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps) for i in range(steps + 1)]
        taken += [Box(x - 2, y - 2, x + 2, y + 2) for x, y in along]
    area = Box(LEFT + 2, TOP - 8, width - 2, height - FOOT - 2)
    placed = labels(words, [(mark.x, mark.y) for mark in order], taken, area)
    return [text(one.x, one.y, one.text, one.anchor, "name") for one in placed]
