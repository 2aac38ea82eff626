"""What every chart needs: scales, round ticks, an accessible frame, and labels that do not lie on each other."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headstart.report.geometry import Scale, ticks
from headstart.report.html.markup import Markup, inline, tag
from headstart.report.html.style import NARROW, WIDE

#: Pixels around a chart, where its scales stand.
LEFT, RIGHT, TOP, FOOT = 46, 14, 14, 46

_DESCRIBED = 20
_LETTER = 6.7
_LINE = 14.0


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
