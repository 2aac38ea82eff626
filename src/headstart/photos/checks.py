"""Checks of the photos to train on that need only their names: before any photo is read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from headstart.errors import DataError, LayoutError, Way
from headstart.photos import layout
from headstart.photos.folders import looks_like_photo
from headstart.photos.sources import PhotoSet, Source
from headstart.safety.printable import counted, show, show_all

#: Different photos that a class must have: one to train on while the other is measured on.
LEAST = 2
SKIP = "--skip-small-classes"


def photo_counts(photos: PhotoSet) -> Counter[str]:
    """Files of each class that look like photos; those whose names do not decide it are opened."""
    pairs = zip(photos.paths, photos.labels, strict=True)
    return Counter(label for path, label in pairs if looks_like_photo(path))


def without_small(
    source: Source, counts: Mapping[str, int], given: object, test: str | Path | None, skip: bool
) -> Source:
    """The photos, if a classifier can be trained on them; classes with too few are left out where that is wanted.

    Args:
        source: found in `given` and `test`.
        counts: `photo_counts` of the photos to train on.
        given: where the photos are.
        test: where photos to measure on are, if they are not in `given`.
        skip: leave out classes with fewer than two photos, and note it.

    Raises:
        LayoutError: there is only one class, a class has too few photos, or photos to train on and to measure on are
            the same.
        DataError: none of the photos of a CSV exists.
    """
    place = os.fspath(given) if isinstance(given, (str, Path)) else ""
    if place and not any(map(os.path.lexists, source.train.paths)):
        raise DataError(
            f"{show(place)} names {counted(len(source.train), 'photo')} to train on, but none of them exists; the "
            f"first would be {show(source.train.paths[0])}.\nExpected paths that count from the folder of the CSV."
        )
    if test is not None:
        _check_apart(source, place, os.fspath(test))
    if len(source.train.classes) == 1:
        raise _one_class(source, place)
    small = [name for name in source.train.classes if counts[name] < LEAST]
    if not small:
        return source
    listed = ", ".join(f"'{show(name)}' ({counts[name]})" for name in small[:10])
    listed += f" and {len(small) - 10} more" if len(small) > 10 else ""
    if len(source.train.classes) - len(small) < LEAST or not skip:
        raise too_few(listed, place, skippable=len(source.train.classes) - len(small) >= LEAST)
    note = f"Classes left out, because they have fewer than two photos: {listed}."
    train, held_out = _without(source.train, small), source.test and _without(source.test, small)
    return replace(source, train=train, test=held_out, notes=(*source.notes, note))


def too_few(listed: str, place: str = "", skippable: bool = True) -> LayoutError:
    """The error for classes with too few photos.

    Args:
        listed: the classes. place: where the photos are. skippable: whether enough classes are left without them.
    """
    return LayoutError(
        f"Too few photos of {listed}.",
        "Expected at least two different photos of every class; ten or more are recommended.",
        place,
        ways=[Way("To leave such classes out", option=SKIP)] if skippable else [],
    )


def _without(photos: PhotoSet, classes: Collection[str]) -> PhotoSet:
    return photos.take(i for i, label in enumerate(photos.labels) if label not in classes)


def _check_apart(source: Source, place: str, test: str) -> None:
    """No class may lose all its training photos because they are measured on."""
    measured = {os.path.abspath(path) for path in (source.test.paths if source.test else ())}
    left = {
        label
        for path, label in zip(source.train.paths, source.train.labels, strict=True)
        if os.path.abspath(path) not in measured
    }
    gone = [name for name in source.train.classes if name not in left]
    if gone:
        what = f"all training photos of {show_all(gone)}" if left else "the photos that are trained on"
        raise LayoutError(
            f"{show(test)} is to be measured on, but it holds {what}: none would be left to train on.",
            "Expected other photos to measure on. Without them the accuracy is measured by cross-validation.",
            place,
            ways=[Way("To measure by cross-validation", without="--test")],
        )


def _one_class(source: Source, place: str) -> LayoutError:
    name = source.train.classes[0]
    if os.path.isdir(place):
        return layout.one_class(place, name)
    return LayoutError(
        f"A classifier needs at least two classes; received only '{show(name)}'.", "Expected photos of other classes."
    )
