"""Confusion matrix, reliability diagram and the most confident mistakes, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from headstart.evaluation.intervals import wilson
from headstart.evaluation.metrics import Evaluation
from headstart.report import drawing, geometry
from headstart.report.drawing import FAINT, INK, MUTED, PAPER, RIGHT, SMALL, WRONG, letters
from headstart.safety.printable import counted, percent

#: Number of classes -> pixels of a cell, up to that number; more classes share 1,200 pixels.
_CELLS = {6: 84, 10: 66, 16: 50, 25: 38, 35: 30, 50: 26}
#: Pixels of a class name beside the matrix.
_NAME = 170
#: Mistakes that are drawn, at most.
MISTAKES = 24
_COLUMNS = 6
THUMBNAIL = 168


def confusion(evaluation: Evaluation, title: str) -> Image.Image:
    """Rows are the true classes, columns the predicted ones, with recall and precision at the ends.

    Args:
        evaluation: whose confusion is drawn, in photos.
        title: first line.

    Returns:
        RGB; up to 50 classes with names and numbers, beyond that colours, and names while they are legible.
    """
    matrix, k = evaluation.confusion, len(evaluation.classes)
    cell = next((pixels for most, pixels in _CELLS.items() if k <= most), max(1200 / k, 2))
    numbers, names = cell >= 26, cell >= 11
    strength = geometry.shades(matrix, 0.1 if numbers else 0.4)[..., None]
    full = np.where(np.eye(k, dtype=bool)[..., None], drawing.mix(RIGHT, RIGHT, 0), drawing.mix(WRONG, WRONG, 0))
    colours = 1 - strength * (1 - full)
    figure = drawing.sheet(k * cell, k * cell)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.round(255 * colours).astype(np.uint8), interpolation="nearest", aspect="auto")
    axes.spines[:].set_color(FAINT)
    axes.tick_params(which="both", length=0)
    axes.xaxis.set_ticks_position("top")
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted", loc="left", **letters(SMALL, MUTED))
    axes.set_ylabel("true", loc="top", **letters(SMALL, MUTED))
    axes.set_xticks([])
    axes.set_yticks([])
    size = drawing.points(min(16, max(10, cell * 0.5)))
    low, high = evaluation.interval
    accuracy = f"Accuracy {percent(evaluation.accuracy)} ({100 * low:.1f} to {100 * high:.1f})"
    heading = [f"{accuracy} on {counted(evaluation.n, 'photo')}"]
    if names:
        short = [drawing.shortened(name, size, _NAME) for name in evaluation.classes]
        axes.set_xticks(range(k), short, rotation=90, **letters(size))
        axes.set_yticks(range(k), short, **letters(size))
        for ticks in (axes.set_xticks, axes.set_yticks):
            ticks(np.arange(1, k) - 0.5, minor=True)
        axes.grid(which="minor", color=FAINT, linewidth=0.7)
        axes.tick_params(which="minor", length=0)
    else:
        heading.append(f"{k:,} classes in alphabetical order: there is no room for names")
    if numbers:
        rows, true, found = evaluation.per_class, matrix.sum(axis=1), matrix.sum(axis=0)
        recall = [f"{100 * row.recall:.0f} %" if n else "-" for row, n in zip(rows, true, strict=True)]
        precision = [f"{100 * row.precision:.0f}" if n else "-" for row, n in zip(rows, found, strict=True)]
        right, bottom = axes.secondary_yaxis("right"), axes.secondary_xaxis("bottom")
        right.set_yticks(range(k), recall, **letters(min(SMALL, size), MUTED))
        bottom.set_xticks(range(k), precision, **letters(min(SMALL, size), MUTED))
        right.set_ylabel("recall", loc="top", **letters(SMALL, MUTED))
        bottom.set_xlabel("precision, %", loc="left", **letters(SMALL, MUTED))
        for side in (right, bottom):
            side.tick_params(length=0)
            side.spines[:].set_visible(False)
        for i, j in np.argwhere(matrix >= 0.05):
            text = _count(float(matrix[i, j]))
            fitting = drawing.points(min(18, cell * 0.42, cell * 1.35 / len(text)))
            ink = drawing.readable_on(tuple(colours[i, j]))
            axes.text(j, i, text, ha="center", va="center_baseline", **letters(fitting, ink))
    return drawing.picture(figure, title, *heading)


def reliability(evaluation: Evaluation, title: str) -> Image.Image:
    """The share of right predictions by confidence (are those with 80 % right in 80 of 100?), and their number.

    The bars are the bins of the calibration error, the whiskers 95 % intervals of the share.
    """
    found = evaluation.bins
    middles = np.array([(one.low + one.high) / 2 for one in found])
    right, sure = np.array([one.accuracy for one in found]), np.array([one.confidence for one in found])
    photos = [one.photos for one in found]
    width = 0.88 * (found[0].high - found[0].low)
    figure = drawing.sheet(560, 720)
    upper, lower = figure.add_axes((0, 0.2, 1, 0.8)), figure.add_axes((0, 0, 1, 0.15))
    handles: list[Any] = [upper.bar(middles, right, width, color=drawing.mix(PAPER, RIGHT, 0.72), label="right")]
    for word, colour, these in (
        ("overconfident", drawing.mix(PAPER, WRONG, 0.5), right < sure),
        ("underconfident", drawing.mix(PAPER, RIGHT, 0.38), right > sure),
    ):  # the gap between confidence and accuracy
        gap = np.where(these, np.abs(right - sure), 0)
        handles.append(upper.bar(middles, gap, width, np.minimum(right, sure), color=colour, label=word))
    ends = np.array([wilson(one.accuracy, one.photos) for one in found])
    handles.append(upper.vlines(middles, ends[:, 0], ends[:, 1], color=INK, linewidth=1.5, label="95 %"))
    handles += upper.plot([0, 1], [0, 1], "--", color=INK, linewidth=1.5, label="perfect")
    counts = lower.bar(middles, photos, width, color=drawing.mix(PAPER, MUTED, 0.6))
    lower.bar_label(counts, [f"{n:,}" for n in photos], **letters(SMALL * 0.7, MUTED))
    for axes in (upper, lower):
        axes.set_xlim(0, 1)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED)
        axes.set_axisbelow(True)
    fifths = geometry.ticks(0, 1, 6)
    upper.set_ylim(0, 1)
    upper.set_yticks(fifths, [f"{100 * share:.0f} %" for share in fifths])
    upper.set_xticks([])
    upper.grid(axis="y", color=FAINT)
    lower.set_xticks(fifths, [f"{100 * share:.0f} %" for share in fifths])
    lower.set_yticks([])
    upper.set_ylabel("accuracy (share of right predictions)", **letters(SMALL, MUTED))
    lower.set_ylabel("photos", **letters(SMALL, MUTED))
    lower.set_xlabel("confidence (probability of the predicted class)", **letters(SMALL, MUTED))
    below = {"bbox_to_anchor": (0.5, -0.08), "ncols": 5, "frameon": False, "fontsize": SMALL, "labelcolor": MUTED}
    figure.legend(handles=handles, loc="upper center", **below)
    error = f"Calibration error {percent(evaluation.calibration_error)} on {counted(evaluation.n, 'photo')}"
    return drawing.picture(figure, title, error)


def mistakes(evaluation: Evaluation, thumbnails: Sequence[Image.Image], title: str) -> Image.Image:
    """The most confident mistakes: photo, true class, predicted class, probability.

    Args:
        evaluation: whose mistakes.
        thumbnails: of the photos of its first `MISTAKES` mistakes, at most `THUMBNAIL` pixels on each side.
        title: first line.
    """
    shown = evaluation.mistakes[: len(thumbnails)]
    wrong = round(evaluation.n * (1 - evaluation.accuracy))
    which = (
        f"The {len(shown)} most confident of {counted(max(wrong, len(shown)), 'mistake')}" if shown else "No mistakes"
    )
    rows, columns = max(-(-len(shown) // _COLUMNS), 1), min(_COLUMNS, max(len(shown), 3))
    wide, high = THUMBNAIL + 18, THUMBNAIL + 62
    figure = drawing.sheet(columns * wide - 18, rows * high if shown else 1)
    across, down = figure.get_size_inches() * figure.dpi
    for place, (one, photo) in enumerate(zip(shown, thumbnails, strict=True)):
        left, top = place % columns * wide, down - place // columns * high
        corner = (left + (THUMBNAIL - photo.width) // 2, top - (THUMBNAIL + photo.height) // 2)
        axes = figure.add_axes((corner[0] / across, corner[1] / down, photo.width / across, photo.height / down))
        axes.imshow(photo, aspect="auto", interpolation="nearest")
        axes.set_axis_off()
        sure = f"{100 * min(one.probability, 0.999):.0f} %" if one.probability < 0.995 else "> 99 %"
        predicted = drawing.shortened(one.predicted, SMALL, THUMBNAIL - 54)
        true = drawing.shortened(f"is {one.label}", SMALL, THUMBNAIL)
        for x, y, side, text, colour in (
            (left, 8, "left", predicted, WRONG),
            (left + THUMBNAIL, 8, "right", sure, WRONG),
            (left, 28, "left", true, RIGHT),
        ):
            figure.text(x / across, (top - THUMBNAIL - y) / down, text, ha=side, va="top", **letters(SMALL, colour))
    return drawing.picture(figure, title, f"{which} on {counted(evaluation.n, 'photo')}")


def _count(photos: float) -> str:
    """Whole photos, or a mean over repeats with its fraction."""
    return f"{photos:.0f}" if photos >= 9.95 or abs(photos - round(photos)) < 0.05 else f"{photos:.1f}"
