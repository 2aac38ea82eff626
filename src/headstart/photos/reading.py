"""Reads, hashes and decodes photos: for one model, or once for several models with the same view."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Self

from headstart.errors import PhotoError
from headstart.photos import images
from headstart.photos.budget import ReadingPool
from headstart.photos.images import Images, View
from headstart.photos.pictures import InMemory

#: A file changed this recently may change again without a new time stamp, so it is hashed again.
_RACY_SECONDS = 2.0


def processors() -> int:
    """Cores this process may use: at most `HEADSTART_THREADS` of them, if that is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, thread_limit() or cores)


def thread_limit() -> int | None:
    """The threads that a process may use, from the environment variable `HEADSTART_THREADS`; None: not set."""
    given = os.environ.get("HEADSTART_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else None


@contextmanager
def readers() -> Iterator[Executor]:
    """Threads that read photos, one for each core.

    After an error or Ctrl-C, decoding is cancelled.
    """
    pool = ReadingPool(processors())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def fingerprint(path: str) -> bytes | None:
    """32 bytes that change when the file does; None if it is missing, changed just now, or is in memory."""
    if isinstance(path, InMemory):
        return None
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return None
    if time.time() - max(info.st_mtime, info.st_ctime) < _RACY_SECONDS:
        return None
    facts = f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino} {info.st_dev} "
    return hashlib.blake2b(facts.encode() + os.fsencode(os.path.abspath(path)), digest_size=32).digest()


class Photo(Protocol):
    """A photo that was read.

    Attributes:
        mark: fingerprint of the file from before it was read; None if it has none.
        digest: SHA-256 of its bytes.
    """

    @property
    def mark(self) -> bytes | None: ...  # noqa: D102
    @property
    def digest(self) -> bytes: ...  # noqa: D102

    def decode(self, view: View) -> Images:
        """The picture, uint8 `(height, width, 3)`.

        Raises:
            PhotoError: it cannot be used.
        """
        ...


@dataclass(frozen=True)
class FilePhoto:
    """A photo with the bytes of its file, or what `images.read` gives instead if it is large."""

    mark: bytes | None
    digest: bytes
    data: images.Data

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file.

        Raises:
            PhotoError: it cannot be read.
        """
        mark = fingerprint(path)
        data = images.read(path)
        return cls(mark, images.content_hash(data), data)

    def decode(self, view: View) -> Images:
        """See `Photo.decode`."""
        return images.decode(self.data, view)


@dataclass(frozen=True)
class _Decoded:
    mark: bytes | None
    digest: bytes
    picture: Images

    def decode(self, view: View) -> Images:
        return self.picture


class Album:
    """Photos decoded once for all models with the same view; photos given to `hold` stay in memory.

    Args:
        view: of all its pictures: uint8 `(height, width, 3)`, `height * width * 3` bytes each.
        seen: receives each photo and its picture; called by several threads at once.
    """

    def __init__(self, view: View, seen: Callable[[Photo, Images], None] | None = None) -> None:
        self.view = view
        self._seen = seen
        self._photos: dict[str, _Decoded] = {}

    def hold(self, paths: Sequence[str], pool: Executor) -> None:
        """Decode these photos and forget all others. `read` reports those that cannot be used."""
        self._photos = {}
        decoded = zip(paths, pool.map(self._decode, paths), strict=True)
        self._photos = {path: photo for path, photo in decoded if photo is not None}

    def read(self, path: str) -> Photo:
        """A photo from memory or else from its file.

        Raises:
            PhotoError: it cannot be read.
        """
        return self._photos.get(path) or FilePhoto.read(path)

    def keep(self, most: int) -> None:
        """Forget all but some photos."""
        self._photos = dict(islice(self._photos.items(), most))

    @property
    def pictures(self) -> list[Images]:
        """The pictures held."""
        return [photo.picture for photo in self._photos.values()]

    def _decode(self, path: str) -> _Decoded | None:
        """Read and decode a photo in the pool's threads; None if it cannot be used."""
        try:
            photo = FilePhoto.read(path)
            picture = photo.decode(self.view)
        except PhotoError:
            return None
        if self._seen is not None:
            self._seen(photo, picture)
        return _Decoded(photo.mark, photo.digest, picture)
