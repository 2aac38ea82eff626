"""Predictions as lines for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.apps.cli import terminal
from headstart.apps.cli.console import put
from headstart.report.text.layout import table

if TYPE_CHECKING:
    from headstart.evaluation.results import Predictions

#: What photos below --min-confidence are called.
UNSURE = "unsure"


def refused_of(answer: Predictions) -> list[bool]:
    """Whether each photo is refused as unknown."""
    return [False] * len(answer.paths) if answer.unknown is None else answer.unknown.tolist()


def show_predictions(answer: Predictions, unsure: Sequence[bool] | None = None, nearest: int = 0) -> None:
    """Print a line for each photo: its class, the probability of that class, and why a photo is refused."""
    from headstart.trust.unknown import names_of

    doubts, rows = unsure or [False] * len(answer.paths), []
    for i, (path, name, refused) in enumerate(zip(answer.paths, names_of(answer), refused_of(answer), strict=True)):
        shown = f"{UNSURE} ({name}?)" if doubts[i] and not refused else name
        row = [shown, f"{100 * answer.probabilities[i].max():.1f} %", path]
        near = ", ".join(one.name for one in answer.nearest[i][: nearest or 1]) if answer.nearest else ""
        if near and (refused or nearest):
            row.append(f"unlike your photos; nearest: {near}" if refused else f"nearest: {near}")
        rows.append(row)
    if rows:
        longest = max(map(len, rows))
        rows = [[*row, ""][:longest] for row in rows]
        put(*table(rows, terminal.width(sys.stdout), header=False).split("\n"))
