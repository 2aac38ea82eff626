"""What every chart needs: scales, round ticks, an accessible frame, and labels that do not lie on each other."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headstart.report.html.markup import Markup, inline, tag
from headstart.report.html.style import NARROW, WIDE

#: Pixels around a chart, where its scales stand.
LEFT, RIGHT, TOP, FOOT = 46, 14, 14, 46

_DESCRIBED = 20
_LETTER = 6.7
_LINE = 14.0


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


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two have a point in common."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def holds(self, other: Box) -> bool:
        """Whether the other lies within."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


@dataclass(frozen=True)
class Label:
    """A text and where it stands: `x`, `y` of its baseline, `anchor` as SVG names it."""

    text: str
    x: float
    y: float
    anchor: str


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


def width_of(text: str) -> float:
    """About as wide as a text is at 12 pixels, rather too wide than too narrow."""
    return sum(0 if unicodedata.combining(c) else 12 if _is_wide(c) else _LETTER for c in text)


def shortened(text: str, letters: int) -> str:
    """At most as many letters, the middle left out: both ends of a name tell."""
    if len(text) <= letters:
        return text
    return f"{text[: letters // 2]}…{text[len(text) - (letters - letters // 2 - 1) :]}"


def labels(
    texts: Sequence[Sequence[str]], points: Sequence[tuple[float, float]], taken: Sequence[Box], area: Box
) -> list[Label]:
    """Find each mark a label that lies on no other and on nothing that is drawn; without room it has none.

    Args:
        texts: for each mark what may name it, the longest first; the most important mark first.
        points: for each mark `(x, y)`.
        taken: where something is drawn already.
        area: in which labels may stand.
    """
    placed: list[Label] = []
    used = list(taken)
    for words, (x, y) in zip(texts, points, strict=True):
        found = next((pair for one in words for pair in _around(one, x, y) if _fits(pair[1], used, area)), None)
        if found is not None:
            placed.append(found[0])
            used.append(found[1])
    return placed


def _around(words: str, x: float, y: float) -> list[tuple[Label, Box]]:
    """Places for a label beside, above and below its mark, the nearest first."""
    wide = width_of(words)
    sides = [(x + 9, y + 4, "start"), (x - 9, y + 4, "end"), (x, y - 11, "middle"), (x, y + 20, "middle")]
    sides += [(x + dx, y + dy, end) for dy in (-8, 16, -20, 28) for dx, end in ((8, "start"), (-8, "end"))]
    found = []
    for left, base, anchor in sides:
        start = left - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        found.append((Label(words, left, base, anchor), Box(start, base - _LINE + 3, start + wide, base + 3)))
    return found


def _fits(box: Box, used: Sequence[Box], area: Box) -> bool:
    return area.holds(box) and not any(box.meets(other) for other in used)


def text(x: float, y: float, words: str, anchor: str = "start", class_: str | None = None) -> Markup:
    """A line of text."""
    return tag("text", words, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(places: Sequence[tuple[float, float]], class_: str, closed: bool = False) -> Markup:
    """Places joined by straight lines."""
    joined = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return tag("path", d=f"M{joined}{'Z' if closed else ''}", class_=class_)


def picture(key: str, size: tuple[int, int], title: str, described: str, *content: str) -> Markup:
    """A chart that says what it shows to those who do not see it.

    Args:
        key: unique within the page.
        size: width and height in pixels.
        title: what it is. described: what can be seen in it.
        content: drawn in it.
    """
    name, about = f"{key}-title", f"{key}-text"
    words = inline(tag("title", title, id=name), tag("desc", described, id=about))
    box, width, height = f"0 0 {size[0]} {size[1]}", size[0], size[1]
    named = {"role": "img", "aria_labelledby": name, "aria_describedby": about}
    return tag("svg", words, *content, viewBox=box, width=width, height=height, **named)


def both(draw: Callable[[int], Markup]) -> Markup:
    """A chart drawn for a desk and for a phone; the page shows the one that fits."""
    return inline(tag("div", draw(WIDE), class_="wide"), tag("div", draw(NARROW), class_="narrow"))


def span_of(intervals: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Round shares between which all intervals lie, at least five points apart."""
    low, high = min(ends[0] for ends in intervals), max(ends[1] for ends in intervals)
    step = 0.01 if high - low < 0.1 else 0.05
    low, high = math.floor(low / step + 1e-9) * step, min(1.0, math.ceil(high / step - 1e-9) * step)
    return max(0.0, min(low, high - 0.05)), max(high, 0.05)


def shares(upright: Scale, width: int, most: int = 7) -> list[Markup]:
    """Lines at round shares, with their percentages."""
    found = []
    for share in ticks(upright.low, upright.high, most):
        y = upright.at(share)
        label = f"{100 * share:.1f}".removesuffix(".0")
        found += [line(LEFT, y, width, y, "grid"), text(LEFT - 8, y + 4, f"{label} %", "end")]
    return found


def below(places: Sequence[tuple[float, str]], height: int) -> list[Markup]:
    """Ticks below a chart."""
    base = height - FOOT
    marks = [line(x, base, x, base + 4, "axis") for x, _ in places]
    return [*marks, *(text(x, base + 18, words, "middle") for x, words in places)]


def listed(said: Sequence[str]) -> str:
    """The first of many descriptions, in a sentence."""
    rest = [f"and {len(said) - _DESCRIBED} more"] if len(said) > _DESCRIBED else []
    return "; ".join([*said[:_DESCRIBED], *rest]) + "."


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0xFFFF
