"""Photos -> feature vectors: read, hash, look up, decode and embed, all at once, each photo once.

Threads read and decode while the engine computes; what is computed is written to the store every few dozen
photos, so an interrupted run continues where it was. A photo that cannot be used is told with its reason and
the others go on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np

from headstart.backbones.base import Backbone, Vectors
from headstart.errors import DataError, PhotoError, StoreError
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.reading import FilePhoto, Photo, processors, readers
from headstart.progress import Progress
from headstart.safety.printable import show

#: Vectors that wait in memory before they are written; at 80 photos/s a `kill -9` costs less than a second.
FLUSH = 64
_READ_CHUNK = 1024
_PROBED = 4


@dataclass(frozen=True)
class Skipped:
    """A photo that was not used: `reason` is one of `images.REASONS`, `detail` says more."""

    path: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Features:
    """Vectors of photos, in the order in which the photos were given.

    Attributes:
        paths: m photos that could be used.
        rows: intp `(m,)`, their numbers among the n photos given.
        vectors: float32 `(m, dim)`.
        hashes: SHA-256 of each file's bytes.
        skipped: the n - m others.
        computed: photos that went through the network now.
        from_store: photos whose vector was there, copies included; `computed + from_store == m`.
        damaged: vectors that the store had but could not vouch for; they were computed again.
        seconds: wall time.
    """

    paths: tuple[str, ...]
    rows: np.ndarray[tuple[int], np.dtype[np.intp]]
    vectors: Vectors
    hashes: tuple[bytes, ...]
    skipped: tuple[Skipped, ...]
    computed: int
    from_store: int
    damaged: int
    seconds: float


def extract(
    backbone: Backbone,
    paths: Sequence[str],
    store: Store,
    progress: Progress | None = None,
    read: Callable[[str], Photo] | None = None,
) -> Features:
    """Turn photos into vectors.

    Args:
        backbone: whose vectors.
        paths: n photos.
        store: where known vectors come from and new ones go.
        progress: is told of the progress.
        read: how a photo is read, if not by `FilePhoto.read`; called by several threads at once.

    Raises:
        StoreError: the store cannot be read or written.
        BackboneError: the network failed. What was computed before either is kept.
    """
    started = time.perf_counter()
    run = _Run(backbone, paths, store, progress, read)
    run.look_up()
    if run.todo:
        store.prepare(backbone.card)
        run.compute()
    elif len(paths):
        if progress is not None:
            progress.planned(len(paths), 0, 0.0)
        with suppress(StoreError):  # the shelf was used: pruning should know, but reading needs no writable disk
            store.prepare(backbone.card)
    return run.result(started)


def require_all(skipped: Sequence[Skipped]) -> None:
    """Raise `DataError` if any photo could not be used."""
    if skipped:
        listed = "; ".join(f"{show(one.path)}: {one.reason}" for one in skipped[:5])
        more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
        raise DataError(f"{len(skipped)} photo(s) cannot be used: {listed}{more}.\nExpected readable photos only.")


@dataclass(frozen=True)
class _Read:
    """What a pool's thread found out about a photo; `picture` is None if its content is in the store or in work."""

    mark: bytes | None
    digest: bytes
    picture: images.Images | None
    damaged: bool = False


