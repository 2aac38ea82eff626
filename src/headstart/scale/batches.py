"""The photos of a unit, some at a time: files as they are, those of tables, archives and object stores in memory."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from headstart.errors import DataError, PhotoError
from headstart.photos.folders import PICTURES
from headstart.photos.images import HELD_BYTES
from headstart.photos.pictures import InMemory
from headstart.photos.reading import FilePhoto, Photo
from headstart.safety.printable import show
from headstart.scale.listing import ADDRESS_COLUMNS, LABEL_COLUMNS, PHOTO_COLUMNS, SPLIT_COLUMNS, Entry
from headstart.scale.places import Place, RequestError, arrow, is_remote

#: Photos and bytes that are held at a time: more photos make the gaps between batches rarer, not smaller.
MOST_PHOTOS, MOST_BYTES = 1024, 2**26
#: Files of an object store that are fetched ahead. At 50 ms an answer, 16 threads fetch 300 a second.
_AHEAD, _FETCHERS = 24, 16
_ROWS = 128


@dataclass(frozen=True)
class Batch:
    """Photos to process together.

    Attributes:
        paths: n addresses; those of pictures in memory are `InMemory`.
        labels, splits: of each, None where not known.
        carried: a pyarrow table of the n rows' other columns; None: there are none.
        broken: why the one photo is none but an archive that cannot be read to its end; empty: it is a photo.
    """

    paths: tuple[str, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str | None, ...]
    carried: Any = None
    broken: str = ""


def batches(unit: Sequence[Entry], column: str = "") -> Iterator[Batch]:
    """The photos of a unit.

    Args:
        unit: photos, or one table or archive.
        column: of the table, see `photo_column`.

    Raises:
        OSError: a table or archive cannot be read, and that may pass.
        DataError: the table has no photos.
    """
    (kind,) = {entry.kind for entry in unit}
    if kind == "rows":
        for entry in unit:
            yield from _rows(entry, column)
    elif kind == "tar":
        for entry in unit:
            yield from _members(Place(entry.address))
    else:
        for start in range(0, len(unit), MOST_PHOTOS):
            part = unit[start : start + MOST_PHOTOS]
            paths = tuple(entry.address for entry in part)
            yield Batch(paths, tuple(entry.label for entry in part), tuple(entry.split for entry in part))


# --- single files ---


class Reader:
    """Reads the photos of a batch: from the disk, from memory, or fetched ahead from an object store.

    Attributes:
        bytes: that were read.
        lost: why files of an object store could not be fetched, of each that exists.
    """

    def __init__(self, paths: Sequence[str], pool: ThreadPoolExecutor) -> None:
        self.bytes = 0
        self.lost: list[str] = []
        self._pool = pool
        self._lock = threading.Lock()
        self._coming = iter([path for path in paths if _fetched(path)])
        self._ahead: dict[str, Future[bytes]] = {}
        for _ in range(_AHEAD):
            self._submit()

    def read(self, path: str) -> Photo:
        """Read one photo; called by several threads at once.

        Raises:
            PhotoError: it cannot be read.
        """
        photo = self._fetch(path) if _fetched(path) else FilePhoto.read(path)
        size = len(photo.data) if isinstance(photo.data, bytes) else 0
        with self._lock:
            self.bytes += size
        return photo

    def _fetch(self, path: str) -> FilePhoto:
        with self._lock:
            future = self._ahead.pop(path, None)
            self._submit()
        try:
            data = fetch(path) if future is None else future.result()
        except FileNotFoundError as error:
            raise PhotoError("unreadable", "there is no such file") from error
        except OSError as error:
            self.lost.append(str(error)[:300])
            raise PhotoError("unreadable", str(error)[:300]) from error
        return FilePhoto.read(InMemory.of(path, data))

    def _submit(self) -> None:
        following = next(self._coming, None)
        if following is not None:
            self._ahead[following] = self._pool.submit(fetch, following)

    def close(self) -> None:
        """Forget what was fetched ahead."""
        for future in self._ahead.values():
            future.cancel()


def fetch(address: str) -> bytes:
    """The bytes of a file in an object store.

    Raises:
        PhotoError: it is too large to be held in memory.
        OSError: it is missing or cannot be read.
    """
    data = Place(address).read(HELD_BYTES)
    if len(data) > HELD_BYTES:
        raise PhotoError("too large", f"from an object store at most {HELD_BYTES:,} bytes are read")
    return data


@contextmanager
def fetchers() -> Iterator[ThreadPoolExecutor]:
    """Threads that fetch files from object stores; they start when they are needed."""
    pool = ThreadPoolExecutor(_FETCHERS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fetched(path: str) -> bool:
    return is_remote(path) and not isinstance(path, InMemory)


# --- tables ---


def photo_column(schema: Any, wanted: str = "") -> tuple[str, str, bool]:
    """Which column of a table has the photos.

    Args:
        schema: of pyarrow.
        wanted: its name, if the user gave it.

    Returns:
        the column's name; the field in it (of a structure such as Hugging Face's `image: {bytes, path}`) or empty; and
        whether it holds bytes, not addresses.

    Raises:
        DataError: there is no such column.
    """
    import pyarrow as pa

    names = {name.lower(): name for name in reversed(schema.names)}
    for name in (wanted,) if wanted else (*PHOTO_COLUMNS, *ADDRESS_COLUMNS):
        found = names.get(name.lower())
        if found is None:
            continue
        kind = schema.field(found).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return found, "bytes", True
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return found, "", True
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return found, "", False
    what = f"no column '{wanted}' of bytes or addresses" if wanted else "no column of photos"
    raise DataError(
        f"The table has {what}; its columns are {', '.join(map(show, schema.names))}.\nExpected bytes in a column such "
        f"as {PHOTO_COLUMNS[0]}, or addresses in one such as {ADDRESS_COLUMNS[0]}. Name it: --column."
    )


def _rows(entry: Entry, wanted: str) -> Iterator[Batch]:
    pa = arrow()
    from pyarrow import parquet

    place = Place(entry.address)
    with place.open() as file:
        table = parquet.ParquetFile(file)
        schema = table.schema_arrow
        column, inner, held = photo_column(schema, wanted)
        groups = list(range(entry.first, entry.first + entry.count))
        row = sum(table.metadata.row_group(i).num_rows for i in range(entry.first))
        waiting: list[Any] = []
        start, size, broken = row, 0, ""
        parts = table.iter_batches(_ROWS, row_groups=groups)
        while True:
            try:
                part = next(parts, None)
            except RequestError:
                raise
            except (OSError, pa.ArrowException) as error:
                part, broken = None, str(error)[:300]
            if part is not None:
                waiting.append(part)
                row += len(part)
                size += part.nbytes if held else 0
            if waiting and (part is None or row - start >= MOST_PHOTOS or size >= MOST_BYTES):
                yield _of_rows(place, waiting, start, (column, inner, held))
                waiting, start, size = [], row, 0
            if part is None:
                break
        if broken:
            yield _broken(place, broken)


def _of_rows(place: Place, parts: list[Any], start: int, where: tuple[str, str, bool]) -> Batch:
    import pyarrow as pa

    column, inner, held = where
    table = pa.Table.from_batches(parts)
    cells = table.column(column)
    if inner:
        cells = pa.chunked_array([chunk.field(inner) for chunk in cells.chunks])
    names = [f"{place.address}#{start + i}" for i in range(len(table))]
    base = place.address.rpartition("/")[0]
    values = cells.to_pylist()
    paths = [
        InMemory.of(name, value or b"") if held else _joined(base, value or "")
        for name, value in zip(names, values, strict=True)
    ]
    kinds = pa.types
    kept = [
        field.name
        for field in table.schema
        if (field.name != column or not held) and not kinds.is_binary(field.type) and not kinds.is_struct(field.type)
    ]
    labels = _text(table, LABEL_COLUMNS)
    return Batch(tuple(paths), labels, _text(table, SPLIT_COLUMNS), table.select(kept))


def _joined(base: str, address: str) -> str:
    """An address in a table, which may be relative to the table's folder."""
    if not address or is_remote(address) or os.path.isabs(address):
        return address
    return f"{base}/{address}"


