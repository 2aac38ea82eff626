"""Confusion matrix, reliability diagram and the most confident mistakes, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from headstart.evaluation import CALIBRATION_BINS, Evaluation, wilson
from headstart.results import Measured
from headstart.tracking import drawing
from headstart.tracking.drawing import FAINT, INK, MUTED, PAPER, RIGHT, WRONG, Pen

_EDGE = 24
_TITLE = 22
_SMALL = 14
#: Pixels of a cell by the most classes that have it; with more classes, 1,200 pixels are shared.
_CELLS = {6: 84, 10: 66, 16: 50, 25: 38, 35: 30, 50: 26}
_MISTAKES_DRAWN = 24
_COLUMNS = 6
_PRECISION = "precision, %"
_CAME_TRUE = drawing.mix(PAPER, RIGHT, 0.72)
_TOO_TIMID = drawing.mix(PAPER, RIGHT, 0.38)
_TOO_SURE = drawing.mix(PAPER, WRONG, 0.5)
THUMBNAIL = 168


def confusion(evaluation: Evaluation, classes: Sequence[str], title: str) -> Image.Image:
    """Rows are the true classes, columns the predicted ones, with recall and precision at the ends.

    Args:
        evaluation: whose confusion is drawn, in photos. classes: names of its k rows.
        title: first line.

    Returns:
        RGB; names and numbers up to 50 classes, beyond that colours and as many names as are legible.
    """
    matrix = evaluation.confusion
    k = len(classes)
    cell = next((pixels for most, pixels in _CELLS.items() if k <= most), max(1200 // k, 2))
    numbers = cell >= 26
    faintest, lines = (0.1, FAINT) if numbers else (0.4, drawing.mix(PAPER, FAINT, 0.5))
    size = min(16, max(10, round(cell * 0.5)))
    names = [drawing.shortened(name, size, 170) for name in classes] if cell >= 11 else []
    margin = max([drawing.width_of(name, size) for name in names], default=0) + 12
    margin = max(margin, drawing.width_of(_PRECISION, _SMALL) if numbers else 0)
    left, top = _EDGE + 26 + margin, _EDGE + 84 + margin
    ends = 64 if numbers else 0
    note = "" if names else f"{k:,} classes in alphabetical order: names do not fit"
    heading = [title, _subtitle(evaluation), note]
    width = max(left + k * cell + ends + _EDGE, *(drawing.width_of(t, _TITLE) + 2 * _EDGE for t in heading[:2]))
    sheet, pen = drawing.canvas(width, top + k * cell + (40 if numbers else 0) + _EDGE)
    _heading(pen, heading)
    totals, found = matrix.sum(axis=1), matrix.sum(axis=0)
    for i in range(k):
        for j in range(k):
            share = float(matrix[i, j] / totals[i]) if totals[i] else 0.0
            # The root and the least strength let a few confusions be seen beside many.
            strength = faintest + (1 - faintest) * share**0.5 if share else 0.0
            colour = drawing.mix(PAPER, RIGHT if i == j else WRONG, strength)
            x, y = left + j * cell, top + i * cell
            pen.rectangle((x, y, x + cell - 1, y + cell - 1), fill=colour, outline=lines if cell >= 11 else None)
            if numbers and matrix[i, j] >= 0.05:
                text = _count(float(matrix[i, j]))
                fitting = min(18, int(cell * 0.42), int(cell * 0.86 * 10 / max(drawing.width_of(text, 10), 1)))
                middle = (x + cell / 2, y + cell / 2)
                drawing.write(pen, middle, text, fitting, drawing.readable_on(colour), "mm")
    for i, name in enumerate(names):
        along = i * cell + cell // 2
        drawing.write(pen, (left - 8, top + along), name, size, INK, "rm")
        drawing.upwards(sheet, (left + along, top - 8), name, size)
    if numbers:
        for i, row in enumerate(evaluation.per_class()):
            along, small = i * cell + cell // 2, min(_SMALL, size)
            recall = f"{100 * row['recall']:.0f} %" if totals[i] else "-"
            precision = f"{100 * row['precision']:.0f}" if found[i] else "-"
            drawing.write(pen, (left + k * cell + 10, top + along), recall, small, MUTED, "lm")
            drawing.write(pen, (left + along, top + k * cell + 16), precision, small, MUTED, "mm")
        drawing.write(pen, (left + k * cell + 10, top - 10), "recall", _SMALL, MUTED, "ls")
        drawing.write(pen, (left - 8, top + k * cell + 16), _PRECISION, _SMALL, MUTED, "rm")
    drawing.write(pen, (left, top - margin - 8), "predicted", _SMALL, MUTED, "ls")
    drawing.upwards(sheet, (_EDGE + 8, top + drawing.width_of("true", _SMALL)), "true", _SMALL, MUTED)
    return sheet


def reliability(measured: Measured, title: str) -> Image.Image:
    """Does "80 % sure" mean right in 80 of 100? Share of right predictions by confidence, and how many there are.

    The bars are those of `evaluation.calibration_error`, whiskers are 95 % intervals of the share.
    """
    side, foot = 520, 110
    left, top = _EDGE + 52, _EDGE + 76
    sheet, pen = drawing.canvas(left + side + _EDGE + 20, top + side + foot + 92 + _EDGE)
    error = f"Calibration error {100 * measured.evaluation.calibration_error:.1f} % on {measured.evaluation.n:,} photos"
    _heading(pen, [title, error])
    bottom = top + side
    for step in range(0, 11, 2):
        along = side * step // 10
        pen.line((left, bottom - along, left + side, bottom - along), fill=FAINT)
        drawing.write(pen, (left - 8, bottom - along), f"{10 * step} %", _SMALL, MUTED, "rm")
    confidence, right, counts = _bins(measured)
    most = max(int(counts.max()), 1)
    base = bottom + 26 + foot
    wide = side / CALIBRATION_BINS
    for place, (sure, hits, count) in enumerate(zip(confidence, right, counts, strict=True)):
        if not count:
            continue
        x = left + place * wide
        share = hits / count
        pen.rectangle((x + 2, bottom - side * share, x + wide - 2, bottom), fill=_CAME_TRUE)
        upper, lower = sorted((bottom - side * share, bottom - side * sure))
        if lower - upper >= 1:  # the gap between what was said and what came true
            pen.rectangle((x + 2, upper, x + wide - 2, lower), fill=_TOO_SURE if share < sure else _TOO_TIMID)
        low, high = wilson(float(share), int(count))
        pen.line((x + wide / 2, bottom - side * high, x + wide / 2, bottom - side * low), fill=INK, width=2)
        pen.rectangle((x + 2, base - foot * count / most, x + wide - 2, base), fill=drawing.mix(PAPER, MUTED, 0.6))
        text = f"{count:,}"
        size = min(12, int(wide * 0.95 * 12 / drawing.width_of(text, 12)))
        drawing.write(pen, (x + wide / 2, base - foot * count / most - 2), text, max(size, 8), MUTED, "ms")
    for dash in range(0, side, 12):
        pen.line((left + dash, bottom - dash, left + dash + 6, bottom - dash - 6), fill=INK, width=2)
    pen.line((left, bottom, left + side, bottom), fill=INK)
    pen.line((left, base, left + side, base), fill=INK)
    for step in range(0, 11, 2):
        drawing.write(pen, (left + side * step // 10, base + 8), f"{10 * step} %", _SMALL, MUTED, "ma")
    drawing.write(pen, (left, base + 32), "how sure it was (probability of the predicted class)", _SMALL, MUTED)
    drawing.write(pen, (left, top - 22), "how often it was right", _SMALL, MUTED)
    x = float(left)
    for colour, word in ((_CAME_TRUE, "right"), (_TOO_SURE, "too sure"), (_TOO_TIMID, "too timid"), (INK, "95 %")):
        pen.rectangle((x, base + 60, x + 12, base + 72), fill=colour)
        drawing.write(pen, (x + 18, base + 66), word, _SMALL, MUTED, "lm")
        x += 18 + drawing.width_of(word, _SMALL) + 22
    drawing.write(pen, (x, base + 66), "- -  perfect", _SMALL, MUTED, "lm")
    return sheet


def mistakes_drawn(measured: Measured) -> list[int]:
    """Rows of the photos that `mistakes` shows."""
    return [one.row for one in measured.evaluation.mistakes[:_MISTAKES_DRAWN]]


def mistakes(measured: Measured, thumbnails: Sequence[Image.Image], title: str) -> Image.Image:
    """The mistakes that it was most sure of: photo, true class, predicted class, probability.

    Args:
        measured: whose mistakes.
        thumbnails: of `mistakes_drawn`, at most `THUMBNAIL` pixels on each side.
        title: first line.
    """
    shown = measured.evaluation.mistakes[: len(thumbnails)]
    wrong = round(measured.evaluation.n * (1 - measured.evaluation.accuracy))
    which = f"The {len(shown)} that it was most sure of, of {max(wrong, len(shown)):,} mistakes" if shown else "None"
    how_many = f"{which} on {measured.evaluation.n:,} photos"
    columns = min(_COLUMNS, max(len(shown), 3))
    rows = -(-len(shown) // columns)
    wide, high = THUMBNAIL + 18, THUMBNAIL + 62
    needed = max(drawing.width_of(title, _TITLE), drawing.width_of(how_many, _SMALL)) + 2 * _EDGE
    sheet, pen = drawing.canvas(max(2 * _EDGE + columns * wide - 18, needed), _EDGE + 66 + rows * high + _EDGE)
    _heading(pen, [title, how_many])
    for place, (one, picture) in enumerate(zip(shown, thumbnails, strict=True)):
        x, y = _EDGE + place % columns * wide, _EDGE + 66 + place // columns * high
        pen.rectangle((x, y, x + THUMBNAIL - 1, y + THUMBNAIL - 1), fill=drawing.mix(PAPER, FAINT, 0.55))
        sheet.paste(picture, (x + (THUMBNAIL - picture.width) // 2, y + (THUMBNAIL - picture.height) // 2))
        sure = f"{100 * min(one.probability, 0.999):.0f} %" if one.probability < 0.995 else "> 99 %"
        room = THUMBNAIL - drawing.width_of(sure, _SMALL) - 8
        predicted = drawing.shortened(measured.classes[one.predicted], _SMALL, room)
        drawing.write(pen, (x, y + THUMBNAIL + 6), predicted, _SMALL, WRONG)
        drawing.write(pen, (x + THUMBNAIL, y + THUMBNAIL + 6), sure, _SMALL, WRONG, "ra")
        true = drawing.shortened(f"is {measured.classes[one.label]}", _SMALL, THUMBNAIL)
        drawing.write(pen, (x, y + THUMBNAIL + 27), true, _SMALL, RIGHT)
    return sheet


def _heading(pen: Pen, lines: Sequence[str]) -> None:
    drawing.write(pen, (_EDGE, _EDGE - 6), lines[0], _TITLE)
    for number, line in enumerate(lines[1:]):
        drawing.write(pen, (_EDGE, _EDGE + 24 + 19 * number), line, _SMALL, MUTED)


def _subtitle(evaluation: Evaluation) -> str:
    low, high = evaluation.interval
    return (
        f"Accuracy {100 * evaluation.accuracy:.1f} % ({100 * low:.1f} to {100 * high:.1f}) on {evaluation.n:,} photos"
    )


def _count(photos: float) -> str:
    """Whole photos, or a mean over repeats with its fraction."""
    return f"{photos:.0f}" if photos >= 9.95 or abs(photos - round(photos)) < 0.05 else f"{photos:.1f}"


def _bins(
    measured: Measured,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any], npt.NDArray[np.intp]]:
    """For each bin of `calibration_error`: mean confidence, right predictions, predictions."""
    confidence = measured.probabilities.max(axis=1).astype(np.float64)
    right = (measured.probabilities.argmax(axis=1) == measured.labels).astype(np.float64)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums, hits = (np.bincount(bins, weights=w, minlength=CALIBRATION_BINS) for w in (confidence, right))
    return sums / np.maximum(counts, 1), hits, counts
