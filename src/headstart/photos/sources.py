"""A folder, a CSV or a list -> `PhotoSet`s: the photos, their classes, and which are for training or testing.

Only folders and the CSV are opened, and nothing is written, moved or changed. Hidden files, and files that operating
systems and notebooks create, are neither photos nor classes.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.errors import DataError
from headstart.photos import layout, spreadsheet
from headstart.photos.archives import is_archive, refusal
from headstart.photos.folders import entries, files_below, is_csv
from headstart.photos.layout import Classes, Layout, part_of
from headstart.photos.pictures import InMemory, Pictures, listed
from headstart.photos.splits import stratified_share
from headstart.safety.printable import counted, show, show_all


@dataclass(frozen=True)
class PhotoSet:
    """Photos with their class names, in a fixed order.

    Attributes:
        paths: as given, or joined from the folder that was scanned; n of them.
        labels: class name of each; n of them.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.paths) != len(self.labels):
            raise DataError(
                f"There are {len(self.paths)} paths but {len(self.labels)} labels.\nExpected one label for each."
            )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def counts(self) -> dict[str, int]:
        """Photos per class, class names in alphabetical order."""
        return dict(sorted(Counter(self.labels).items()))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in alphabetical order."""
        return tuple(self.counts)

    def share(self, fraction: float, seed: int) -> PhotoSet:
        """The same share of every class, in the order they have here.

        The choice depends on the names of each photo and its folder, but neither on the order of the photos nor on
        where the folders are, and it is stable when photos are added.
        """
        rows = sorted(range(len(self)), key=lambda i: self.paths[i])  # the order of photos with equal names
        keys = [os.fsencode("/".join(Path(self.paths[i]).parts[-2:])) for i in rows]
        chosen = stratified_share([self.labels[i] for i in rows], keys, fraction, seed)
        return self.take(sorted(rows[i] for i in chosen))

    def take(self, rows: Iterable[int]) -> PhotoSet:
        """The photos with these numbers, in the order given."""
        rows = list(rows)
        return PhotoSet(tuple(self.paths[i] for i in rows), tuple(self.labels[i] for i in rows))


@dataclass(frozen=True)
class Source:
    """Photos to train on and to measure on.

    Attributes:
        train: photos to train on; all photos if there is no test part.
        test: photos to measure on, or None.
        notes: sentences about what is ignored, and why.
    """

    train: PhotoSet
    test: PhotoSet | None
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All photos, those to train on first."""
        return self.train.paths + (self.test.paths if self.test else ())

    @property
    def labels(self) -> tuple[str, ...]:
        """Class name of each of `paths`."""
        return self.train.labels + (self.test.labels if self.test else ())


def open_source(
    photos: Pictures | PhotoSet,
    labels: Iterable[str] | None = None,
    test: str | Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
    known: Collection[str] = (),
) -> Source:
    """Find photos with their classes.

    Args:
        photos: a folder or CSV, a `PhotoSet`, or paths with `labels`.
        labels: class name of each path.
        test: a folder or CSV to measure on, instead of the test part of `photos`.
        fraction: train on this share of every class only, in (0, 1]; a note says so.
        seed: decides which photos the share consists of.
        known: class names that are expected; empty if they are not known.

    Raises:
        DataError: see `scan`; labels together with a folder; a list without labels; `test` has classes that `photos`
            lacks.
    """
    if isinstance(photos, PhotoSet):
        source = Source(photos, None)
    elif isinstance(photos, (str, os.PathLike)):
        if labels is not None:
            raise DataError(
                "A folder was given together with labels.\nExpected a folder, or a list of paths and labels."
            )
        (folder,) = listed(photos)  # refuses internet addresses
        source = scan(folder, known)
    elif labels is None:
        listed(photos)
        raise DataError("Photos were given without labels.\nExpected one class name for each photo.")
    else:
        source = Source(from_lists(photos, labels), None)
    if test is not None:
        other = scan(test, source.train.classes)
        held_out = other.train if other.test is None else other.test
        check_classes(source.train.classes, held_out.classes, str(test))
        ignored = ("The source's own test part is ignored: --test is measured on.",) if source.test else ()
        source = Source(source.train, held_out, source.notes + other.notes + ignored)
    if fraction is not None:
        chosen = source.train.share(fraction, seed)
        note = f"{fraction:.3g} of the {len(source.train):,} training photos: {len(chosen):,}."
        source = replace(source, train=chosen, notes=(note, *source.notes))
    return source


def scan(source: str | Path, known: Collection[str] = ()) -> Source:
    """Find the photos of a folder, a pattern or a CSV.

    Folders: see docs/folders.md; file name extensions do not matter. A pattern such as `photos/*` matches the class
    folders themselves. CSV: columns such as `path,label[,split]`, paths relative to the CSV's folder.

    Args:
        source: a path.
        known: class names that are expected; empty if they are not known.

    Raises:
        LayoutError: the folder has no class folders, or can be understood in several ways; it is an archive.
        DataError: the path is empty, there is no such folder, or the CSV is malformed.
    """
    path = named(source)
    if not os.path.exists(path):  # unlike Path.exists, also where the name is too long to be one
        if "*" in os.fspath(path):
            return _source_of(layout.matching(os.fspath(path)))
        raise DataError(_missing(path))
    if path.is_dir():
        return _source_of(layout.understand(os.fspath(path), known))
    if is_csv(path):
        return _scan_csv(path)
    if is_archive(path):
        raise refusal(path)
    raise DataError(
        f"{show(path)} is a file.\nExpected a folder with one sub-folder of photos for each class, or a CSV with "
        "the columns path,label."
    )