def _text(table: Any, names: Sequence[str]) -> tuple[str | None, ...]:
    """A column as text, under the first of several names; None: there is none, or the cell is empty."""
    own = {name.lower(): name for name in reversed(table.column_names)}
    found = next((own[name] for name in names if name in own), None)
    if found is None:
        return (None,) * len(table)
    return tuple(None if value is None else str(value) for value in table.column(found).to_pylist())


# --- archives ---


def _members(place: Place) -> Iterator[Batch]:
    """Photos of a WebDataset archive: `0001.jpg` with its class in `0001.cls` or in the `label` of `0001.json`."""
    with tempfile.TemporaryFile() as copy:
        if place.local is None:
            place.copy_to(copy)
            copy.seek(0)
        with open(place.local, "rb") if place.local is not None else copy as file:
            pictures: list[tuple[str, str, bytes]] = []
            labels: dict[str, str] = {}
            size = 0
            last = ""
            broken: Batch | None
            try:
                with tarfile.open(fileobj=file, mode="r|*") as archive:
                    for member in archive:
                        if not member.isfile() or os.path.basename(member.name).startswith("."):
                            continue
                        folder, _, base = member.name.rpartition("/")
                        sample, extension = f"{folder}/{base.partition('.')[0]}", base.rpartition(".")[2]
                        if sample != last and (len(pictures) >= MOST_PHOTOS or size >= MOST_BYTES):
                            yield _of_members(place, pictures, labels)
                            pictures, labels, size = [], {}, 0
                        last = sample
                        if f".{extension.lower()}" in PICTURES:
                            data = _content(archive, member, HELD_BYTES)
                            pictures.append((member.name, sample, data))
                            size += len(data)
                        elif extension.lower() in ("cls", "json", "txt") and (label := _label(archive, member)):
                            labels[sample] = label
            except (tarfile.TarError, EOFError, zlib.error) as error:
                broken = _broken(place, str(error))
            else:
                broken = None if _complete(place, file) else _broken(place, "it has no end")
            if pictures:
                yield _of_members(place, pictures, labels)
            if broken is not None:
                yield broken


def _complete(place: Place, file: Any) -> bool:
    """Whether an archive ends with its mark, 1,024 zeros; of a packed one the packing tells."""
    if not place.name.lower().endswith(".tar"):
        return True
    file.seek(-1024, os.SEEK_END)
    return not any(file.read(1024))


def _broken(place: Place, why: str) -> Batch:
    return Batch((place.address,), (None,), (None,), broken=f"{place.name} cannot be read to its end: {why}")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    opened = archive.extractfile(member)
    return opened.read(most) if opened is not None else b""


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    text = _content(archive, member, 2**16)
    if member.name.endswith(".json"):
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, dict):
                named = next((found[name] for name in LABEL_COLUMNS if name in found), None)
                return None if named is None else str(named)
        return None
    return text.decode("utf-8", "replace").strip() if member.name.endswith(".cls") else None


def _of_members(place: Place, pictures: list[tuple[str, str, bytes]], labels: dict[str, str]) -> Batch:
    paths = tuple(InMemory.of(f"{place.address}#{name}", data) for name, _, data in pictures)
    return Batch(paths, tuple(labels.get(sample) for _, sample, _ in pictures), (None,) * len(paths))
