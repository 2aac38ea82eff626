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
from typing import Any

from headstart.errors import PhotoError
from headstart.photos.folders import PICTURES
from headstart.photos.images import HELD_BYTES
from headstart.photos.pictures import InMemory
from headstart.photos.reading import FilePhoto, Photo
from headstart.scale.batch import MOST_BYTES, MOST_PHOTOS, Batch, broken
from headstart.scale.listing import LABEL_COLUMNS, Entry
from headstart.scale.places import Place, is_remote
from headstart.scale.tables import lance_rows, row_groups

#: Files of an object store that are fetched ahead. At 50 ms an answer, 16 threads fetch 300 a second.
_AHEAD, _FETCHERS = 24, 16


def batches(unit: Sequence[Entry], column: str = "") -> Iterator[Batch]:
    """The photos of a unit.

    Args:
        unit: photos, or one table or archive.
        column: of the table, see `tables.photo_column`.

    Raises:
        OSError: a table or archive cannot be read, and that may pass.
        DataError: the table has no photos.
    """
    (kind,) = {entry.kind for entry in unit}
    if kind == "rows":
        for entry in unit:
            yield from row_groups(entry, column)
    elif kind == "lance":
        for entry in unit:
            yield from lance_rows(entry, column)
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
            end: Batch | None
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
                end = broken(place, str(error))
            else:
                end = None if _complete(place, file) else broken(place, "it has no end")
            if pictures:
                yield _of_members(place, pictures, labels)
            if end is not None:
                yield end


def _complete(place: Place, file: Any) -> bool:
    """Whether an archive ends with its mark, 1,024 zeros; a packed one has checksums."""
    if not place.name.lower().endswith(".tar"):
        return True
    file.seek(-1024, os.SEEK_END)
    return not any(file.read(1024))


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
