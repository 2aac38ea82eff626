"""What results call to show themselves, see `headstart.evaluation.shown`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.classifier.comparison import Comparison
from headstart.classifier.training import Training

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


def report(result: Training | Comparison, path: str | Path, paths: bool) -> None:
    """Write a report, see `html`."""
    from headstart.report import html

    html.check(path)
    made = html.of_training if isinstance(result, Training) else html.of_comparison
    html.write(path, made(result, paths=paths))  # type: ignore[arg-type]  # each gets its own kind of result


def log(result: Training, logdir: str | Path) -> Path:
    """Write a TensorBoard run, see `tensorboard.record`."""
    from headstart.report import tensorboard

    return tensorboard.record(logdir, result)
