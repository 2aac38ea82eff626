"""Three drawings as SVG: an accuracy with its interval, reliability, the learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.evaluation.metrics import Bin
from headstart.report.html.axes import (
    FOOT,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    apart,
    below,
    line,
    listed,
    path,
    picture,
    shares,
    span_of,
    text,
    ticks,
    width_of,
)
from headstart.report.html.figures import exact, percent_text, photos_text
from headstart.report.html.markup import Markup, tag
from headstart.report.html.style import NARROW

Row = Mapping[str, Any]


def interval(key: str, accuracy: float, ends: Sequence[float], span: tuple[float, float]) -> Markup:
    """An accuracy as a dot, its interval as a line, on a scale that all rows of a table share.

    Args:
        key: unique within the page.
        accuracy: 0..1. ends: of its interval.
        span: shares at the ends of the scale.
    """
    wide, high = 208, 18
    across = Scale(*span, 6, wide - 6)
    low, end = (across.at(value) for value in ends)
    described = f"Accuracy {percent_text(accuracy)}, between {percent_text(ends[0])} and {percent_text(ends[1])}"
    return picture(
        key,
        (wide, high),
        "Accuracy with its 95 % interval",
        described,
        line(0, high / 2, wide, high / 2, "grid"),
        line(low, high / 2, end, high / 2, "bar"),
        line(low, high / 2 - 4, low, high / 2 + 4, "bar"),
        line(end, high / 2 - 4, end, high / 2 + 4, "bar"),
        tag("circle", cx=across.at(accuracy), cy=high / 2, r=4.5, class_="dot", data_value=exact(accuracy)),
    )


def reliability(bins: Sequence[Bin]) -> Markup:
    """How often it was right, by how sure it was; a circle's area is its number of photos."""
    width, height = NARROW, NARROW
    across = Scale(0, 1, LEFT, width - 2 * RIGHT)
    upright = Scale(0, 1, height - FOOT, 2 * TOP)
    most = max(one.photos for one in bins)
    stems, circles = [], []
    for one in bins:
        x, y, even = across.at(one.confidence), upright.at(one.accuracy), upright.at(one.confidence)
        said = f"{percent_text(one.confidence)} sure, {percent_text(one.accuracy)} right: "
        said += f"{photos_text(one.photos)} photos"
        measured = {"data_value": one.accuracy, "data_sure": one.confidence, "data_photos": one.photos}
        numbers = {key: exact(value) for key, value in measured.items()}
        radius = max(2.5, 15 * (one.photos / most) ** 0.5)
        stems.append(line(x, y, x, even, "gap"))
        circles.append(tag("circle", tag("title", said), cx=x, cy=y, r=radius, class_="bubble", **numbers))
    described = [
        f"{percent_text(one.confidence)} sure: {percent_text(one.accuracy)} right of {photos_text(one.photos)} photos"
        for one in bins
    ]
    return picture(
        "reliability",
        (width, height),
        "How often it was right, by how sure it was",
        listed(described),
        *shares(upright, width, 6),
        *below([(across.at(t), percent_text(t).replace(".0", "")) for t in ticks(0, 1, 6)], height),
        line(across.start, upright.start, across.end, upright.end, "even"),
        text(across.at(0.04), upright.at(0.92), "too timid"),
        text(across.at(0.98), upright.at(0.08), "too sure", "end"),
        *stems,
        *circles,
        text(0, 12, "how often it was right"),
        text(width - 2 * RIGHT, height - 6, "how sure it was", "end"),
    )


def learning_curve(curve: Row, width: int) -> Markup:
    """Accuracy by photos a class, with 95 % bands; what was not measured is dashed.

    Args:
        curve: the document of a learning curve. width: pixels.
    """
    height = 340 if width > NARROW else 290
    seen, ahead = curve["points"], (curve.get("extrapolation") or {}).get("points", [])
    every = [*seen, *ahead]
    first, last = (pick(one["per_class"] for one in every) for pick in (min, max))
    across = Scale(first / 1.12, last * 1.12, LEFT, width - RIGHT, logarithmic=True)
    span = span_of([(min(one["low"], one["accuracy"]), max(one["high"], one["accuracy"])) for one in every])
    upright = Scale(*span, height - FOOT, TOP)

    def band(points: Sequence[Row], class_: str) -> Markup:
        lower = [(across.at(one["per_class"]), upright.at(one["low"])) for one in points]
        upper = [(across.at(one["per_class"]), upright.at(one["high"])) for one in points]
        return path([*lower, *reversed(upper)], class_, closed=True)

    def run(points: Sequence[Row]) -> list[tuple[float, float]]:
        return [(across.at(one["per_class"]), upright.at(one["accuracy"])) for one in points]

    def mark(one: Row, measured: bool) -> Markup:
        x, y = run([one])[0]
        said = f"{one['per_class']:,} photos a class: {percent_text(one['accuracy'])}"
        said += f" ({percent_text(one['low'])} to {percent_text(one['high'])})" + ("" if measured else ", not measured")
        return tag(
            "circle",
            tag("title", said),
            cx=x,
            cy=y,
            r=4.5,
            class_="dot" if measured else "ring",
            data_value=exact(one["accuracy"]),
            data_low=exact(one["low"]),
            data_high=exact(one["high"]),
        )

    beyond = [*seen[-1:], *ahead]
    places = [(across.at(one["per_class"]), f"{one['per_class']:,}") for one in every]
    kept = apart([x for x, _ in places], max(width_of(words) for _, words in places) + 8)
    return picture(
        f"curve-{width}",
        (width, height),
        "Accuracy by photos a class",
        listed(
            [f"{one['per_class']:,} photos a class: {percent_text(one['accuracy'])}" for one in seen]
            + [f"expected at {one['per_class']:,}: {percent_text(one['accuracy'])}" for one in ahead]
        ),
        *shares(upright, width),
        *below([places[i] for i in kept], height),
        text(width - RIGHT, height - 6, "photos a class to learn from", "end"),
        band(seen, "band"),
        band(beyond, "band far") if ahead else Markup(),
        path(run(beyond), "ahead") if ahead else Markup(),
        path(run(seen), "curve"),
        *(mark(one, True) for one in seen),
        *(mark(one, False) for one in ahead),
    )
