"""A source -> units of work: photos in folders, rows of tables, photos in tar archives.

Only names are read here, and how many rows tables have. The units are written to the job's folder one by one, so memory
does not grow with their number.
"""

from __future__ import annotations

import fnmatch
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart.disk.unpack import NOISE
from headstart.errors import DataError
from headstart.photos import layout
from headstart.photos.folders import is_csv
from headstart.photos.sources import find_files, open_source
from headstart.progress import Progress
from headstart.safety.printable import show
from headstart.scale import lance_table
from headstart.scale.places import Place, arrow, is_remote

Kind = Literal["file", "rows", "lance", "tar"]
_TABLES, _TARS = (".parquet",), (".tar", ".tar.gz", ".tgz")
#: A Lance table is a folder with such a name.
_LANCE = ".lance"
#: How columns may be called, see `tables.photo_column`.
PHOTO_COLUMNS = ("image", "photo", "picture", "img", "bytes", "jpg", "jpeg", "png")
ADDRESS_COLUMNS = ("path", "address", "url", "uri", "file", "filename", "file_name", "image_path")
LABEL_COLUMNS, SPLIT_COLUMNS = ("label", "class", "class_name", "category"), ("split", "subset")


@dataclass(frozen=True)
class Entry:
    """A photo's file, some row groups of a Parquet table, some rows of a Lance table, or an archive.

    Attributes:
        kind: which of them.
        address: of the file.
        label, split: of a photo, if they are known.
        first, count: row groups or rows of a table.
        photos: how many; None: not known before an archive is read.
        version: of a Lance table when it was listed; 0: of anything else.
    """

    kind: Kind
    address: str
    label: str | None = None
    split: str | None = None
    first: int = 0
    count: int = 0
    photos: int | None = 1
    version: int = 0


def absolute(source: str) -> str:
    """The same address from every working folder."""
    return source if is_remote(source) else os.path.abspath(os.path.expanduser(source))


def units(sources: Sequence[str], size: int, progress: Progress) -> Iterator[list[Entry]]:
    """Cut a source into units, in an order that only depends on its names.

    Args:
        sources: absolute addresses: folders, patterns, photos, CSV files, tables (.parquet, .lance), archives (.tar).
        size: photos of a unit; an archive is always one unit.
        progress: receives what is ignored.

    Raises:
        DataError: there is no such file or folder, it holds no photos, or cannot be listed.
    """
    waiting: list[Entry] = []
    for entry in _entries(sources, size, progress):
        if waiting and (entry.kind != "file" or waiting[0].kind != "file" or len(waiting) == size):
            yield waiting
            waiting = []
        waiting.append(entry)
    if waiting:
        yield waiting


def write(found: Iterable[list[Entry]], place: Place) -> tuple[int, int | None]:
    """Write the list of units.

    Returns:
        how many units and photos there are; None: archives must be read to know.
    """
    arrow()
    from pyarrow import parquet

    number, photos = 0, 0
    known = True
    with tempfile.TemporaryFile() as file:
        with parquet.ParquetWriter(file, _schema()) as writer:
            for unit in found:
                number += 1
                writer.write_table(_table(unit))
                photos += sum(entry.photos or 0 for entry in unit)
                known = known and all(entry.photos is not None for entry in unit)
        place.write(file)
    return number, photos if known else None


class Units:
    """The list of units that `write` wrote."""

    def __init__(self, place: Place) -> None:
        arrow()
        from pyarrow import parquet

        self._opened = place.open()
        self._file = parquet.ParquetFile(self._opened)

    def read(self, number: int) -> list[Entry]:
        """The entries of a unit."""
        rows = self._file.read_row_group(number).to_pylist()
        return [Entry(**{**row, "address": os.fsdecode(row["address"])}) for row in rows]


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("kind", pa.string()),
            pa.field("address", pa.binary()),
            pa.field("label", pa.string()),
            pa.field("split", pa.string()),
            pa.field("first", pa.int64()),
            pa.field("count", pa.int64()),
            pa.field("photos", pa.int64()),
            pa.field("version", pa.int64()),
        ]
    )


def _table(unit: Sequence[Entry]) -> Any:
    import pyarrow as pa

    columns = {
        "kind": [entry.kind for entry in unit],
        "address": [os.fsencode(entry.address) for entry in unit],
        "label": [entry.label and show(entry.label) for entry in unit],
        "split": [entry.split for entry in unit],
        "first": [entry.first for entry in unit],
        "count": [entry.count for entry in unit],
        "photos": [entry.photos for entry in unit],
        "version": [entry.version for entry in unit],
    }
    return pa.table(columns, schema=_schema())


def _entries(sources: Sequence[str], size: int, progress: Progress) -> Iterator[Entry]:
    for source in sources:
        place = Place(source)
        try:
            found = _found(place, size, progress)
            first = next(found, None)
            if first is None:
                raise DataError(
                    f"{show(source)} holds no photos, or does not exist.\nExpected photos in it or below it."
                )
            yield first
            yield from found
        except OSError as error:
            raise DataError(f"{show(source)} cannot be listed: {error.strerror or error}.") from error


