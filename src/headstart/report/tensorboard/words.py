"""What TensorBoard's text page says of a run, in Markdown."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from headstart.evaluation.metrics import top_confusions
from headstart.report.tensorboard.run import Run
from headstart.safety.printable import show

_PACKAGES = ("headstart", "numpy", "openvino", "pillow", "tensorboardX")
_CONFUSIONS = 10


def summary(run: Run, notes: Sequence[str]) -> str:
    """Accuracy with its interval, the classes, what is confused, what was skipped; and the notes."""
    document = run.document
    evaluation, photos = document["evaluation"], document["photos"]
    low, high = evaluation["interval"]
    how = "a test set" if run.held is not None else "cross-validation: each photo judged by heads that did not see it"
    skipped = ", ".join(f"{count} {reason}" for reason, count in photos["reasons"].items())
    rows = [
        [name, f"{row['support']:,}", *(f"{100 * row[key]:.1f} %" for key in ("precision", "recall", "f1"))]
        for name, row in evaluation["per_class"].items()
    ]
    parts = [
        f"**Accuracy {100 * evaluation['accuracy']:.1f} %** on {evaluation['n']:,} photos (95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f} %), measured by {how}.",
        f"Balanced accuracy {100 * evaluation['balanced_accuracy']:.1f} %, log loss {evaluation['log_loss']:.3f}, "
        f"calibration error {100 * evaluation['calibration_error']:.1f} %.",
        f"Trained on {document['train']:,} photos; {photos['skipped']:,} of {photos['found']:,} photos not used"
        + (f" ({skipped})." if skipped else "."),
        "### Classes\n" + _table(["class", "photos", "precision", "recall", "F1"], rows),
    ]
    if confused := _confused(evaluation["confusion"]):
        parts.append("### Most frequent confusions\n" + _table(["photos", "is", "taken for"], confused))
    parts.append("### How to read this\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def settings(run: Run) -> str:
    """The row of the table, and the command line of this process."""
    words = [Path(sys.argv[0]).name or "python", *sys.argv[1:]]
    table = _table(["setting", "value"], [[name, _plain(value)] for name, value in run.columns().items()])
    # Indented text is shown as it is: no character of a path is taken for Markdown.
    return f"    {show(shlex.join(words))}\n\n{table}"


def versions() -> str:
    """Of what decides the figures."""
    return _table(["package", "version"], [["python", sys.version.split()[0]], *([n, _version(n)] for n in _PACKAGES)])


def _confused(confusion: dict[str, Any]) -> list[list[str]]:
    found = top_confusions(confusion["classes"], confusion["counts"], _CONFUSIONS)
    photos = (f"{one.photos:.0f}" if one.photos == round(one.photos) else f"{one.photos:.1f}" for one in found)
    return [[n, one.label, one.predicted] for n, one in zip(photos, found, strict=True)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    """Names are shown as they are, not as Markdown."""
    clean = " ".join(show(cell).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|" else letter for letter in clean)


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
