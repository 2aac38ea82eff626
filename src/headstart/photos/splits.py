"""Stratified shares and folds that depend on the photos, not on their order.

Every photo has a key (its content hash, or its path). A seeded hash of the key puts the photos of a class in
a fixed random order; shares and folds are cut from that order. So the same photos always give the same split,
copies of a photo stay together, and adding photos moves only the few that sit at a cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.safety.printable import counted

Indices = npt.NDArray[np.intp]


def shuffled_rank(key: bytes, seed: int) -> bytes:
    """Sort key for the random order given by `seed`: 16 bytes."""
    return hashlib.blake2b(key, digest_size=16, key=seed.to_bytes(8, "little")).digest()


def stratified_share(labels: Sequence[str], keys: Sequence[bytes], fraction: float, seed: int) -> Indices:
    """Choose the same share of every class.

    Args:
        labels: class name of each of the n photos.
        keys: n keys that identify the photos.
        fraction: in (0, 1].
        seed: 0 or more.

    Returns:
        indices (ascending) of `max(1, round(fraction * count))` photos of every class.

    Raises:
        DataError: the fraction is not in (0, 1].
    """
    if isinstance(fraction, str) or not 0 < fraction <= 1:
        raise DataError(f"The fraction is {fraction!r}.\nExpected more than 0 and at most 1, such as 0.1 for 10 %.")
    chosen: list[int] = []
    for members in _by_class(np.asarray(labels)):
        ordered = sorted(members, key=lambda i: shuffled_rank(keys[i], seed))
        chosen += ordered[: max(1, round(fraction * len(ordered)))]
    return np.array(sorted(chosen), dtype=np.intp)


def stratified_folds(labels: npt.NDArray[np.intp], groups: Sequence[bytes], k: int, seed: int) -> Indices:
    """Deal photos into k folds: the same share of every class in each, equal groups in one fold.

    Within a class the groups are put into their random order and cut into k runs of nearly equal length: a
    group belongs to the run with its middle photo, so that even very unequal groups fill at least two
    runs. The numbers of the runs are rotated by a seeded step per class, so that the rest of an uneven division
    does not always land in fold 0. Without equal keys a fold gets `n / k` photos of a class of n, rounded up or
    down.

    Adding m photos to a class moves at most `(k - 1) * m` of its earlier groups and none of other classes: each
    of the `k - 1` cuts shifts by less than m photos against the middles of the groups, which are one photo or
    more apart.

    Args:
        labels: intp `(n,)`, class of each photo.
        groups: n keys; photos with equal keys are never separated. A group with photos of several classes is
            dealt with the first of them.
        k: number of folds, 2 or more.
        seed: 0 or more.

    Returns:
        intp `(n,)`, fold of each photo, `0..k-1`.

    Raises:
        DataError: a class cannot be on both sides: it has fewer than two groups, or all went with other classes.
    """
    folds = np.zeros(len(labels), dtype=np.intp)
    dealt: dict[bytes, int] = {}
    for members in _by_class(labels):
        runs: dict[bytes, list[int]] = {}
        for i in members:
            runs.setdefault(groups[i], []).append(i)
        label = int(labels[members[0]])
        if len(runs) < 2:
            raise DataError(
                f"Class number {label} has only {counted(len(runs), 'distinct photo')}.\n"
                "Cross-validation needs at least two different photos of every class."
            )
        turn = int.from_bytes(shuffled_rank(b"turn %d" % label, seed)[:4], "little")
        fresh = [key for key in runs if key not in dealt]
        total = sum(len(runs[key]) for key in fresh)
        position = 0
        for key in sorted(fresh, key=lambda g: shuffled_rank(g, seed)):
            middle = 2 * position + len(runs[key])
            dealt[key] = (middle * k // (2 * total) + turn) % k
            position += len(runs[key])
        for key, run in runs.items():
            folds[run] = dealt[key]
        if len(set(folds[members].tolist())) < 2:
            raise DataError(
                f"All photos of class number {label} fell into one fold with photos of other classes.\n"
                "Cross-validation needs at least two photos of every class that are in no other class."
            )
    return folds


def _by_class(labels: npt.NDArray[np.generic]) -> list[list[int]]:
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    return [part.tolist() for part in np.split(order, starts[1:])] if len(labels) else []