class _Run:
    """The state of one extraction.

    It belongs to the thread that extracts. Other threads run `_read` and what it calls, which share `owner` under
    `lock` and answer with a `_Read`, and `_done`, which shares `waiting` under `lock`. Rows of `vectors` are written
    by whoever has that row in work.
    """

    def __init__(
        self,
        backbone: Backbone,
        paths: Sequence[str],
        store: Store,
        progress: Progress | None,
        read: Callable[[str], Photo] | None,
    ) -> None:
        self.backbone = backbone
        self.card = backbone.card
        self.paths = paths
        self.store = store
        self.progress = progress
        self.read = read
        self.vectors = np.empty((len(paths), self.card.dim), np.float32)
        self.hashes: list[bytes | None] = [None] * len(paths)
        self.marks: list[bytes | None] = [None] * len(paths)  # fingerprints from before the file was read
        self.todo: list[int] = []
        self.failed: dict[int, PhotoError] = {}
        self.copies: list[int] = []  # rows whose content another row computes, or the store has
        self.lock = threading.Lock()
        self.owner: dict[bytes, int] = {}
        self.waiting: list[tuple[list[int], Vectors]] = []  # computed, not yet written
        self.computed = 0
        self.damaged: set[bytes] = set()

    def look_up(self) -> None:
        """Take from the store what it has for files that are as they were."""
        self.store.refresh()
        self.hashes = self.store.known(self.paths)
        known = [i for i, digest in enumerate(self.hashes) if digest is not None]
        missing = set(range(len(self.paths))) - set(known)
        missing |= set(self._fetch(known))
        self.todo = sorted(missing)

    def _fetch(self, rows: list[int]) -> list[int]:
        """Read vectors of rows with a hash; returns the rows that the store does not have whole."""
        lacking: list[int] = []
        for start in range(0, len(rows), _READ_CHUNK):
            part = rows[start : start + _READ_CHUNK]
            digests = [self.hashes[i] or b"" for i in part]
            place = {digest: i for i, digest in enumerate(dict.fromkeys(digests))}  # copies are read once
            out = np.empty((len(place), self.card.dim), np.float32)
            found = self.store.get(self.card, list(place), out)
            places = np.array([place[digest] for digest in digests])
            good = found[places]
            self.vectors[np.array(part)[good]] = out[places[good]]
            lacking += [row for row, ok in zip(part, good.tolist(), strict=True) if not ok]
        return lacking

    def compute(self) -> None:
        """Embed what is missing; afterwards give copies their vector."""
        if self.progress is not None:
            self.progress.planned(len(self.paths), len(self.todo), self._estimate() if self.read is None else 0.0)
        started = time.perf_counter()
        try:
            with readers() as pool:
                self.backbone.embed_stream(self._batches(pool), self._done)
        finally:
            self._flush()
        if self.computed >= FLUSH and self.read is None:
            with suppress(StoreError):  # only a hint for the next run's estimate
                self.store.note_rate(self.card, self.computed / (time.perf_counter() - started))
        self._copy()

    def _estimate(self) -> float:
        """Seconds that the new photos will take: by the last run's rate, else by a probe of a few photos."""
        rate = self.store.rate(self.card)
        if rate is None:
            if len(self.todo) <= _PROBED:
                return 0.0
            started = time.perf_counter()
            pictures = []
            for row in self.todo[:_PROBED]:
                with suppress(PhotoError):
                    data = images.read(self.paths[row])
                    if not self.store.has(self.card, [images.content_hash(data)])[0]:
                        pictures.append(images.decode(data, self.card.view))
            if not pictures:
                return 0.0
            reading = (time.perf_counter() - started) / len(pictures)
            self.backbone.embed(np.stack(pictures))  # compiles
            started = time.perf_counter()
            self.backbone.embed(np.stack(pictures))
            rate = processors() / (reading + (time.perf_counter() - started) / len(pictures))
        return len(self.todo) / rate

    def _batches(self, pool: Executor) -> Iterator[tuple[list[int], images.Images]]:
        """Decoded pictures in batches, and between them what has to be done now and then."""
        rows: list[int] = []
        pictures: list[images.Images] = []
        for done, (row, picture) in enumerate(self._pictures(pool), start=1):
            if picture is not None:
                rows.append(row)
                pictures.append(picture)
            if pictures and len(pictures) == self.backbone.batch:
                yield rows, np.stack(pictures)
                rows, pictures = [], []
            self._flush(FLUSH)
            if self.progress is not None:
                self.progress.advanced(done)
        if pictures:
            yield rows, np.stack(pictures)

    def _pictures(self, pool: Executor) -> Iterator[tuple[int, images.Images | None]]:
        """Each new photo in order, decoded, or None if it needs no embedding; a few are read ahead."""
        coming = iter(self.todo)
        ahead = deque((row, pool.submit(self._read, row)) for row in islice(coming, 8 * processors()))
        while ahead:
            row, future = ahead.popleft()
            ahead.extend((following, pool.submit(self._read, following)) for following in islice(coming, 1))
            try:
                read = future.result()
            except PhotoError as error:
                self.failed[row] = error
                yield row, None
                continue
            self.marks[row], self.hashes[row] = read.mark, read.digest
            if read.picture is None:
                self.copies.append(row)
            if read.damaged:
                self.damaged.add(read.digest)
            yield row, read.picture

    def _read(self, row: int) -> _Read:
        """Read one photo, and decode it unless its content is known. Runs in the pool's threads."""
        photo = (self.read or FilePhoto.read)(self.paths[row])
        with self.lock:
            first = self.owner.setdefault(photo.digest, row) == row
        stored = first and bool(self.store.has(self.card, [photo.digest])[0])
        sound = stored and bool(self.store.get(self.card, [photo.digest], self.vectors[row : row + 1])[0])
        picture = photo.decode(self.card.view) if first and not sound else None
        return _Read(photo.mark, photo.digest, picture, stored and not sound)

    def _done(self, rows: list[int], vectors: Vectors) -> None:
        """Take a computed batch. Runs in whichever threads the backbone likes."""
        self.vectors[rows] = vectors
        with self.lock:
            self.waiting.append((rows, vectors))

    def _flush(self, least: int = 1) -> None:
        """Write what is computed, if it is so much; it waits until it is written, so a Ctrl-C in here loses nothing."""
        with self.lock:
            ready = list(self.waiting)
        rows = [row for some, _ in ready for row in some]
        if len(rows) >= least:
            digests = [self.hashes[row] or b"" for row in rows]
            self.store.put(self.card, digests, np.concatenate([vectors for _, vectors in ready]))
            self.store.remember([self.marks[row] for row in rows], digests)
            for row in rows:
                self.marks[row] = None
            with self.lock:
                del self.waiting[: len(ready)]
            self.computed += len(rows)

    def _copy(self) -> None:
        """Give copies the vector, or the failure, of the photo they are a copy of."""
        remembered = []
        for row in self.copies:
            owner = self.owner[self.hashes[row] or b""]
            if owner in self.failed:
                self.failed[row] = self.failed[owner]
            elif owner != row:
                self.vectors[row] = self.vectors[owner]
            if row not in self.failed:
                remembered.append(row)
        self.store.remember([self.marks[row] for row in remembered], [self.hashes[row] or b"" for row in remembered])

    def result(self, started: float) -> Features:
        """Close the gaps that failed photos left, in place."""
        rows = np.array([i for i in range(len(self.paths)) if i not in self.failed], np.intp)
        if len(rows) < len(self.paths):
            for start in range(0, len(rows), _READ_CHUNK):
                part = rows[start : start + _READ_CHUNK]
                self.vectors[start : start + len(part)] = self.vectors[part]
        return Features(
            paths=tuple(self.paths[i] for i in rows),
            rows=rows,
            vectors=self.vectors[: len(rows)],
            hashes=tuple(self.hashes[i] or b"" for i in rows),
            skipped=tuple(Skipped(self.paths[i], e.reason, e.detail) for i, e in sorted(self.failed.items())),
            computed=self.computed,
            from_store=len(rows) - self.computed,
            damaged=len(self.damaged),
            seconds=time.perf_counter() - started,
        )
