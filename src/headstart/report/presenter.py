"""What results call to show themselves, see `headstart.evaluation.shown`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.classifier.checked import Check
from headstart.classifier.comparison import Comparison
from headstart.classifier.trained import Training
from headstart.evaluation.results import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fragment", "log", "plot", "report"]


def fragment(result: Any) -> str:
    """HTML for a notebook, see `html.notebook`."""
    from headstart.report.html import notebook

    return notebook.fragment(result)


def plot(result: Any, ax: Axes | None) -> Axes:
    """Draw a result, see `plot.axes`."""
    from headstart.report.plot import axes

    return axes(result, ax)


def report(result: Training | Comparison | Measured | Check, path: str | Path, paths: bool) -> None:
    """Write a report, see `html`."""
    from headstart.report import html

    html.check(path)
    match result:
        case Training():
            page = html.of_training(result, paths=paths)
        case Check():
            page = html.of_check(result, paths=paths)
        case Measured():
            page = html.of_evaluation(result, f"{result.evaluation.n:,} photos")
        case _:
            page = html.of_comparison(result, paths=paths)
    html.write(path, page)


def log(result: Training, logdir: str | Path) -> Path:
    """Write a TensorBoard run, see `tensorboard.record`."""
    from headstart.report import tensorboard

    return tensorboard.record(logdir, result)
