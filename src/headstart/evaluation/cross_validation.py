"""How a head is measured without a test set: repeated stratified cross-validation over the features.

Copies of a photo are always in the same fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.evaluation.leakage import Clean, distinct
from headstart.heads.fitting import Fitted, fit
from headstart.heads.head import Kind
from headstart.photos.splits import stratified_folds

#: Where a strength is only chosen, and where photos are many.
FOLDS = 5
#: Where photos are few, what is measured should learn from nearly as many as the final head does: with 5 folds the
#: accuracy measured was 1.3 to 1.9 points below the true one on food10-64, and its interval contained the truth in
#: 91 % of 300 draws of 40 photos a class (benchmarks/intervals.py).
MORE_FOLDS = 10
_FEW = 1000
#: Repeats make the mean steadier where photos are few; with many one pass is as good and repeats only cost time.
_PREDICTIONS_WANTED = 1500
_MOST_REPEATS = 20


@dataclass(frozen=True)
class CrossValidated:
    """A head trained on all photos, and what heads trained on parts of them predict for the rest.

    Attributes:
        fit: the head.
        held_out: for each repeat float64 `(n, k)` probabilities.
        folds: int8 `(repeats, n)`, the fold that photo i was in.
    """

    fit: Fitted
    held_out: list[npt.NDArray[np.float64]]
    folds: npt.NDArray[np.int8]


def repeats_for(photos: int) -> int:
    """How often cross-validation is repeated: for about 1,500 predictions, at most 20 times; once from 1,000 on."""
    return max(1, min(_MOST_REPEATS, round(_PREDICTIONS_WANTED / photos)))


def folds_for(photos: int) -> int:
    """Ten folds below 1,000 photos, else five: with many photos a tenth more changes little and takes time."""
    return MORE_FOLDS if photos < _FEW else FOLDS


def cross_validate(
    kind: Kind, clean: Clean, classes: Sequence[str], seed: int, measuring: bool = True
) -> CrossValidated:
    """Train a head, and predict every photo by heads that did not see it.

    Args:
        kind: of head.
        clean: the photos.
        classes: class names, at least two.
        seed: of the folds; repeat r uses `seed + r`.
        measuring: whether the figures are wanted, then `repeats_for` and `folds_for` the number of photos; otherwise
            one repeat of five folds, enough to choose the strength.

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
    wanted, repeats = (folds_for(len(labels)), repeats_for(len(labels))) if measuring else (FOLDS, 1)
    k = min(wanted, max(counts.values()))
    keys = clean.content_keys()
    fits, folds = [], np.empty((repeats, len(labels)), np.int8)
    for r in range(repeats):
        own = stratified_folds(labels, keys.tolist(), k, seed + r)
        fits.append(fit(kind, clean.features.vectors, labels, own, clean.groups))
        folds[r] = own
    return CrossValidated(fits[0], [one.held_out for one in fits], folds)
