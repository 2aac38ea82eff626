"""A photo's file: read and hashed; decoded once for one network, or once for several that look at it alike."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

from headstart import images
from headstart.errors import PhotoError
from headstart.images import Images, View
from headstart.store import fingerprint


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
    """Photos decoded once, for all networks that look at them in one view; as many in memory as it was told to hold.

    Args:
        view: of all its pictures: uint8 `(height, width, 3)`, `height * width * 3` bytes each.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self._photos: dict[str, _Decoded] = {}
        self._lock = threading.Lock()

    def hold(self, paths: Iterable[str], pool: Executor) -> None:
        """Decode these photos and forget all others. Those that cannot be used are left to who asks for them."""
        self._photos = {}
        for _ in pool.map(self._hold, paths):
            pass

    def read(self, path: str) -> Photo:
        """A photo that is held, or else from its file.

        Raises:
            PhotoError: it cannot be read.
        """
        return self._photos.get(path) or FilePhoto.read(path)

    def pictures(self, most: int) -> list[Images]:
        """Some of the pictures held."""
        return [photo.picture for photo in list(self._photos.values())[:most]]

    def _hold(self, path: str) -> None:
        with suppress(PhotoError):
            photo = FilePhoto.read(path)
            decoded = _Decoded(photo.mark, photo.digest, photo.decode(self.view))
            with self._lock:
                self._photos[path] = decoded
