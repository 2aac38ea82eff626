"""The tables of a report: networks, classes, what is taken for what, files that were not used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headstart.evaluation.metrics import top_confusions
from headstart.report.html import charts, figures, words
from headstart.report.html.axes import span_of
from headstart.report.html.markup import Markup, foreign, inline, tag

Row = Mapping[str, Any]
#: A heading, and whether figures stand below it.
Column = tuple[str, bool]

#: Above it a matrix is no longer read; the most frequent confusions are.
MATRIX_CLASSES = 20
_PAIRS = 25
_CLASSES = 60
_FILES = 50
_GAINS = 10


def networks(entries: Sequence[Row]) -> Markup:
    """All that were compared, the best first. On a phone each row becomes a block, which keeps its role."""
    span = span_of([one["evaluation"]["interval"] for one in entries])
    known = all(one[key] is not None for one in entries for key in ("photos_per_second", "parameters", "megabytes"))
    caption = (
        f"Bars are 95\u00a0% intervals on a scale from {100 * span[0]:.0f} to {100 * span[1]:.0f} %. Photos a "
        "second: the network alone, on photos already decoded. Pareto: no other one is both more accurate and faster."
    ) + ("" if known else " –: not known.")
    columns = [("", False), ("Network and head", False), ("Accuracy", False)]
    columns += [("Behind the best, on the same photos", False), ("Photos/s", True), ("Parameters", True), ("MB", True)]
    head = _head(columns, role="columnheader")
    body = tag("tbody", *(_network(place + 1, one, span) for place, one in enumerate(entries)), role="rowgroup")
    top = tag("thead", tag("tr", *head, role="row"), role="rowgroup")
    table = tag("table", top, body, class_="networks", role="table", aria_label="Networks and heads")
    return _captioned(caption, table)


def _network(rank: int, one: Row, span: tuple[float, float]) -> Markup:
    marks = [tag("span", "best", class_="mark solid")] if one["best"] else []
    marks += [tag("span", "Pareto", class_="mark")] if one["pareto"] else []
    about = [
        words.head_of(one["head"]),
        f"{one['dim']:,} features",
        "×".join(str(side) for side in one["input"]) + " pixels",
        *([one["licence"]] if one.get("licence") else []),
    ]
    handle = [tag("span", foreign(one["network"]), class_="under")] if one["network"] != one["name"] else []
    evaluation, difference = one["evaluation"], one["difference"]
    ends = tag("span", figures.between(evaluation["interval"]), class_="under")
    bar = charts.interval(f"interval-{rank}", evaluation["accuracy"], evaluation["interval"], span)
    name = (foreign(one["name"]), " ", *marks, tag("span", ", ".join(about), class_="under"), *handle)
    behind = words.behind(difference) if difference else ""
    cells = [
        tag("td", str(rank), class_="rank r", role="cell"),
        tag("th", *name, scope="row", role="rowheader", data_rank=str(rank)),
        tag("td", tag("span", figures.percent(evaluation["accuracy"]), ends), bar, class_="interval", role="cell"),
        tag("td", behind, class_="behind", role="cell", data_label="behind the best"),
        _cell("photos/s", one["photos_per_second"], figures.speed),
        _cell("parameters", one["parameters"], figures.millions),
        _cell("MB", one["megabytes"], figures.megabytes),
    ]
    return tag("tr", *cells, role="row")


def _cell(label: str, value: Any, shown: Callable[[Any], Markup]) -> Markup:
    return tag("td", "–" if value is None else shown(value), class_="r", role="cell", data_label=label)


def left_out(rows: Sequence[Row]) -> Markup:
    """What `--quick` measured on the small share only."""
    body = []
    for one in rows:
        measured = one.get("evaluation", one)
        figured = (figures.percent(measured["accuracy"]), figures.between(measured["interval"]))
        body.append([foreign(one["name"]), words.head_of(one["head"]), *figured])
    return _table(
        "Left out", [("Network", False), ("Head", False), ("Accuracy", True), ("95\u00a0% interval", True)], body
    )


def failures(rows: Sequence[Row]) -> Markup:
    """Networks that could not be measured, and why."""
    body = []
    for one in rows:
        head = [" with ", words.head_of(one["head"])] if one.get("head") else []
        body.append([inline(foreign(one["network"]), *head), tag("span", one["error"], class_="detail")])
    return _table("Failures", [("Network", False), ("Why", False)], body)


def confusion(matrix: Row) -> Markup:
    """What is taken for what: shaded counts, or for many classes the most frequent confusions."""
    if len(matrix["classes"]) > MATRIX_CLASSES:
        return _pairs(matrix)
    names = matrix["classes"]
    head = [tag("td"), *(tag("th", tag("span", foreign(name), title=name), scope="col") for name in names)]
    rows = [
        tag(
            "tr",
            tag("th", foreign(name), scope="row", title=name),
            *(_count(n, sum(counts), i == j) for j, n in enumerate(counts)),
        )
        for i, (name, counts) in enumerate(zip(names, matrix["counts"], strict=True))
    ]
    caption = (
        "Each row holds the photos of one class; columns say what they were taken for. Right answers lie on the "
        "diagonal, in bold. The stronger the shade, the greater the share of the row."
    )
    table = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *rows), class_="counts")
    return _captioned(caption, scrolled("Confusion matrix", table))


def _count(n: float, total: float, right: bool) -> Markup:
    if not n:
        return tag("td", class_="none", data_value=figures.exact(n))
    # The root and the least strength let a few confusions be seen beside many.
    strength = 0.15 + 0.85 * (n / total) ** 0.5
    shown = figures.photos_text(n) if n >= 0.05 else "<0.1"
    return tag("td", shown, class_="right" if right else None, style=f"--s:{strength:.2f}", data_value=figures.exact(n))


def _pairs(matrix: Row) -> Markup:
    found = top_confusions(matrix["classes"], matrix["counts"], _PAIRS)
    if not found:
        return tag("p", words.confusions(matrix))
    body = [
        [foreign(one.label), foreign(one.predicted), figures.photos(one.photos), f"{100 * one.share:.0f} %"]
        for one in found
    ]
    caption = f"With {len(matrix['classes']):,} classes, only the most frequent confusions are shown."
    columns = [("Is", False), ("Taken for", False), ("Photos", True), ("Share of the class", True)]
    return _table("Confusions", columns, body, caption)


def classes(per_class: Mapping[str, Row]) -> Markup:
    """Precision, recall and F1 of each class, the weakest first."""
    order = sorted(per_class.items(), key=lambda item: item[1]["f1"])
    body = [
        [foreign(name), figures.photos(row["support"]), *(_metered(row[key]) for key in ("precision", "recall", "f1"))]
        for name, row in order[:_CLASSES]
    ]
    caption = (
        "The weakest first. Precision: of those called so, how many are. Recall: of those that are, how many were "
        "found. F1: their harmonic mean."
    )
    if len(order) > _CLASSES:
        rest = figures.percent_text(order[_CLASSES][1]["f1"])
        caption += f" The other {len(order) - _CLASSES:,} classes have an F1 of {rest} or more."
    columns = [("Class", False), ("Photos", True), ("Precision", True), ("Recall", True), ("F1", True)]
    return _table("Classes", columns, body, caption, "classes")


def _metered(share: float) -> Markup:
    meter = tag("span", tag("i", style=f"width:{100 * share:.1f}%"), class_="meter", aria_hidden="true")
    return inline(figures.percent(share), meter)


def gains(advice: Row) -> Markup:
    """How much accuracy is lost when photos of a class are missing, the most first."""
    body = [
        [foreign(one["class"]), figures.points(one["gain"]), figures.points_between((one["low"], one["high"]))]
        for one in sorted(advice["classes"], key=lambda one: -one["gain"])[:_GAINS]
    ]
    caption = f"Accuracy lost when {advice['removed']:,} photos of a class are missing."
    if len(advice["classes"]) > _GAINS:
        caption += f" Of {len(advice['classes']):,} classes, the {_GAINS} that are worth most."
    columns = [("Class", False), ("Lost", True), ("95\u00a0% interval", True)]
    return _table("What photos of each class are worth", columns, body, caption)


def skipped(files: Row) -> Markup:
    """Reasons with their counts, and some files of each."""
    reasons = sorted(files["reasons"].items(), key=lambda item: -item[1])
    quota = max(_FILES // max(len(reasons), 1), 1)
    parts = []
    for reason, count in reasons:
        these = [one for one in files["files"] if one["reason"] == reason]
        items = [
            tag(
                "li",
                foreign(one["path"]),
                *([tag("span", one["detail"], class_="under detail")] if one["detail"] else []),
            )
            for one in these[:quota]
        ]
        more = [tag("p", f"and {count - len(items):,} more.", class_="quiet")] if count > len(items) else []
        title = tag("h3", f"{reason}: ", figures.counted(count, "file"))
        parts += [title, *([tag("ul", *items)] if items else []), *more]
    return inline(*parts)


def scrolled(label: str, table: Markup) -> Markup:
    """A table that scrolls in a box of its own where the page is narrow; with the keyboard, too."""
    return tag("div", table, class_="scroll", role="region", aria_label=label, tabindex="0")


def _table(
    label: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], caption: str = "", kind: str | None = None
) -> Markup:
    """A table; the first cell of a row names it."""
    body = []
    for row in rows:
        sides = ["r" if figure else None for _, figure in columns]
        cells = [tag("td", cell, class_=side) for cell, side in zip(row[1:], sides[1:], strict=True)]
        body.append(tag("tr", tag("th", row[0], scope="row", class_=sides[0]), *cells))
    table = tag("table", tag("thead", tag("tr", *_head(columns))), tag("tbody", *body), class_=kind)
    return _captioned(caption, scrolled(label, table))


def _head(columns: Sequence[Column], role: str | None = None) -> list[Markup]:
    return [tag("th", name, scope="col", role=role, class_="r" if figure else None) for name, figure in columns]


def _captioned(caption: str, table: Markup) -> Markup:
    """Above the table and outside its box, so that it does not scroll with it."""
    return inline(tag("p", caption, class_="quiet"), table) if caption else table
