"""Photos that would make the figures optimistic are removed: those with two labels, and copies on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.features.extraction import Features, Skipped

#: A hash for each photo, `V16` or `V32`; a list of `bytes` would take 50 bytes more for each.
Keys = npt.NDArray[np.void]


@dataclass(frozen=True)
class Clean:
    """Features with labels that do not contradict each other.

    Attributes:
        features: of m photos. labels: class name of each.
        groups: a key for each; equal for photos with equal vectors (copies, also with other metadata), and for those
            that were `joined`.
        skipped: photos left out, with reasons.
    """

    features: Features
    labels: tuple[str, ...]
    groups: Keys
    skipped: tuple[Skipped, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in alphabetical order."""
        return tuple(sorted(set(self.labels)))

    @property
    def independent(self) -> int:
        """Number of photos, copies not counted."""
        return len(np.unique(self.groups))

    def numbers(self, classes: Sequence[str]) -> npt.NDArray[np.intp]:
        """Position of each photo's class in `classes`: intp `(m,)`."""
        position = {name: i for i, name in enumerate(classes)}
        return np.array([position[label] for label in self.labels], np.intp)

    def content_keys(self) -> Keys:
        """For each photo the least content hash of its group, so that folds depend on content alone."""
        hashes = self.features.hashes
        order = np.argsort(hashes, kind="stable")
        _, least, copies = np.unique(self.groups[order], return_index=True, return_inverse=True)
        keys = np.empty_like(hashes)
        keys[order] = hashes[order[least]][copies]
        return keys

    def take(self, rows: Sequence[int]) -> Clean:
        """Some of the photos, in ascending order; the vectors are copied only if any are left out."""
        if len(rows) == len(self.labels):
            return self
        features = replace(
            self.features,
            paths=tuple(self.features.paths[i] for i in rows),
            rows=self.features.rows[rows],
            vectors=self.features.vectors[rows],
            hashes=self.features.hashes[rows],
        )
        return Clean(features, tuple(self.labels[i] for i in rows), self.groups[rows])

    def split(self, border: int) -> tuple[Clean, Clean]:
        """The photos before `border` and those from there on; the vectors of both are views, not copies."""
        return self._part(slice(border)), self._part(slice(border, None))

    def _part(self, part: slice) -> Clean:
        features = replace(
            self.features,
            paths=self.features.paths[part],
            rows=self.features.rows[part],
            vectors=self.features.vectors[part],
            hashes=self.features.hashes[part],
            skipped=(),
        )
        return Clean(features, self.labels[part], self.groups[part])


def without_conflicts(features: Features, labels: Sequence[str]) -> Clean:
    """Leave out all photos that occur twice with different labels: it is not known which label is right.

    Args:
        features: of m photos. labels: class name of each.
    """
    keys = group_keys(features)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    number = {label: i for i, label in enumerate(sorted(set(labels)))}
    given = np.array([number[label] for label in labels], np.intp)
    torn = np.unique(group[given != given[first][group]])
    left_out = np.isin(group, torn)
    names: dict[int, set[str]] = {copies: set() for copies in torn.tolist()}
    for i in np.flatnonzero(left_out).tolist():
        names[int(group[i])].add(labels[i])
    skipped = tuple(
        Skipped(
            features.paths[i],
            "conflicting labels",
            f"the same photo is labelled {' and '.join(sorted(names[int(group[i])]))}",
        )
        for i in np.flatnonzero(left_out).tolist()
    )
    return replace(Clean(features, tuple(labels), keys).take(np.flatnonzero(~left_out).tolist()), skipped=skipped)


def joined(clean: Clean, links: Iterable[tuple[int, int]]) -> Clean:
    """The photos with larger groups: those of two linked photos become one.

    Args:
        clean: m photos. links: numbers of two photos each.
    """
    keys, copies = np.unique(clean.groups, return_inverse=True)
    root = list(range(len(keys)))

    def top(group: int) -> int:
        while root[group] != group:
            root[group] = group = root[root[group]]
        return group

    for first, second in links:
        low, high = sorted((top(int(copies[first])), top(int(copies[second]))))
        root[high] = low
    return replace(clean, groups=keys[[top(group) for group in root]][copies]) if len(keys) else clean


def without_copies_of(train: Clean, test: Clean) -> Clean:
    """The training photos, without copies of photos that are measured on; `skipped` lists those."""
    measured = dict(zip(test.groups.tolist(), range(len(test.labels)), strict=True))
    groups = train.groups.tolist()
    keep = [i for i, group in enumerate(groups) if group not in measured]
    copies = []
    for i in sorted({*range(len(groups))} - {*keep}):
        other = measured[groups[i]]
        same = np.array_equal(train.features.vectors[i], test.features.vectors[other])
        what = "the same photo as" if same else "nearly the same photo as"
        detail = f"{what} {test.features.paths[other]}, which is measured on"
        copies.append(Skipped(train.features.paths[i], "duplicate", detail))
    return replace(train.take(keep), skipped=tuple(copies))


def distinct(clean: Clean) -> Counter[str]:
    """The number of photos of each class, copies not counted."""
    return Counter(clean.labels[i] for i in np.unique(clean.groups, return_index=True)[1].tolist())


def without_classes(clean: Clean, left_out: Collection[str]) -> Clean:
    """The photos without those of some classes; `skipped` lists these."""
    rows = [i for i, label in enumerate(clean.labels) if label in left_out]
    skipped = tuple(
        Skipped(clean.features.paths[i], "small class", f"too few photos of {clean.labels[i]} can be used")
        for i in rows
    )
    return replace(clean.take(sorted({*range(len(clean.labels))} - {*rows})), skipped=skipped)


def check_complete(expected: Sequence[str], clean: Clean, skipped: Sequence[Skipped]) -> None:
    """Check that every expected class still has photos.

    Raises:
        DataError: no photo of a class can be used; the message lists such classes and the reasons.
    """
    if missing := sorted(set(expected) - set(clean.labels)):
        reasons = sorted({one.reason for one in skipped})
        why = f" Photos were skipped as: {', '.join(reasons)}." if reasons else ""
        if reasons == ["duplicate"]:
            why = " All of them are also among the photos to measure on."
        raise DataError(
            f"No photo of {', '.join(repr(name) for name in missing)} can be used.{why}\n"
            "Expected at least two of every class. Replace the photos, or remove the folder."
        )


def group_keys(features: Features) -> Keys:
    """A key of each photo, equal for equal vectors: `V16` `(m,)`. Photos of equal content have equal vectors."""
    _, first, copies = np.unique(features.hashes, return_index=True, return_inverse=True)
    keys = np.empty(len(first), "V16")
    for place, row in enumerate(first.tolist()):
        keys[place] = np.void(hashlib.blake2b(features.vectors[row].tobytes(), digest_size=16).digest())
    return keys[copies]
