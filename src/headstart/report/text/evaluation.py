"""Figures as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.report.text.layout import ENDLESS, columns, table
from headstart.safety.printable import counted, percent, show

if TYPE_CHECKING:
    from headstart.classifier.against import Against
    from headstart.evaluation.learning_curve.curve import LearningCurve
    from headstart.evaluation.metrics import ClassFigures, Evaluation
    from headstart.evaluation.results import Measured, PhotoCounts

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


def refusals(measured: Measured) -> list[str]:
    """A line on the photos refused as unknown, if the classifier refuses any."""
    refused, others = measured.refused, measured.accuracy_of_kept
    if refused is None:
        return []
    kept = "" if others is None else f"; accuracy {percent(others)} on the others"
    return [f"Refused as unlike the training photos: {percent(refused)} of the photos{kept}."]


def details(evaluation: Evaluation, width: int = ENDLESS) -> str:
    """Table of the classes, confusion matrix (of a few classes), most frequent confusions, most confident mistakes.

    Args:
        evaluation: what was measured.
        width: columns of the terminal.
    """
    rows = [["class", "photos", "precision", "recall", "F1"]]
    for one in evaluation.per_class:
        rows.append([one.name, f"{one.support:,}", *figures_of(one)])
    parts = [table(rows, width), *_matrix(evaluation, width)]
    if confusions := evaluation.top_confusions(_SHOWN):
        lines = [["  ", photo_count(one.photos), f"{one.label} taken for {one.predicted}"] for one in confusions]
        parts.append("Most frequent confusions:\n" + table(lines, width, header=False))
    if evaluation.mistakes:
        lines = [
            [f"  {percent(one.probability)}", f"{one.label} taken for {one.predicted}", one.path]
            for one in evaluation.mistakes[:_SHOWN]
        ]
        parts.append("Most confident mistakes:\n" + table(lines, width, header=False))
    return "\n\n".join(parts)


def figures_of(one: ClassFigures) -> list[str]:
    """Precision, recall and F1; a dash where no photo of the class was measured on."""
    return [percent(share) if one.support else "–" for share in (one.precision, one.recall, one.f1)]


def _matrix(evaluation: Evaluation, width: int) -> list[str]:
    """The confusion matrix, if there are mistakes and it fits; the columns have the numbers of the rows."""
    if not evaluation.mistakes or len(evaluation.classes) > _SHOWN:
        return []
    rows = [["", *(str(number) for number, _ in enumerate(evaluation.classes, 1))]]
    for number, (name, counts) in enumerate(zip(evaluation.classes, evaluation.confusion.tolist(), strict=True), 1):
        rows.append([f"{number} {name}", *map(photo_count, counts)])
    matrix = table(rows)
    if max(map(columns, matrix.splitlines())) > width:
        return []
    return ["Photos of each true class (rows) predicted as each class (columns):\n" + matrix]


def curve_text(curve: LearningCurve) -> str:
    """Whether more photos would help, and of which class."""
    return f"{curve.text} {curve.advice.text}"


def skipped_text(photos: PhotoCounts) -> str:
    """How many photos were skipped and why."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in photos.reasons.items())
    are = "is" if len(photos.skipped) == 1 else "are"
    return f"{len(photos.skipped)} of {counted(photos.found, 'file')} {are} not used: {reasons}."


def photo_count(photos: float) -> str:
    """Whole photos, or with a decimal: in cross-validation a count is a mean over repeats."""
    return f"{photos:.0f}" if photos == round(photos) else f"{photos:.1f}"


def against_text(against: Against) -> list[str]:
    """How a new classifier compares with an old one, and what to know when reading it."""
    found = against.difference
    low, high = (f"{100 * end:+.1f}" for end in found.interval)
    accuracies = f"{percent(against.new_accuracy)} instead of {percent(against.old_accuracy)}"
    which = "that neither was trained on"
    if against.protocol == "cross-validation":
        which = "that the old classifier was not trained on (the new one by cross-validation)"
    verdict = "more than chance explains" if found.is_significant else "which may be chance"
    return [
        f"Against {show(against.model)}, on {counted(found.n, 'photo')} {which}: {accuracies}, "
        f"{100 * found.value:+.1f} points (95 % confidence interval {low} to {high}, p = {found.p:.2g}): {verdict}.",
        *against.notes,
    ]