def _found(place: Place, size: int, progress: Progress) -> Iterator[Entry]:
    name = place.name.lower()
    if "*" in place.address:
        yield from _matching(place, size, progress)
    elif name.endswith(_LANCE):
        yield from _rows(place, size)
    elif name.endswith(_TABLES):
        yield from _row_groups(place, size)
    elif name.endswith(_TARS) and not (place.local and place.local.is_dir()):
        yield Entry("tar", place.address, photos=None)
    elif place.local is not None:
        yield from _here(place.local, size, progress)
    else:
        yield from _below(place, size)


def _here(path: Path, size: int, progress: Progress) -> Iterator[Entry]:
    """A folder or file of this disk, with the classes and parts that `headstart train` finds in it."""
    if path.is_dir():
        folders, files = Place(str(path)).entries()
        seen = sorted(name for name in (*filter(_is_lance, folders), *files) if not _hidden(name))
        if seen and all(_is_lance(name) or name.lower().endswith(_TABLES + _TARS) for name in seen):
            for name in seen:
                yield from _found(Place(str(path)) / name, size, progress)
            return
    if path.is_dir() or is_csv(path):
        try:
            source = open_source(path)
        except DataError:
            pass  # no classes: all photos in it, or what is wrong with it shows when they are listed
        else:
            for note in source.notes:
                progress.caution(note)
            split = None if source.test is None else "train"
            for part, side in ((source.train, split), (source.test, "test")):
                for photo, label in zip(part.paths, part.labels, strict=True) if part else ():
                    yield Entry("file", photo, label, side)
            return
    for photo in find_files(str(path)):
        yield Entry("file", photo)


def _below(place: Place, size: int, splits: tuple[str | None, str | None] = (None, None)) -> Iterator[Entry]:
    """All files of a folder of an object store. The name of a photo's folder is its class, `train` and `test` splits.

    Args:
        place: the folder, or one file.
        size: photos of a unit.
        splits: the split and the class of the files directly in it.
    """
    folders, files = place.entries()
    if not folders and not files and place.exists():
        yield Entry("file", place.address)
        return
    split, label = splits
    for name in files:
        if _hidden(name):
            continue
        if name.lower().endswith(_TABLES):
            yield from _row_groups(place / name, size)
        elif name.lower().endswith(_TARS):
            yield Entry("tar", (place / name).address, photos=None)
        else:
            yield Entry("file", (place / name).address, label, split)
    for name in folders:
        if _hidden(name):
            continue
        if _is_lance(name):
            yield from _rows(place / name, size)
        else:
            part = layout.part_of(name) if split is None and label is None else None
            inner = (part, None) if part else (split, label or name)
            yield from _below(place / name, size, inner)


def _matching(place: Place, size: int, progress: Progress) -> Iterator[Entry]:
    """What a pattern matches: files, or whole folders; a photo's folder is its class."""
    parts = place.address.split("/")
    fixed = next(i for i, part in enumerate(parts) if "*" in part)
    matched = [Place("/".join(parts[:fixed]) or "/")]
    for part in parts[fixed:]:
        found = []
        for one in matched:
            folders, files = one.entries()
            names = fnmatch.filter((name for name in (*folders, *files) if not _hidden(name)), part)
            found += [one / name for name in sorted(names)]
        matched = found
    for one in matched:
        if one.name.lower().endswith((*_TABLES, *_TARS, _LANCE)):
            yield from _found(one, size, progress)
            continue
        folders, files = one.entries()
        if folders or files:
            yield from _below(one, size, (None, one.name))
        else:
            yield Entry("file", one.address, one.address.split("/")[-2] if "*" in parts[-2] else None)


def _row_groups(place: Place, size: int) -> Iterator[Entry]:
    """Row groups of a table; small ones together, large ones alone."""
    from pyarrow import ArrowException

    arrow()
    from pyarrow import parquet

    try:
        with place.open() as file:
            groups = parquet.ParquetFile(file).metadata
            rows = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
    except ArrowException as error:
        raise DataError(f"{show(place.address)} is not a Parquet table: {error}.") from error
    first, photos = 0, 0
    for number, count in enumerate(rows):
        if photos and photos + count > size:
            yield Entry("rows", place.address, first=first, count=number - first, photos=photos)
            first, photos = number, 0
        photos += count
    if photos:
        yield Entry("rows", place.address, first=first, count=len(rows) - first, photos=photos)


def _rows(place: Place, size: int) -> Iterator[Entry]:
    """Rows of a Lance table that are not deleted, as it is now."""
    address = place.address.rstrip("/")
    try:
        count, version = lance_table.rows_and_version(address)
    except OSError as error:
        raise DataError(
            f"{show(address)} cannot be read as a Lance table: {error}.\nExpected a folder that Lance wrote."
        ) from error
    for first in range(0, count, size):
        rows = min(size, count - first)
        yield Entry("lance", address, first=first, count=rows, photos=rows, version=version)


def _is_lance(name: str) -> bool:
    return name.lower().endswith(_LANCE)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in NOISE
