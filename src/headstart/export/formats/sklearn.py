"""The head as a scikit-learn pipeline: a folder with `head.npz` and `pipeline.py`, which makes the pipeline of it."""

from __future__ import annotations

from pathlib import Path

from headstart.disk import atomic
from headstart.export.formats import arrays
from headstart.export.subject import Subject

#: What is written as `pipeline.py`.
TEMPLATE = Path(__file__).with_name("templates") / "pipeline.py.txt"


def write(subject: Subject, target: Path) -> None:
    """Write the folder `target`."""
    target.mkdir(exist_ok=True)
    arrays.write(subject, target / "head.npz")
    atomic.write(target / "pipeline.py", TEMPLATE.read_text("utf-8"))
