"""Results drawn on matplotlib's axes, in the colours that are set there, to be changed, saved or combined by the user.

matplotlib is in the extra `headstart[plot]` and is loaded when something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.classifier.comparison import Comparison, label
from headstart.classifier.trained import Training
from headstart.errors import MissingExtraError
from headstart.evaluation.learning_curve.curve import LearningCurve, Point
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.results import Measured
from headstart.report import drawing, geometry
from headstart.safety.printable import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Most classes whose numbers, and whose names, are legible in a confusion matrix.
_NUMBERS, _NAMES = 25, 50
#: Pixels of a class name.
_WIDTH = 150
#: Between light and dark: legible on the white sheets of matplotlib and on black ones.
_RIGHT, _WRONG, _OTHER = "#1e88b0", "#cd553c", "#808a93"


def axes(result: Training | Measured | Comparison | LearningCurve, ax: Axes | None = None) -> Axes:
    """Draw a result.

    Args:
        result: of a training or an evaluation the confusion matrix, of a comparison the accuracy of each entry with its
            95 % interval, of a learning curve the curve with its 95 % band.
        ax: to draw on; those of a new figure if not given, which a notebook then shows.

    Returns:
        the axes that were drawn on.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtraError(
            f"Drawing needs matplotlib, which cannot be imported: {error}.\nInstall it: pip install 'headstart[plot]'"
        ) from error
    draw: Callable[[Axes], None]
    match result:
        case Training():
            return axes(result.measured, ax)
        case Measured():
            side = min(12.0, 2.5 + 0.42 * len(result.evaluation.classes))
            draw, size = partial(_confusion, result.evaluation), (side, side)
        case Comparison():
            draw, size = partial(_intervals, result), (7.0, 1.3 + 0.45 * len(result.entries))
        case LearningCurve():
            draw, size = partial(_curve, result), (6.5, 4.0)
    if ax is None:
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    draw(ax)
    return ax


def _letters(size: float) -> dict[str, Any]:
    """How names are set: any script, in the colour of the user's other text."""
    from matplotlib import rcParams

    return drawing.letters(size, rcParams["text.color"])


def _confusion(evaluation: Evaluation, ax: Axes) -> None:
    """Rows are the true classes, columns the predicted ones; the stronger a cell, the larger its share of the row."""
    from matplotlib.colors import to_rgb

    matrix, k = evaluation.confusion, len(evaluation.classes)
    colours = np.where(np.eye(k, dtype=bool)[..., None], to_rgb(_RIGHT), to_rgb(_WRONG))
    # Never so strong that text in front of it, dark or light, becomes illegible.
    ax.imshow(np.dstack([colours, 0.6 * geometry.shades(matrix)]))
    size = 10 if k <= 12 else 8 if k <= _NUMBERS else 6
    names = [drawing.shortened(name, size, _WIDTH) for name in evaluation.classes] if k <= _NAMES else []
    ax.set_xticks(range(len(names)), names, rotation=90, **_letters(size))
    ax.set_yticks(range(len(names)), names, **_letters(size))
    ax.tick_params(length=0)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.set_title(f"{percent(evaluation.accuracy)} correct on {evaluation.n:,} photos")
    if k <= _NUMBERS:
        for i, j in np.argwhere(matrix >= 0.05).tolist():
            shown = f"{matrix[i, j]:.1f}".removesuffix(".0")
            ax.text(j, i, shown, ha="center", va="center", **_letters(size))


def _intervals(comparison: Comparison, ax: Axes) -> None:
    """A dot for each accuracy, its interval as whiskers; the best at the top."""
    from matplotlib.ticker import MaxNLocator

    entries = comparison.entries
    names = [drawing.shortened(label(one, entries), 10, 2 * _WIDTH) for one in entries]
    for place, one in enumerate(entries):
        low, high = one.evaluation.interval
        colour = _RIGHT if one.is_best else _OTHER
        reach = [[one.accuracy - low], [high - one.accuracy]]
        ax.errorbar(one.accuracy, place, xerr=reach, fmt="o", color=colour, capsize=4)
    ax.set_yticks(range(len(names)), names, **_letters(10))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(_share)
    ax.set_xlabel("accuracy, with its 95 % interval")
    ax.set_title(f"{comparison.best.evaluation.n:,} photos")
    ax.grid(axis="x", alpha=0.3)


def _curve(curve: LearningCurve, ax: Axes) -> None:
    """The accuracy against photos per class; what is extrapolated is dashed, with open circles."""
    seen, ahead = curve.points, (*curve.points[-1:], *curve.ahead)

    def line(points: tuple[Point, ...], style: str, fill: float, **more: Any) -> None:
        sizes = [one.per_class for one in points]
        low, high = zip(*(one.interval for one in points), strict=True)
        ax.fill_between(sizes, low, high, color=_RIGHT, alpha=fill, linewidth=0)
        ax.plot(sizes, [one.accuracy for one in points], style, color=_RIGHT, **more)

    if curve.ahead:
        line(ahead, "o--", 0.1, markerfacecolor="none", label="extrapolated")
    if seen:
        line(seen, "o-", 0.2, label="measured, with its 95 % interval")
        ax.set_xscale("log")
        sizes = [one.per_class for one in (*seen, *curve.ahead)]
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.set_xticks([], minor=True)
        ax.legend(loc="lower right", frameon=False)
    ax.yaxis.set_major_formatter(_share)
    ax.set_xlabel("training photos per class")
    ax.set_ylabel("accuracy")
    ax.grid(axis="y", alpha=0.3)


def _share(value: float, _: float) -> str:
    """A tick of an axis of shares."""
    return percent(value).replace(".0 ", " ")
