"""Labels of a chart that overlap neither each other nor what is drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

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
    """A text and its place: `x`, `y` of its baseline in pixels, `anchor` as SVG names it."""

    text: str
    x: float
    y: float
    anchor: str


def width_of(text: str) -> float:
    """Estimated width of a text in pixels, at a font size of 12; rather too wide than too narrow."""
    return sum(0 if unicodedata.combining(c) else 12 if _is_wide(c) else _LETTER for c in text)


def shortened(text: str, letters: int) -> str:
    """At most so many letters; the middle is left out, because both ends of a name matter."""
    if len(text) <= letters:
        return text
    return f"{text[: letters // 2]}…{text[len(text) - (letters - letters // 2 - 1) :]}"


def labels(
    texts: Sequence[Sequence[str]], points: Sequence[tuple[float, float]], taken: Sequence[Box], area: Box
) -> list[Label]:
    """Find a place for the label of each mark that overlaps nothing; a mark without room has no label.

    Args:
        texts: for each mark its possible labels, the longest first; the most important mark first.
        points: for each mark `(x, y)`.
        taken: where something is already drawn.
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


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0xFFFF
