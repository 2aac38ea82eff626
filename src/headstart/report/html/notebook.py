"""A result as a small piece of HTML for a notebook: its styles are inline, and it takes the notebook's own colours.

Nothing in it runs, and nothing is loaded: thumbnails are part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from headstart.classifier.as_is import Classified
from headstart.classifier.comparison import Comparison, label
from headstart.classifier.trained import Training
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.results import Measured, PhotoCounts, Predictions
from headstart.report.geometry import Scale
from headstart.report.html.markup import tag
from headstart.report.html.page import standing, templates
from headstart.report.html.short_paths import shortener
from headstart.safety.printable import percent
from headstart.trust.explain.explanation import Explanation
from headstart.trust.unknown import names_of

#: At most so many classes of a confusion matrix, photos, entries of a comparison, other rows; pixels of a thumbnail.
_CLASSES, _PHOTOS, _ENTRIES, _ROWS, _SIDE = 12, 8, 12, 10, 96
_COLOUR = "#1e88b0"


def fragment(
    result: Training | Comparison | Measured | Classified | Predictions | Explanation,
    explanations: Sequence[Explanation] = (),
) -> str:
    """A result as HTML to stand in a page, at most about 100 KB.

    Args:
        result: of `train`, `compare`, `classify`, `Classifier.evaluate`, `predictions` or `explain`; up to 8 of its
            photos are opened.
        explanations: heat maps of mistakes, shown beside them.
    """
    content: dict[str, Any]
    match result:
        case Training():
            name, content = "measured", {"training": result, "short": shortener(result.source, False)}
            content["evaluation"] = result.measured.evaluation
        case Measured():
            name, content = "measured", {"measured": result, "evaluation": result.evaluation}
        case Comparison():
            entries = [(label(one, result.entries), one) for one in result.entries[:_ENTRIES]]
            name, content = "compared", {"comparison": result, "entries": entries}
            content |= {"evaluation": result.best.evaluation, "heading_text": standing(result.entries)}
        case Predictions():
            sure = result.probabilities.max(axis=1).tolist()
            named = names_of(result)
            shown = list(zip(result.paths, named, sure, strict=True))[:_PHOTOS]
            name, content = "predicted", {"counts": Counter(named).most_common(_ROWS), "shown": shown}
            content["photos"] = PhotoCounts.of(result.paths, result.skipped)
        case Explanation():
            name, content = "explained", {"explanation": result}
        case Classified():
            name, content = "classified", {"recognised": result.photos[:_PHOTOS]}
            content["photos"] = PhotoCounts.of(result.photos, result.skipped)
    content["explained"] = {one.path: one for one in explanations}
    limits = {"most_classes": _CLASSES, "most_photos": _PHOTOS, "most_rows": _ROWS, "side": _SIDE}
    return templates().get_template(f"notebook/{name}.html.j2").render(whisker=_whisker, **limits, **content)


def _whisker(evaluation: Evaluation, span: tuple[float, float]) -> Markup:
    """An accuracy as a dot, its interval as a line, on a scale from `span[0]` to `span[1]`."""
    across = Scale(*span, 6, 154)
    low, high = evaluation.interval
    start, end, dot = (f"{across.at(share):.1f}" for share in (low, high, evaluation.accuracy))
    shown = f"{percent(evaluation.accuracy)}, between {percent(low)} and {percent(high)}"
    return tag(
        "svg",
        tag("line", x1="0", x2="160", y1="7", y2="7", stroke="currentColor", stroke_opacity=".3"),
        tag("path", d=f"M{start} 3V11M{start} 7H{end}M{end} 3V11", stroke=_COLOUR, stroke_width="2"),
        tag("circle", cx=dot, cy="7", r="4.5", fill=_COLOUR),
        width="160",
        height="14",
        style="vertical-align:middle",
        role="img",
        aria_label=shown,
    )
