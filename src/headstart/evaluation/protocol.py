"""How a head is measured when nobody held photos back: repeated stratified cross-validation over the features.

What would flatter is removed first: photos with two labels, copies across the sides, copies across folds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.features.extraction import Features, Skipped
from headstart.heads.fitting import Fitted, fit
from headstart.heads.head import Kind
from headstart.photos.splits import stratified_folds

#: A hash for each photo, `V16` or `V32`; a list of `bytes` would take 50 bytes more for each.
Keys = npt.NDArray[np.void]
#: Where a strength is only chosen, and where photos are many.
FOLDS = 5
#: Where photos are few, what is measured should learn from nearly as many as the final head does: with 5 folds the
#: accuracy told was 1.3 to 1.9 points below the true one on food10-64, and its interval held in 91 % of 300 draws of
#: 40 photos a class (benchmarks/intervals.py).
MORE_FOLDS = 10
_FEW = 1000
#: Repeats make the mean steadier where photos are few; with many one pass is as good and repeats only cost time.
_PREDICTIONS_WANTED = 1500
_MOST_REPEATS = 20


@dataclass(frozen=True)
class Clean:
    """Features that do not contradict each other.

    Attributes:
        features: m photos. labels: class name of each.
        groups: a key for each; equal for photos that the network cannot tell apart (copies, or copies with other
            metadata).
        skipped: photos left out, with reasons.
    """

    features: Features
    labels: tuple[str, ...]
    groups: Keys
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class CrossValidated:
    """A head trained on all photos, and what heads trained on parts of them said of the rest.

    Attributes:
        fit: the head.
        held_out: for each repeat float64 `(n, k)` probabilities.
        folds: int8 `(repeats, n)`, the fold that photo i was in.
    """

    fit: Fitted
    held_out: list[npt.NDArray[np.float64]]
    folds: npt.NDArray[np.int8]


def without_conflicts(features: Features, labels: Sequence[str]) -> Clean:
    """Leave out every photo that is there twice under different labels: nobody knows which one is right."""
    keys = group_keys(features)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    number = {label: i for i, label in enumerate(sorted(set(labels)))}
    given = np.array([number[label] for label in labels], np.intp)
    torn = np.unique(group[given != given[first][group]])
    left_out = np.flatnonzero(np.isin(group, torn)).tolist()
    names: dict[int, set[str]] = {copies: set() for copies in torn.tolist()}
    for i in left_out:
        names[int(group[i])].add(labels[i])
    skipped = tuple(
        Skipped(
            features.paths[i],
            "conflicting labels",
            "the same photo is labelled " + " and ".join(sorted(names[int(group[i])])),
        )
        for i in left_out
    )
    if not left_out:
        return Clean(features, tuple(labels), keys, skipped)
    keep = np.flatnonzero(~np.isin(group, torn)).tolist()
    return Clean(take(features, keep), tuple(labels[i] for i in keep), keys[keep], skipped)


def without_copies_of(features: Features, others: Features) -> tuple[Features, list[int], tuple[Skipped, ...]]:
    """Leave out of the training photos those that are also measured on.

    Returns:
        the rest, its row numbers, and what was left out.
    """
    held = dict(zip(group_keys(others).tolist(), others.paths, strict=True))
    groups = group_keys(features).tolist()
    keep = [i for i, group in enumerate(groups) if group not in held]
    skipped = tuple(
        Skipped(features.paths[i], "duplicate", f"the same photo as {held[groups[i]]}, which is measured on")
        for i in range(len(groups))
        if groups[i] in held
    )
    return take(features, keep), keep, skipped


def check_complete(expected: Sequence[str], clean: Clean, skipped: Sequence[Skipped]) -> None:
    """A class that was announced must not vanish because none of its photos can be used.

    Raises:
        DataError: naming the classes and why.
    """
    if missing := sorted(set(expected) - set(clean.labels)):
        reasons = sorted({one.reason for one in (*skipped, *clean.skipped)})
        why = f" Photos were skipped as: {', '.join(reasons)}." if reasons else ""
        raise DataError(
            f"No photo of {', '.join(repr(name) for name in missing)} can be used.{why}\n"
            "Expected at least two of every class. Mend or remove the folder."
        )


def group_keys(features: Features) -> Keys:
    """A key of each photo, equal for equal vectors: `V16` `(m,)`. Photos of equal content have equal vectors."""
    _, first, copies = np.unique(features.hashes, return_index=True, return_inverse=True)
    keys = np.empty(len(first), "V16")
    for place, row in enumerate(first.tolist()):
        keys[place] = np.void(hashlib.blake2b(features.vectors[row].tobytes(), digest_size=16).digest())
    return keys[copies]


def take(features: Features, rows: list[int]) -> Features:
    """Some of the photos; the vectors are copied only if any are left out."""
    if len(rows) == len(features.paths):
        return features
    return replace(
        features,
        paths=tuple(features.paths[i] for i in rows),
        rows=features.rows[rows],
        vectors=features.vectors[rows],
        hashes=features.hashes[rows],
    )


def repeats_for(photos: int) -> int:
    """How often cross-validation is repeated: for about 1,500 predictions, at most 20 times; once from 1,000 on."""
    return max(1, min(_MOST_REPEATS, round(_PREDICTIONS_WANTED / photos)))


def folds_for(photos: int) -> int:
    """Ten folds below 1,000 photos, else five: with many photos a tenth more changes little and takes time."""
    return MORE_FOLDS if photos < _FEW else FOLDS


def numbers(labels: Sequence[str], classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """Class names -> their positions in `classes`."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position[label] for label in labels], np.intp)


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
        raise DataError(f"There must be two classes to tell apart; received {only}.\nAdd a folder of other photos.")
    counts = Counter(clean.labels[i] for i in np.unique(clean.groups, return_index=True)[1].tolist())
    if few := [name for name in classes if counts[name] < 2]:
        raise DataError(
            f"Too few photos of {', '.join(repr(name) for name in few)}: one each, copies not counted.\n"
            "Expected at least two different photos of every class; from ten on it becomes interesting."
        )
    labels = numbers(clean.labels, classes)
    wanted, repeats = (folds_for(len(labels)), repeats_for(len(labels))) if measuring else (FOLDS, 1)
    k = min(wanted, max(counts.values()))
    keys = content_keys(clean)
    fits, folds = [], np.empty((repeats, len(labels)), np.int8)
    for r in range(repeats):
        own = stratified_folds(labels, keys.tolist(), k, seed + r)
        fits.append(fit(kind, clean.features.vectors, labels, own, clean.groups))
        folds[r] = own
    return CrossValidated(fits[0], [one.held_out for one in fits], folds)


def content_keys(clean: Clean) -> Keys:
    """For each photo the least content hash of its group: folds follow content, not names or the arithmetic."""
    hashes = clean.features.hashes
    order = np.argsort(hashes, kind="stable")
    _, least, copies = np.unique(clean.groups[order], return_index=True, return_inverse=True)
    keys = np.empty_like(hashes)
    keys[order] = hashes[order[least]][copies]
    return keys
