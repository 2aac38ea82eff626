"""What makes figures too good is removed before anything is measured: photos with two labels, copies on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from headstart.errors import DataError
from headstart.features.extraction import Features, Skipped


@dataclass(frozen=True)
class Clean:
    """Features with labels that do not contradict each other.

    Attributes:
        features: of m photos. labels: class name of each.
        groups: a key for each; equal for photos whose vectors are equal (copies, or copies with other metadata).
        skipped: photos left out, with reasons.
    """

    features: Features
    labels: tuple[str, ...]
    groups: tuple[bytes, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in alphabetical order."""
        return tuple(sorted(set(self.labels)))

    @property
    def independent(self) -> int:
        """Number of photos, copies not counted."""
        return len(set(self.groups))

    def numbers(self, classes: Sequence[str]) -> npt.NDArray[np.intp]:
        """Position of each photo's class in `classes`: intp `(m,)`."""
        position = {name: i for i, name in enumerate(classes)}
        return np.array([position[label] for label in self.labels], np.intp)

    def content_keys(self) -> list[bytes]:
        """For each photo the least content hash of its group: folds follow content, not names or arithmetic."""
        first: dict[bytes, bytes] = {}
        for group, digest in zip(self.groups, self.features.hashes, strict=True):
            first[group] = min(first.get(group, digest), digest)
        return [first[group] for group in self.groups]

    def take(self, rows: Sequence[int]) -> Clean:
        """Some of the photos, in ascending order; the vectors are copied only if any are left out."""
        if len(rows) == len(self.labels):
            return self
        return Clean(
            _taken(self.features, rows), tuple(self.labels[i] for i in rows), tuple(self.groups[i] for i in rows)
        )

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
    """Leave out every photo that is there twice with different labels: nobody knows which label is right.

    Args:
        features: of m photos. labels: class name of each.
    """
    groups = group_keys(features)
    first: dict[bytes, str] = {}
    torn = {group for group, label in zip(groups, labels, strict=True) if first.setdefault(group, label) != label}
    names: dict[bytes, set[str]] = {group: set() for group in torn}  # few: a set for every photo costs 300 bytes each
    for group, label in zip(groups, labels, strict=True):
        if group in names:
            names[group].add(label)
    skipped = tuple(
        Skipped(path, "conflicting labels", "the same photo is labelled " + " and ".join(sorted(names[group])))
        for path, group in zip(features.paths, groups, strict=True)
        if group in torn
    )
    keep = [i for i, group in enumerate(groups) if group not in torn]
    return replace(Clean(features, tuple(labels), groups).take(keep), skipped=skipped)


def without_copies_of(train: Clean, test: Clean) -> Clean:
    """The training photos without those that are also measured on; `skipped` lists the copies."""
    measured = dict(zip(test.groups, test.features.paths, strict=True))
    keep = [i for i, group in enumerate(train.groups) if group not in measured]
    copies = tuple(
        Skipped(path, "duplicate", f"the same photo as {measured[group]}, which is measured on")
        for path, group in zip(train.features.paths, train.groups, strict=True)
        if group in measured
    )
    return replace(train.take(keep), skipped=copies)


def check_complete(expected: Sequence[str], clean: Clean, skipped: Sequence[Skipped]) -> None:
    """A class that was announced must not vanish because none of its photos can be used.

    Raises:
        DataError: naming the classes and why.
    """
    if missing := sorted(set(expected) - set(clean.labels)):
        reasons = sorted({one.reason for one in skipped})
        why = f" Photos were skipped as: {', '.join(reasons)}." if reasons else ""
        raise DataError(
            f"No photo of {', '.join(repr(name) for name in missing)} can be used.{why}\n"
            "Expected at least two of every class. Replace the photos, or remove the folder."
        )


def group_keys(features: Features) -> tuple[bytes, ...]:
    """A key of each photo, equal for equal vectors: 16 bytes. Photos of equal content have equal vectors."""
    keys: dict[bytes, bytes] = {}
    for digest, row in zip(features.hashes, features.vectors, strict=True):
        if digest not in keys:
            keys[digest] = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
    return tuple(keys[digest] for digest in features.hashes)


def _taken(features: Features, rows: Sequence[int]) -> Features:
    return replace(
        features,
        paths=tuple(features.paths[i] for i in rows),
        rows=features.rows[rows],
        vectors=features.vectors[rows],
        hashes=tuple(features.hashes[i] for i in rows),
    )
