"""The text page of a run in TensorBoard, in Markdown."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from headstart.classifier.saved import version_of
from headstart.classifier.trained import Training
from headstart.report.tensorboard import run
from headstart.report.text.evaluation import figures_of, photo_count
from headstart.safety.printable import counted, percent, show

_PACKAGES = ("headstart", "numpy", "openvino", "pillow", "tensorboardX")
_CONFUSIONS = 10


def summary(training: Training, notes: Sequence[str]) -> str:
    """Accuracy with its interval, classes, confusions, skipped photos, and the notes."""
    evaluation, photos = training.measured.evaluation, training.measured.photos
    low, high = evaluation.interval
    how = "a test set"
    if evaluation.protocol == "cross-validation":
        how = "cross-validation: each photo was predicted by heads that were not trained on it"
    skipped = ", ".join(f"{count} {reason}" for reason, count in photos.reasons.items())
    rows = [[one.name, f"{one.support:,}", *figures_of(one)] for one in evaluation.per_class]
    parts = [
        f"**Accuracy {percent(evaluation.accuracy)}** on {counted(evaluation.n, 'photo')} (95 % interval "
        f"{100 * low:.1f} to {percent(high)}), measured by {how}.",
        f"Balanced accuracy {percent(evaluation.balanced_accuracy)}, log loss {evaluation.log_loss:.3f}, "
        f"calibration error {percent(evaluation.calibration_error)}.",
        f"Trained on {counted(training.trial.train, 'photo')}; {len(photos.skipped):,} of {photos.found:,} files were "
        f"not used{f' ({skipped})' if skipped else ''}.",
        "### Classes\n" + _table(["class", "photos", "precision", "recall", "F1"], rows),
    ]
    if confused := [
        [photo_count(one.photos), one.label, one.predicted] for one in evaluation.top_confusions(_CONFUSIONS)
    ]:
        parts.append("### Most frequent confusions\n" + _table(["photos", "true class", "predicted class"], confused))
    parts.append("### How to read this\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def settings(training: Training) -> str:
    """The row of the table, and the command line if there is one."""
    table = _table(["setting", "value"], [[name, _plain(value)] for name, value in run.settings(training).items()])
    # Indented text is shown unchanged: no character of a path counts as Markdown.
    return f"    {show(shlex.join(training.command))}\n\n{table}" if training.command else table


def versions() -> str:
    """Versions of the packages that the figures depend on."""
    return _table(
        ["package", "version"], [["python", sys.version.split()[0]], *([n, version_of(n)] for n in _PACKAGES)]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    """Show a name unchanged, not as Markdown."""
    clean = " ".join(show(cell).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|" else letter for letter in clean)


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"
