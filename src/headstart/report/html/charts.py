"""Drawings as SVG: an accuracy with its interval, the reliability diagram, the learning curve."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from headstart.evaluation.learning_curve.curve import LearningCurve, Point
from headstart.evaluation.metrics import Bin, Evaluation
from headstart.report.geometry import Scale, apart, bubble_radius, span_of, ticks
from headstart.report.html.axes import FOOT, LEFT, NARROW, RIGHT, TOP, below, line, path, picture, shares, text
from headstart.report.html.figures import count_text, exact
from headstart.report.html.labels import width_of
from headstart.report.html.markup import tag
from headstart.safety.printable import percent


def interval(key: str, evaluation: Evaluation, span: tuple[float, float]) -> Markup:
    """An accuracy as a dot, its interval as a line, on a scale that all rows of a table share.

    Args:
        key: unique within the page.
        evaluation: whose accuracy.
        span: shares at the ends of the scale.
    """
    wide, middle = 208, 9
    across = Scale(*span, 6, wide - 6)
    low, high = evaluation.interval
    start, end = across.at(low), across.at(high)
    shown = f"Accuracy {percent(evaluation.accuracy)}, between {percent(low)} and {percent(high)}"
    dot = {"class_": "dot", "data_value": exact(evaluation.accuracy)}
    return picture(
        key,
        (wide, 2 * middle),
        "Accuracy with its 95 % interval",
        [shown],
        line(0, middle, wide, middle, "grid"),
        line(start, middle, end, middle, "bar"),
        line(start, middle - 4, start, middle + 4, "bar"),
        line(end, middle - 4, end, middle + 4, "bar"),
        tag("circle", cx=across.at(evaluation.accuracy), cy=middle, r=4.5, **dot),
    )


def reliability(bins: Sequence[Bin]) -> Markup:
    """Accuracy by confidence; the area of a circle is its number of photos."""
    width = height = NARROW
    across = Scale(0, 1, LEFT, width - 2 * RIGHT)
    upright = Scale(0, 1, height - FOOT, 2 * TOP)
    most = max(one.photos for one in bins)
    described, stems, circles = [], [], []
    for one in bins:
        x, y, even = across.at(one.confidence), upright.at(one.accuracy), upright.at(one.confidence)
        shown = f"confidence {percent(one.confidence)}, accuracy {percent(one.accuracy)}: "
        described.append(shown + count_text(one.photos, "photo"))
        measured = {"data_value": one.accuracy, "data_sure": one.confidence, "data_photos": one.photos}
        numbers = {key: exact(value) for key, value in measured.items()}
        radius = bubble_radius(one.photos, most)
        stems.append(line(x, y, x, even, "gap"))
        circles.append(tag("circle", tag("title", described[-1]), cx=x, cy=y, r=radius, class_="bubble", **numbers))
    return picture(
        "reliability",
        (width, height),
        "Accuracy by confidence",
        described,
        *shares(upright, width, 6),
        *below([(across.at(t), f"{100 * t:.0f} %") for t in ticks(0, 1, 6)], height),
        line(across.start, upright.start, across.end, upright.end, "even"),
        text(across.at(0.04), upright.at(0.92), "underconfident"),
        text(across.at(0.98), upright.at(0.08), "overconfident", "end"),
        *stems,
        *circles,
        text(0, 12, "accuracy"),
        text(width - 2 * RIGHT, height - 6, "confidence", "end"),
    )


def learning_curve(curve: LearningCurve, width: int) -> Markup:
    """Accuracy by photos per class, with 95 % bands; what is extrapolated is dashed.

    Args:
        curve: with one point at least. width: pixels.
    """
    height = 340 if width > NARROW else 290
    seen, ahead = curve.points, curve.ahead
    every = [*seen, *ahead]
    sizes = [one.per_class for one in every]
    across = Scale(min(sizes) / 1.12, max(sizes) * 1.12, LEFT, width - RIGHT, logarithmic=True)
    ends = [(min(one.interval[0], one.accuracy), max(one.interval[1], one.accuracy)) for one in every]
    upright = Scale(*span_of(ends), height - FOOT, TOP)

    def run(points: Sequence[Point]) -> list[tuple[float, float]]:
        return [(across.at(one.per_class), upright.at(one.accuracy)) for one in points]

    def band(points: Sequence[Point], class_: str) -> Markup:
        lower, upper = ([(across.at(one.per_class), upright.at(one.interval[end])) for one in points] for end in (0, 1))
        return path([*lower, *reversed(upper)], class_, closed=True)

    def mark(one: Point) -> Markup:
        low, high = one.interval
        x, y = run([one])[0]
        shown = f"{one.per_class:,} photos per class: {percent(one.accuracy)} "
        shown += f"({percent(low)} to {percent(high)})" + ("" if one.draws else ", extrapolated")
        numbers = {"data_value": exact(one.accuracy), "data_low": exact(low), "data_high": exact(high)}
        return tag("circle", tag("title", shown), cx=x, cy=y, r=4.5, class_="dot" if one.draws else "ring", **numbers)

    beyond = [*seen[-1:], *ahead]
    places = [(across.at(size), f"{size:,}") for size in sizes]
    kept = apart([x for x, _ in places], max(width_of(words) for _, words in places) + 8)
    return picture(
        f"curve-{width}",
        (width, height),
        "Accuracy by photos per class",
        [f"{one.per_class:,} photos per class: {percent(one.accuracy)}" for one in seen]
        + [f"extrapolated to {one.per_class:,}: {percent(one.accuracy)}" for one in ahead],
        *shares(upright, width),
        *below([places[i] for i in kept], height),
        text(width - RIGHT, height - 6, "training photos per class", "end"),
        band(seen, "band"),
        *([band(beyond, "band far"), path(run(beyond), "ahead")] if ahead else []),
        path(run(seen), "curve"),
        *map(mark, every),
    )
