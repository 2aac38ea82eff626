"""Predictions as text for people: lines that may contain any name, to be printed by a function that shows it safely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headstart.safety.printable import show

if TYPE_CHECKING:
    from headstart.classifier.as_is import Classified
    from headstart.evaluation.results import Predictions


def predicted(answer: Predictions) -> Iterator[str]:
    """A line for each photo: its class and the probability of that class."""
    labels = [show(label) for label in answer.labels]
    width = max(map(len, labels), default=0)
    for path, label, row in zip(answer.paths, labels, answer.probabilities, strict=True):
        yield f"{label:{width}}  {100 * row.max():5.1f} %  {path}"


def recognised(answer: Classified) -> Iterator[str]:
    """For each photo its path, then a line for each guess."""
    for photo in answer.photos:
        yield photo.path
        for one in photo.guesses:
            yield f"  {100 * one.probability:5.1f} %  {one.label}"
