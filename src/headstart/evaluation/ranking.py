"""Which of several is best, which differ from it by more than chance, what is worth its cost: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.evaluation import paired
from headstart.evaluation.paired import Difference
from headstart.evaluation.results import Answers

#: Speeds that differ by less than this are called the same.
_ALIKE = 1.2


@dataclass(frozen=True)
class Standing:
    """A candidate in the order of accuracy.

    Attributes:
        name: for people. accuracy: 0..1.
        photos_per_second: of its network, None if not known.
        difference: best minus this one; None for the best, and where the two cannot be paired.
    """

    name: str
    accuracy: float
    photos_per_second: float | None
    difference: Difference | None = None


def difference(best: Answers, other: Answers, comparisons: int = 1) -> Difference:
    """Compare two on the photos that both were measured on.

    On a test set copies of a photo count once. In cross-validation both must have had the same folds.

    Args:
        best, other: which photos were predicted right.
        comparisons: how many are compared with the best. All are looked at together, and the best is found by looking,
            so p-values and intervals allow for their number. If the truly best is among the others, it is called worse
            in at most 5 % (multiple comparisons with the best, Hsu 1984, by Bonferroni's inequality).

    Raises:
        ValueError: they have no photo in common, or had other folds: the message says which.
    """
    if best.folds is not None and other.folds is not None:
        same = best.paths == other.paths and best.folds.shape == other.folds.shape
        if not same or not np.array_equal(best.folds, other.folds):
            raise ValueError("they could not use the same photos, so their folds differ")
        return paired.by_cross_validation(best.right, other.right, best.folds, comparisons)
    if best.paths == other.paths:
        rows = np.flatnonzero(best.once)
        return paired.on_test_set(best.right[0, rows], other.right[0, rows], comparisons)
    places = {path: i for i, path in enumerate(other.paths)}
    common = [(i, places[path]) for i, path in enumerate(best.paths) if path in places and best.once[i]]
    if not common:
        raise ValueError("no photo was measured with both")
    mine, theirs = (np.array(rows) for rows in zip(*common, strict=True))
    return paired.on_test_set(best.right[0, mine], other.right[0, theirs], comparisons)


def front(accuracies: Sequence[float], speeds: Sequence[float | None]) -> list[bool]:
    """The Pareto front: candidates that no other beats in accuracy or speed without losing in the other.

    Args:
        accuracies: 0..1. speeds: photos/s; one that is not known is on the front only if it has the best accuracy.
    """
    known = [-1.0 if speed is None else speed for speed in speeds]
    pairs = list(zip(accuracies, known, strict=True))
    return [
        not any(a >= accuracy and s >= speed and (a, s) != (accuracy, speed) for a, s in pairs)
        for accuracy, speed in pairs
    ]


def verdict(standings: Sequence[Standing], n: int) -> str:
    """What the figures say, in a sentence or two.

    Args:
        standings: the best first.
        n: photos measured on.
    """
    best, others = standings[0], standings[1:]
    if not others:
        return f"Only {best.name} was measured: there is nothing to compare it with."
    paired_ones = [(one, one.difference) for one in others if one.difference is not None]
    tied = [one for one, difference in paired_ones if not difference.is_significant]
    worse = [(one, difference) for one, difference in paired_ones if difference.is_significant]
    unpaired = [one.name for one in others if one.difference is None]
    sentences = []
    if tied:
        names = [best.name, *(one.name for one in tied)]
        sentences.append(
            f"{_listed(names)} do not differ by more than chance on {n:,} photos{_cheapest([best, *tied])}."
        )
    elif worse:
        sentences.append(
            f"{best.name} is the best on {n:,} photos: {_behind(*worse[0])}, which is more than chance explains."
        )
    if tied and worse:
        if len(worse) == 1:
            rest = f"{worse[0][0].name} is worse than {best.name} ({_behind(*worse[0])})"
        else:
            rest = f"The other {len(worse)} are worse than {best.name}"
        sentences.append(f"{rest}, which is more than chance explains.")
    if unpaired:
        sentences.append(f"{_listed(unpaired)} could not be paired with {best.name}.")
    return " ".join(sentences)


def _cheapest(tied: Sequence[Standing]) -> str:
    """Which of those that do not differ by more than chance costs least; empty if that is not known."""
    best = tied[0]
    if best.photos_per_second is None or any(one.photos_per_second is None for one in tied):
        return ""
    fastest = max(tied, key=lambda one: one.photos_per_second or 0.0)
    ratio = (fastest.photos_per_second or 0.0) / best.photos_per_second
    if ratio >= _ALIKE:
        times = f"{ratio:.0f}" if ratio >= 3 else f"{ratio:.1f}"
        return f"; {fastest.name} is {times} times cheaper than {best.name}"
    slowest = min(one.photos_per_second or 0.0 for one in tied)
    if best.photos_per_second / slowest < _ALIKE:
        return "; they cost about the same"
    return f"; {best.name} is also the cheapest of them"


def _behind(one: Standing, difference: Difference) -> str:
    low, high = (100 * end for end in difference.interval)
    return f"{one.name} is {100 * difference.value:.1f} points behind ({low:.1f} to {high:.1f})"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:6]) + ([f"{len(names) - 6} more"] if len(names) > 6 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
