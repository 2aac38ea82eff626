"""Measuring a head without a test set: repeated stratified cross-validation over the features.

Copies of a photo are always in the same fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.evaluation.leakage import Clean, distinct
from headstart.heads.fitting import fit
from headstart.heads.head import Head, Kind
from headstart.photos.splits import stratified_folds

#: Folds to choose a strength, and to measure with many photos.
FOLDS = 5
#: With few photos, the heads measured should learn from nearly as many as the final head does: with 5 folds the
#: accuracy measured was 1.3 to 1.9 points below the true one on food10-64, and its interval contained the truth in
#: 91 % of 300 draws of 40 photos a class (benchmarks/intervals.py).
MORE_FOLDS = 10
_FEW = 1000
#: Repeats make the mean steadier with few photos; with many photos one pass is as good and takes less time.
_PREDICTIONS_WANTED = 1500
MOST_REPEATS = 20


@dataclass(frozen=True)
class CrossValidated:
    """A head trained on all photos, and predictions for each photo by heads trained on others.

    Attributes:
        head: trained on all photos. strength: that was chosen for it, see `Fitted`.
        held_out: for each repeat float64 `(n, k)` probabilities; none unless the figures are wanted.
        folds: int8 `(repeats, n)`, the fold that photo i was in.
    """

    head: Head
    strength: float | None
    held_out: list[npt.NDArray[np.float64]]
    folds: npt.NDArray[np.int8]


def repeats_for(photos: int) -> int:
    """How often cross-validation is repeated: for about 1,500 predictions, at most 20 times; once from 1,000 on."""
    return max(1, min(MOST_REPEATS, round(_PREDICTIONS_WANTED / photos)))


def folds_for(photos: int) -> int:
    """Ten folds below 1,000 photos, else five: with many photos, more folds change little and take time."""
    return MORE_FOLDS if photos < _FEW else FOLDS


def cross_validate(
    kind: Kind, clean: Clean, classes: Sequence[str], seed: int, measuring: bool = True, most: int = MOST_REPEATS
) -> CrossValidated:
    """Train a head, and predict every photo by heads that did not see it.

    Args:
        kind: of head.
        clean: the photos.
        classes: class names, at least two.
        seed: of the folds; repeat r uses `seed + r`.
        measuring: whether the figures are wanted; then `repeats_for` and `folds_for` decide. Otherwise five folds,
            once: enough to choose the strength.
        most: repeats, where a quick answer is worth more than a steady one.

    Raises:
        DataError: fewer than two classes, or a class with fewer than two different photos.
    """
    if len(classes) < 2:
        only = f"only '{classes[0]}'" if classes else "none"
        raise DataError(f"A classifier needs at least two classes; received {only}.\nAdd a folder of other photos.")
    counts = distinct(clean)
    if few := [name for name in classes if counts[name] < 2]:
        raise DataError(
            f"Too few photos of {', '.join(repr(name) for name in few)}: one each, copies not counted.\n"
            "Expected at least two different photos of every class; ten or more are recommended."
        )
    labels = clean.numbers(classes)
    wanted, repeats = (folds_for(len(labels)), min(most, repeats_for(len(labels)))) if measuring else (FOLDS, 1)
    k = min(wanted, max(counts.values()))
    keys = clean.content_keys().tolist()
    folds = [stratified_folds(labels, keys, k, seed + r) for r in range(repeats)]
    vectors, groups = clean.features.vectors, clean.groups
    first = fit(kind, vectors, labels, folds[0], groups)
    held_out = []
    if measuring:
        held_out = [first.held_out, *(fit(kind, vectors, labels, own, groups).held_out for own in folds[1:])]
    return CrossValidated(first.head, first.strength, held_out, np.array(folds, np.int8))
