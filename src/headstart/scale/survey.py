"""A first look at embedded photos, without their vectors: classes, copies, and photos that must not be used.

Photos are known by the first 8 bytes of their content hash. Where there are many they are looked at in shares, those
of equal remainder together, so memory stays the same and equal photos still meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.photos.layout import part_of
from headstart.safety.printable import counted, show_all
from headstart.scale.job import UNIT, Folder, Job, results
from headstart.scale.mapping import Mapper
from headstart.scale.places import Place

#: Photos that are compared at a time: 16 bytes each, and as many again to sort them.
AT_ONCE = 8_000_000
FOLDS = 5
Prints = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Survey:
    """What there is to learn from.

    Attributes:
        classes: k names, in alphabetical order.
        by_fold: int64 `(k, folds)`, photos to train on.
        tested: photos to measure on; 0: cross-validation.
        independent: of the photos measured on, copies not counted.
        left_out: uint64, sorted prints of photos not to be used: their labels contradict each other.
        held_back: uint64, sorted prints of training photos that are in the test part too.
        found: all photos of the job.
        reasons: why photos are not used, and how many for each reason.
    """

    classes: tuple[str, ...]
    by_fold: npt.NDArray[np.int64]
    tested: int
    independent: int
    left_out: Prints
    held_back: Prints
    found: int
    reasons: dict[str, int]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Photos of each class to train on, int64 `(k,)`."""
        return np.asarray(self.by_fold.sum(axis=1), np.int64)

    @property
    def class_weights(self) -> npt.NDArray[np.float64]:
        """What one photo of each class counts, so that all classes have the same weight: float64 `(k,)`."""
        return 1.0 / (len(self.classes) * self.counts)

    @property
    def problem_weights(self) -> npt.NDArray[np.float64]:
        """The same for the photos outside each fold, and last for all photos: float64 `(folds + 1, k)`, sums of 1."""
        inside = np.append(self.by_fold.T, np.zeros((1, len(self.classes))), axis=0)
        outside = self.class_weights * (self.counts - inside)
        return np.asarray(self.class_weights / outside.sum(axis=1, keepdims=True))

    @property
    def class_shares(self) -> npt.NDArray[np.float64]:
        """The weight of each class in each of these problems: float64 `(folds + 1, k)`."""
        inside = np.append(self.by_fold.T, np.zeros((1, len(self.classes))), axis=0)
        return np.asarray(self.problem_weights * (self.counts - inside))


@dataclass(frozen=True)
class Facts:
    """What one group of shards holds of its photos, without vectors.

    Attributes:
        prints: uint64 `(n,)`, of those used. folds: uint8 `(n,)`. names: of classes.
        labels: int32 `(n,)`, numbers in `names`. tested: bool `(n,)`.
        found: all photos. reasons: of those not used.
    """

    prints: Prints
    folds: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    tested: npt.NDArray[np.bool_]
    found: int
    reasons: Counter[str]


def prints_of(hashes: Any) -> tuple[Prints, npt.NDArray[np.uint8]]:
    """Prints and folds of photos, from a column of content hashes without nulls."""
    joined = np.frombuffer(b"".join(hashes.to_pylist()), np.uint64).reshape(-1, 4)
    return joined[:, 0].copy(), (joined[:, 1] % np.uint64(FOLDS)).astype(np.uint8)


def usable(table: Any) -> Any:
    """The rows of a table of embedded photos that have a vector and a class, and whether each is for testing."""
    import pyarrow.compute as pc

    used = pc.and_(pc.equal(table.column("outcome"), "used"), pc.is_valid(table.column("label")))
    table = table.filter(used)
    tested = np.array([part_of(split or "train") != "train" for split in table.column("split").to_pylist()], bool)
    return table, tested


def facts_of(shards: Sequence[str], share: int, shares: int) -> Facts:
    """See `Facts`; of the photos whose print has the remainder `share`."""
    import pyarrow.compute as pc

    names: dict[str, int] = {}
    prints, folds, labels, tests = [], [], [], []
    found, reasons = 0, Counter[str]()
    for address in shards:
        with results(Place(address)) as file:
            table = file.read(columns=["hash", "label", "split", "outcome", "reason"])
        if share == 0:
            found += len(table)
            reasons.update(reason for reason in table.column("reason").to_pylist() if reason)
            bare = pc.and_(pc.equal(table.column("outcome"), "used"), pc.is_null(table.column("label")))
            reasons["without a class"] += int(pc.sum(bare).as_py() or 0)
        kept, tested = usable(table)
        own, fold = prints_of(kept.column("hash"))
        mine = own % np.uint64(shares) == share
        texts = kept.column("label").to_pylist()
        numbers = np.array([names.setdefault(text, len(names)) for text in texts], np.int32)
        prints.append(own[mine])
        folds.append(fold[mine])
        labels.append(numbers[mine])
        tests.append(tested[mine])
    return Facts(
        np.concatenate([*prints, np.zeros(0, np.uint64)]),
        np.concatenate([*folds, np.zeros(0, np.uint8)]),
        tuple(names),
        np.concatenate([*labels, np.zeros(0, np.int32)]),
        np.concatenate([*tests, np.zeros(0, bool)]),
        found,
        +reasons,
    )


