"""The parts of every chart: an accessible frame, lines, text, scales beside it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from headstart.report.geometry import Scale, ticks
from headstart.report.html.markup import tag

#: Charts are drawn twice, at these widths in pixels; the page shows the one that fits.
WIDE, NARROW = 720, 340
#: Pixels around a chart, where its scales stand.
LEFT, RIGHT, TOP, FOOT = 46, 14, 14, 46

_DESCRIBED = 20


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


def picture(key: str, size: tuple[int, int], title: str, described: Sequence[str], *content: str) -> Markup:
    """A chart with a description for screen readers.

    Args:
        key: unique within the page.
        size: width and height in pixels.
        title: what it is. described: what can be seen in it; of many marks the first.
        content: drawn in it.
    """
    name, about, (width, height) = f"{key}-title", f"{key}-text", size
    rest = [f"and {len(described) - _DESCRIBED} more"] if len(described) > _DESCRIBED else []
    words = "; ".join([*described[:_DESCRIBED], *rest]) + "."
    return tag(
        "svg",
        tag("title", title, id=name),
        tag("desc", words, id=about),
        *content,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=name,
        aria_describedby=about,
    )


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
