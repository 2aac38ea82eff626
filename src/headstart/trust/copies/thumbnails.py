"""Small pictures of photos in which copies are looked for, kept in the store by content."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from headstart.errors import PhotoError, StoreError
from headstart.features.extraction import Hashes
from headstart.features.records import Records
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.images import Images, View
from headstart.photos.reading import FilePhoto, Photo, readers
from headstart.progress import Progress
from headstart.safety.printable import counted
from headstart.trust.copies.shots import FACTS, facts

#: Height and width of the grey picture; its two colour channels are smaller by `_COLOUR`.
SIDE = 48
_COLOUR = 4
_PIXELS = SIDE**2 + 2 * (SIDE // _COLOUR) ** 2
#: Bytes of a thumbnail: its pixels, then when and by which camera it was taken.
WIDTH = _PIXELS + FACTS
#: Photos are decoded larger, as they are for a backbone: JPEG decoding at a reduced size and then a little less makes
#: other thumbnails (benchmarks/RESULTS.md).
_VIEW = View(128, 128)
_CHUNK = 256
#: From so many photos on it takes more than a few seconds.
_MANY = 2000

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Thumbnails:
    """n thumbnails: brightness, float32 `(n, 48, 48)`; blue and red against grey, `(n, 12, 12)`; all 0..255."""

    grey: Floats
    blue: Floats
    red: Floats

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Some of them."""
        return type(self)(self.grey[rows], self.blue[rows], self.red[rows])

    def mirrored(self, which: npt.NDArray[np.bool_]) -> Self:
        """Some of them with left and right exchanged."""
        found = type(self)(self.grey.copy(), self.blue.copy(), self.red.copy())
        for one in (found.grey, found.blue, found.red):
            one[which] = one[which, :, ::-1]
        return found


def packed(picture: Images) -> Bytes:
    """A picture uint8 `(48, 48, 3)` as bytes."""
    grey, blue, red = Image.fromarray(picture).convert("YCbCr").split()
    return np.concatenate([np.asarray(grey).ravel(), *(np.asarray(one.reduce(_COLOUR)).ravel() for one in (blue, red))])


def unpacked(packed: Bytes) -> Thumbnails:
    """Thumbnails from their bytes, `(n, WIDTH)` or without the facts."""
    n, small = len(packed), SIDE // _COLOUR
    grey, blue, red, _ = np.split(packed, (SIDE**2, SIDE**2 + small**2, _PIXELS), axis=1)
    return Thumbnails(
        grey.astype(np.float32).reshape(n, SIDE, SIDE),
        *(one.astype(np.float32).reshape(n, small, small) for one in (blue, red)),
    )


@contextmanager
def collecting(store: Store, wanted: bool) -> Iterator[Collector | None]:
    """A `Collector`, if wanted, whose thumbnails are in the store at the end."""
    if not wanted:
        yield None
        return
    collector = Collector(store)
    try:
        yield collector
    finally:
        collector.close()


class Collector:
    """Makes thumbnails of photos while these are decoded for a backbone, which spares decoding them again.

    Args:
        store: that keeps them. What it cannot keep is made again by `Gallery`.
    """

    def __init__(self, store: Store) -> None:
        self._table = Records(store.copies, "thumbnails", WIDTH)
        self._lock = threading.Lock()
        self._made: dict[bytes, Bytes] = {}

    def __call__(self, photo: Photo, picture: Images) -> None:
        """Take a whole photo's picture, uint8 `(height, width, 3)`. Runs in the threads that read.

        A small one is left alone: copies are found worse in its thumbnail, which would be kept for all backbones.
        """
        if min(picture.shape[:2]) < _VIEW.height or not isinstance(photo, FilePhoto):
            return
        if self._table.find([photo.digest])[0] < 0:
            made = _thumbnail(picture, photo.data)
            with self._lock:
                self._made[photo.digest] = made
                if len(self._made) >= _CHUNK:
                    self._write()

    def close(self) -> None:
        """Write the rest."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        made, self._made = self._made, {}
        with suppress(StoreError):
            self._table.refresh()
            new = [digest for digest, at in zip(made, self._table.find(list(made)), strict=True) if at < 0]
            if new:
                self._table.append(new, np.stack([made[digest] for digest in new]))


class Gallery:
    """The thumbnails of photos: from the store, or else made now and kept there; damaged ones are made again.

    Attributes:
        complete: whether all thumbnails that were asked for exist.

    Args:
        paths: n photos. hashes: `V32` `(n,)`, SHA-256 of each photo's bytes, no two alike.
        store: that keeps them. What it cannot keep stays in memory.
        progress: receives a message if many have to be made.
    """

    def __init__(self, paths: Sequence[str], hashes: Hashes, store: Store, progress: Progress) -> None:
        self.complete = True
        self._paths = paths
        self._hashes = hashes
        self._table = Records(store.copies, "thumbnails", WIDTH)
        self._held: dict[bytes, Bytes] = {}
        new = np.flatnonzero(self._table.find(hashes.tolist()) < 0).tolist()
        if len(new) > _MANY:
            progress.message(f"Looking for copies among {counted(len(paths), 'photo')}.")
        with readers() as pool:
            for start in range(0, len(new), _CHUNK):
                rows = new[start : start + _CHUNK]
                keys: list[bytes] = hashes[rows].tolist()
                made = pool.map(_made, [paths[i] for i in rows], keys)
                self._keep({key: one for key, one in zip(keys, made, strict=True) if one is not None})
        self._table.refresh()

    def _keep(self, made: dict[bytes, Bytes]) -> None:
        try:
            self._table.append(list(made), np.array(list(made.values()), np.uint8).reshape(-1, WIDTH))
        except StoreError:
            self._held |= made

    def get(self, rows: npt.NDArray[np.intp]) -> tuple[Bytes, npt.NDArray[np.bool_]]:
        """Thumbnails as bytes `(m, WIDTH)`, and which of them exist: a photo may be gone since it was embedded."""
        keys: list[bytes] = self._hashes[rows].tolist()
        out = np.zeros((len(keys), WIDTH), np.uint8)
        good = self._table.read(keys, out)
        for i in np.flatnonzero(~good).tolist():
            if keys[i] not in self._held and self._table.find([keys[i]])[0] >= 0:  # damaged
                again = _made(self._paths[rows[i]], keys[i])
                if again is not None:
                    self._held[keys[i]] = again
                    self._keep({keys[i]: again})
            if keys[i] in self._held:
                out[i], good[i] = self._held[keys[i]], True
        self.complete &= bool(good.all())
        return out, good


def _thumbnail(picture: Images, data: images.Data) -> Bytes:
    """The thumbnail of a whole photo, `(WIDTH,)`, from its picture and the bytes of its file."""
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.concatenate([packed(np.asarray(small)), facts(data)])


def _made(path: str, digest: bytes) -> Bytes | None:
    """A photo's thumbnail; None if it cannot be read, or is another photo by now. Runs in the pool's threads."""
    try:
        data = images.read(path)
        if images.content_hash(data) != digest:
            return None
        return _thumbnail(images.decode(data, _VIEW), data)
    except PhotoError:
        return None
