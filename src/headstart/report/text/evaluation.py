"""Figures as text for people."""

from __future__ import annotations

import re
from typing import Any

from headstart.safety.printable import show

_SHOWN = 10


def summary(evaluation: dict[str, Any], seen: int = 0) -> str:
    """The accuracy with its interval, one line.

    Args:
        evaluation: the document of `Evaluation.to_json`.
        seen: how many of its photos were trained on.
    """
    low, high = evaluation["interval"]
    how = {
        "test set": f"{seen:,} of them were trained on" if seen else "none of these files was trained on",
        "cross-validation": "by cross-validation: each photo judged by heads that did not see it",
    }[evaluation["protocol"]]
    return (
        f"Accuracy {percent(evaluation['accuracy'])} on {evaluation['n']:,} photos; {how}.\n"
        f"With 95 % confidence between {percent(low)} and {percent(high)}.  Balanced accuracy "
        f"{percent(evaluation['balanced_accuracy'])}, log loss {evaluation['log_loss']:.3f}, calibration error "
        f"{percent(evaluation['calibration_error'])}."
    )


def details(evaluation: dict[str, Any]) -> str:
    """Table of the classes, what is confused with what, and the most confident mistakes."""
    from headstart.evaluation.metrics import top_confusions

    rows = [["class", "photos", "precision", "recall", "F1"]]
    for name, row in evaluation["per_class"].items():
        figures = [percent(row[key]) for key in ("precision", "recall", "f1")]
        rows.append([name, f"{row['support']:,}", *figures])
    parts = [table(rows)]
    confusion = evaluation["confusion"]
    if found := top_confusions(confusion["classes"], confusion["counts"], _SHOWN):
        confused = [["  ", _count(one.photos), f"{one.label} taken for {one.predicted}"] for one in found]
        parts.append("Most frequent confusions:\n" + table(confused))
    if evaluation["mistakes"]:
        lines = [
            [f"  {percent(m['probability'])}", f"{m['label']} taken for {m['predicted']}", m["path"]]
            for m in evaluation["mistakes"][:_SHOWN]
        ]
        parts.append("Most confident mistakes:\n" + table(lines))
    return "\n\n".join(parts)


def curve_text(curve: dict[str, Any]) -> str:
    """Whether more photos would help, and of which class.

    Args:
        curve: the document of `LearningCurve.to_json`.
    """
    return f"{curve['text']} {curve['advice']['text']}"


def table(rows: list[list[str]]) -> str:
    """Columns of equal width; those of figures stand right, their heading with them. Cells are printable."""
    rows = [[show(cell) for cell in row] for row in rows]
    columns = list(zip(*rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    figures = [all(_is_figure(cell) for cell in column[1:] or column) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(row, widths, figures, strict=True)
        ).rstrip()
        for row in rows
    )


def _count(photos: float) -> str:
    """Whole photos; in cross-validation a mean over repeats, with its fraction."""
    return f"{photos:.0f}" if photos == round(photos) else f"{photos:.1f}"


def _is_figure(cell: str) -> bool:
    return re.fullmatch(r"[<+-]?\d[\d.,]*( ?[%M])?", cell) is not None


def percent(share: float) -> str:
    """A share, 0..1, with one decimal."""
    return f"{100 * share:.1f} %"
