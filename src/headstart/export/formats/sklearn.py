"""The head as a scikit-learn pipeline: `pipeline.py`, which makes it of `head.npz` beside it."""

from __future__ import annotations

from pathlib import Path

from headstart.disk import atomic
from headstart.export.formats import arrays
from headstart.export.subject import Subject

#: What is written as `pipeline.py`.
TEMPLATE = Path(__file__).with_name("templates") / "pipeline.py.txt"


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.py`, and `head.npz` beside it."""
    arrays.write(subject, target.with_name("head.npz"))
    atomic.write(target, TEMPLATE.read_text("utf-8"))
