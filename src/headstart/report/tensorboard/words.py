"""What TensorBoard's text page shows of a run, in Markdown."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from headstart.classifier.saved import version_of
from headstart.classifier.training import Training
from headstart.report.tensorboard import run
from headstart.report.text.evaluation import figures_of, photo_count
from headstart.safety.printable import show

_PACKAGES = ("headstart", "numpy", "openvino", "pillow", "tensorboardX")
_CONFUSIONS = 10


def summary(training: Training, notes: Sequence[str]) -> str:
    """Accuracy with its interval, the classes, what is confused, what was skipped; and the notes."""
    evaluation, photos = training.measured.evaluation, training.measured.photos
    low, high = evaluation.interval
    how = "a test set"
    if evaluation.protocol == "cross-validation":
        how = "cross-validation: each photo predicted by heads that did not see it"
    skipped = ", ".join(f"{count} {reason}" for reason, count in photos.reasons.items())
    rows = [[one.name, f"{one.support:,}", *figures_of(one)] for one in evaluation.per_class]
    parts = [
        f"**Accuracy {100 * evaluation.accuracy:.1f} %** on {evaluation.n:,} photos (95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f} %), measured by {how}.",
        f"Balanced accuracy {100 * evaluation.balanced_accuracy:.1f} %, log loss {evaluation.log_loss:.3f}, "
        f"calibration error {100 * evaluation.calibration_error:.1f} %.",
        f"Trained on {training.trial.train:,} photos; {len(photos.skipped):,} of {photos.found:,} files not used"
        + (f" ({skipped})." if skipped else "."),
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
    # Indented text is shown as it is: no character of a path is taken for Markdown.
    return f"    {show(shlex.join(training.command))}\n\n{table}" if training.command else table


def versions() -> str:
    """Versions of the packages that decide the figures."""
    return _table(
        ["package", "version"], [["python", sys.version.split()[0]], *([n, version_of(n)] for n in _PACKAGES)]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    """Names are shown as they are, not as Markdown."""
    clean = " ".join(show(cell).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|" else letter for letter in clean)


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"
