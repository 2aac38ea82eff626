"""`Shown`, `Drawn`, `Reported`: results that show themselves in a notebook, as a plot, a report or a TensorBoard run.

How that is done is known in `report/`, which comes later and knows all results. So `headstart/__init__.py` passes it in
with `present_with`, and it is imported when a result is first shown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Presenter(Protocol):
    """What `report/` does for results, see `headstart.report.presenter`."""

    def fragment(self, result: Any) -> str:
        """HTML for a notebook."""

    def plot(self, result: Any, ax: Any) -> Any:
        """Draw it, see `Drawn.plot`."""

    def report(self, result: Any, path: str | Path, paths: bool) -> None:
        """Write a report, see `Reported.report`."""

    def log(self, result: Any, logdir: str | Path) -> Path:
        """Write a run, see `Training.log`."""


_find: list[Callable[[], Presenter]] = []


def present_with(find: Callable[[], Presenter]) -> None:
    """Set what shows results; called once, when the package is imported."""
    _find[:] = [find]


def presenter() -> Presenter:
    """What shows results."""
    return _find[0]()


class Shown:
    """A result that shows itself in a notebook."""

    def _repr_html_(self) -> str:
        return presenter().fragment(self)


class Drawn:
    """A result that can be drawn."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it on matplotlib's axes: those given, or those of a new figure.

        A training or an evaluation is drawn as its confusion matrix, a comparison as the accuracies of its entries with
        their intervals, a learning curve with its band.

        Returns:
            the axes that were drawn on.

        Raises:
            MissingExtraError: matplotlib is missing: `pip install 'headstart[plot]'`.
        """
        axes: Axes = presenter().plot(self, ax)
        return axes


class Written:
    """A result that can be written as a report."""

    def report(self, path: str | Path, *, paths: bool = False) -> None:
        """Write a report as one HTML file that can be read offline and sent; an existing one is replaced.

        Args:
            path: of the file.
            paths: show the paths of photos whole. Without it the folders of this machine are left out.

        Raises:
            ReportError: the file cannot be written.
        """
        presenter().report(self, path, paths)


class Reported(Shown, Drawn, Written):
    """A result that can be shown, drawn and written as a report."""
