"""Figures as text for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headstart.safety.printable import counted, percent, show

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve
    from headstart.evaluation.metrics import ClassFigures, Evaluation
    from headstart.evaluation.results import PhotoCounts

_SHOWN = 10


def summary(evaluation: Evaluation, seen: int = 0) -> str:
    """The accuracy with its interval, on two lines.

    Args:
        evaluation: what was measured.
        seen: how many of its photos were trained on.
    """
    low, high = evaluation.interval
    how = {
        "test set": f"{seen:,} of them were trained on" if seen else "none of these files was trained on",
        "cross-validation": "by cross-validation: each photo was predicted by heads that were not trained on it",
    }[evaluation.protocol]
    return (
        f"Accuracy {percent(evaluation.accuracy)} on {counted(evaluation.n, 'photo')}; {how}.\n"
        f"95 % confidence interval: {percent(low)} to {percent(high)}.  Balanced accuracy "
        f"{percent(evaluation.balanced_accuracy)}, log loss {evaluation.log_loss:.3f}, calibration error "
        f"{percent(evaluation.calibration_error)}."
    )


def details(evaluation: Evaluation) -> str:
    """Table of the classes, the most frequent confusions, and the most confident mistakes."""
    rows = [["class", "photos", "precision", "recall", "F1"]]
    for one in evaluation.per_class:
        rows.append([one.name, f"{one.support:,}", *figures_of(one)])
    parts = [table(rows)]
    if confusions := evaluation.top_confusions(_SHOWN):
        lines = [["  ", photo_count(one.photos), f"{one.label} taken for {one.predicted}"] for one in confusions]
        parts.append("Most frequent confusions:\n" + table(lines))
    if evaluation.mistakes:
        lines = [
            [f"  {percent(one.probability)}", f"{one.label} taken for {one.predicted}", one.path]
            for one in evaluation.mistakes[:_SHOWN]
        ]
        parts.append("Most confident mistakes:\n" + table(lines))
    return "\n\n".join(parts)


def figures_of(one: ClassFigures) -> list[str]:
    """Precision, recall and F1; a dash where no photo of the class was measured on."""
    return [percent(share) if one.support else "–" for share in (one.precision, one.recall, one.f1)]


def curve_text(curve: LearningCurve) -> str:
    """Whether more photos would help, and of which class."""
    return f"{curve.text} {curve.advice.text}"


def skipped_text(photos: PhotoCounts) -> str:
    """How many photos were skipped and why."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in photos.reasons.items())
    are = "is" if len(photos.skipped) == 1 else "are"
    return f"{len(photos.skipped)} of {counted(photos.found, 'file')} {are} not used: {reasons}."


def table(rows: list[list[str]]) -> str:
    """Columns of equal width; figures and their headings are aligned to the right. Cells are made printable."""
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


def photo_count(photos: float) -> str:
    """Whole photos, or with a decimal: in cross-validation a count is a mean over repeats."""
    return f"{photos:.0f}" if photos == round(photos) else f"{photos:.1f}"


def _is_figure(cell: str) -> bool:
    return re.fullmatch(r"–|[<+-]?\d[\d.,]*( ?[%M])?", cell) is not None