def from_lists(paths: Pictures, labels: Iterable[str]) -> PhotoSet:
    """A `PhotoSet` from photos and their class names, in the order given.

    Raises:
        DataError: see `pictures.listed`; a label is missing: None or NaN.
    """
    names = list(labels)
    for number, label in enumerate(names, start=1):
        if label is None or label != label:  # NaN, of a data frame, is not equal to itself
            raise DataError(f"Label {number} is {label}.\nExpected a class name for each photo.")
    return PhotoSet(tuple(listed(paths)), tuple(map(str, names)))


def check_classes(train: Sequence[str], other: Sequence[str], what: str) -> None:
    """Check that a data set has no class that is missing from the training photos.

    Raises:
        DataError: names the unknown classes and similar known ones.
    """
    unknown = sorted(set(other) - set(train))
    if unknown:
        hints = [f"'{u}' looks like '{m[0]}'" for u in unknown if (m := difflib.get_close_matches(u, train, n=1))]
        raise DataError(
            f"{what} has classes that training does not know: {show_all(unknown)}.\n"
            f"Expected only {show_all(train)}.\nRename the folders or labels{': ' + '; '.join(hints) if hints else ''}."
        )


def find_files(sources: Pictures) -> list[str]:
    """Photos to predict: files as they are, folders all below them in alphabetical order, what CSVs list.

    Pictures in memory get a name, see `pictures.listed`.

    Raises:
        DataError: a path is empty or does not exist, or a folder holds no file.
    """
    found: list[str] = []
    for source in listed(sources):
        if isinstance(source, InMemory):
            found.append(source)
            continue
        path = named(source)
        if os.path.isdir(path):
            below = sorted(files_below(os.fspath(path)))
            if not below:
                raise DataError(f"The folder {show(path)} holds no files.\nExpected photos in it or below it.")
            found += below
        elif is_csv(path) and path.is_file():
            found += [name for _, name, *_ in spreadsheet.photos(path, labelled=False).rows if name]
        elif os.path.lexists(path):
            found.append(source)
        else:
            raise DataError(_missing(path))
    return found


def named(path: str | Path) -> Path:
    """The path, unless it is empty: pathlib would take that for the working folder.

    Raises:
        DataError: it is empty.
    """
    if not os.fspath(path):
        raise DataError("A path is empty.\nExpected a folder of photos, a photo or a CSV; '.' is the working folder.")
    return Path(path)


def _photos_of(classes: Classes) -> PhotoSet:
    labels = [name for name, folder in classes for _ in folder.below]
    return PhotoSet(tuple(path for _, folder in classes for path in folder.below), tuple(labels))


def _source_of(found: Layout) -> Source:
    train = _photos_of(found.train)
    if found.test is None:
        return Source(train, None, found.notes)
    test = _photos_of(found.test)
    check_classes(train.classes, test.classes, show(found.tested))
    return Source(train, test, found.notes)


def _scan_csv(path: Path) -> Source:
    sides: dict[str, tuple[list[str], list[str]]] = {side: ([], []) for side in ("train", "test", "eval", "validation")}
    table = spreadsheet.photos(path)
    for line, name, label, split in table.rows:
        side = part_of(split or "train")
        if not name or not label or side is None:
            raise DataError(
                f"Line {line} of {show(path)} is not complete: path '{show(name)}', label '{show(label)}', split "
                f"'{show(split)}'.\nExpected a path, a label and as split train, test or val (or nothing)."
            )
        sides[side][0].append(name)
        sides[side][1].append(label)
    found = {side: PhotoSet(tuple(paths), tuple(labels)) for side, (paths, labels) in sides.items() if paths}
    if "train" not in found:
        raise DataError(f"{show(path)} names no photos to train on.\nExpected lines with split train, or no split.")
    notes = [table.note] if table.note else []
    train = found.pop("train")
    if not found:
        return Source(train, None, tuple(notes))
    measured, *unused = found
    for side in unused:
        notes.append(
            f"{counted(len(found[side]), 'photo')} of split {side} not used: split {measured} is measured on, and "
            "settings are chosen by cross-validation within split train."
        )
    check_classes(train.classes, found[measured].classes, f"The held-out split of {show(path)}")
    return Source(train, found[measured], tuple(notes))


def _missing(path: Path) -> str:
    names = [entry.name for entry in entries(path.parent)] if os.path.isdir(path.parent) else []
    near = difflib.get_close_matches(path.name, names, n=3)
    hint = f" Did you mean {' or '.join(show(path.parent / name) for name in near)}?" if near else ""
    return f"{show(path)} does not exist.{hint}\nExpected a folder of photos, a photo or a CSV."