def survey(folder: Folder, job: Job, mapper: Mapper) -> Survey:
    """Look at all photos of a job.

    Raises:
        DataError: fewer than two classes, a class with too few different photos, or one that only the test part has.
    """
    shares = max(1, -(-(job.photos or job.units * UNIT) // AT_ONCE))
    trained: Counter[tuple[str, int]] = Counter()  # class and fold -> photos
    tested: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    left_out, held_back = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    found, distinct, distinct_tested = 0, 0, 0
    for share in range(shares):
        parts = list(mapper.map(facts_of, folder, share, shares))
        found += sum(part.found for part in parts)
        for part in parts:
            reasons.update(part.reasons)
        names = sorted({name for part in parts for name in part.names})
        one = _joined(parts, names)
        torn, both = _compared(one)
        for kind, prints, into in (("conflicting labels", torn, left_out), ("duplicate", both, held_back)):
            gone = np.isin(one.prints, prints) & ~(one.tested if kind == "duplicate" else np.zeros(1, bool))
            reasons[kind] += int(gone.sum())
            into.append(prints)
            one = _taken(one, ~gone)
        distinct += len(np.unique(one.prints[~one.tested]))
        distinct_tested += len(np.unique(one.prints[one.tested]))
        own = one.labels[~one.tested].astype(np.int64) * FOLDS + one.folds[~one.tested]
        for i, count in enumerate(np.bincount(own, minlength=len(names) * FOLDS).tolist()):
            trained[names[i // FOLDS], i % FOLDS] += count
        for name, count in zip(names, np.bincount(one.labels[one.tested], minlength=len(names)).tolist(), strict=True):
            tested[name] += count
    classes = tuple(sorted({name for (name, _), count in trained.items() if count}))
    by_fold = np.array([[trained[name, fold] for fold in range(FOLDS)] for name in classes], np.int64)
    _check(classes, by_fold, +tested)
    return Survey(
        classes,
        by_fold,
        tested.total(),
        distinct_tested if tested.total() else distinct,
        np.sort(np.concatenate(left_out)),
        np.sort(np.concatenate(held_back)),
        found,
        dict(sorted((+reasons).items())),
    )


def _joined(parts: Sequence[Facts], names: Sequence[str]) -> Facts:
    place = {name: i for i, name in enumerate(names)}
    labels = [np.array([place[name] for name in part.names], np.int32)[part.labels] for part in parts]
    return Facts(
        np.concatenate([part.prints for part in parts]),
        np.concatenate([part.folds for part in parts]),
        tuple(names),
        np.concatenate(labels),
        np.concatenate([part.tested for part in parts]),
        0,
        Counter(),
    )


def _taken(one: Facts, rows: npt.NDArray[np.bool_]) -> Facts:
    return Facts(one.prints[rows], one.folds[rows], one.names, one.labels[rows], one.tested[rows], 0, Counter())


def _compared(one: Facts) -> tuple[Prints, Prints]:
    """Prints of photos with two labels, and of those that are both in the training and in the test part."""
    order = np.argsort(one.prints, kind="stable")
    prints, labels, tested = one.prints[order], one.labels[order], one.tested[order]
    starts = np.flatnonzero(np.append(True, prints[1:] != prints[:-1])[: len(prints)])
    if not len(starts):
        return prints, prints

    def differ(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        return np.asarray(np.minimum.reduceat(values, starts) != np.maximum.reduceat(values, starts))

    torn = differ(labels)
    return prints[starts[torn]], prints[starts[differ(tested.view(np.uint8)) & ~torn]]


def _check(classes: Sequence[str], by_fold: npt.NDArray[np.int64], tested: Counter[str]) -> None:
    if len(classes) < 2:
        raise DataError(
            f"The photos are of {counted(len(classes), 'class')}.\nExpected at least two: folders named after "
            "classes, or a column 'label' of a table."
        )
    few = [name for name, row in zip(classes, by_fold, strict=True) if (row.sum() - row.max()) == 0]
    if few:
        raise DataError(
            f"Too few different photos of {show_all(few[:20])}.\nExpected ten or more of every class; leave these out."
        )
    if unknown := sorted(set(tested) - set(classes)):
        raise DataError(f"The test part has classes that training does not know: {show_all(unknown[:20])}.")
