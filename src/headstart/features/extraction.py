"""Photos -> feature vectors: read, hash, look up, decode and embed, in parallel, each photo once.

Threads read and decode photos while the engine computes vectors. They are written to the store every few dozen
photos, so an interrupted run continues where it stopped. A photo that cannot be used is reported with its reason, and
the run continues.
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
import numpy.typing as npt

from headstart.backbones.base import Backbone, Vectors
from headstart.errors import DataError, PhotoError, StoreError
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.reading import FilePhoto, Photo, processors, readers
from headstart.progress import Progress, Silent
from headstart.safety.printable import show

#: Vectors that are collected before they are written: at 80 photos/s, `kill -9` loses less than a second of work.
FLUSH = 64
_READ_CHUNK = 1024
#: Photos that are timed for an estimate.
_PROBED = 4
#: SHA-256 of files, `V32`: a list of `bytes` would take twice the memory.
Hashes = npt.NDArray[np.void]


@dataclass(frozen=True)
class Skipped:
    """A photo that was not used: `reason` is one of `images.REASONS`, `detail` explains it."""

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
        hashes: V32 `(m,)`, SHA-256 of each file's bytes; `tolist()` makes `bytes` of them.
        skipped: the n - m others.
        computed: photos that the model processed in this run.
        from_store: photos whose vector was in the store, copies included; `computed + from_store == m`.
        damaged: stored vectors with a wrong checksum; they were computed again.
        seconds: wall time.
        fresh: numbers, among the n photos given, of those computed.
    """

    paths: tuple[str, ...]
    rows: npt.NDArray[np.intp]
    vectors: Vectors
    hashes: Hashes
    skipped: tuple[Skipped, ...]
    computed: int
    from_store: int
    damaged: int
    seconds: float
    fresh: tuple[int, ...] = ()


def extract(
    backbone: Backbone,
    paths: Sequence[str],
    store: Store,
    progress: Progress | None = None,
    read: Callable[[str], Photo] | None = None,
    seen: Callable[[Photo, images.Images], None] | None = None,
) -> Features:
    """Turn photos into vectors of one model in one view; `several.features_of` also takes joined ones.

    Args:
        backbone: computes the vectors.
        paths: n photos.
        store: holds known vectors and receives new ones.
        progress: receives the progress.
        read: reads a photo in place of `FilePhoto.read`; called by several threads at once.
        seen: receives each photo that is decoded, and its picture; called by several threads at once.

    Raises:
        StoreError: the store cannot be read or written.
        BackboneError: the model failed. Vectors computed before an error are kept.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    run = _Run(backbone, paths, store, progress, read, seen)
    todo = run.look_up()
    if todo:
        store.prepare(backbone.card)
        run.compute(todo)
    elif len(paths):
        progress.planned(len(paths), 0, 0.0)
        with suppress(StoreError):  # marks the shelf as used for `prune`; reading needs no writable disk
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
    """A photo that a thread has read; `picture` is None if its content is in the store or in another row."""

    mark: bytes | None
    digest: bytes
    picture: images.Images | None
    damaged: bool = False


class _Run:
    """The state of one extraction.

    It belongs to the thread that extracts. Other threads run `_read`, which uses `owner` under `lock`, and `_done`,
    which uses `waiting` under `lock`. A row of `vectors` is written only by the thread that works on that row.
    """

    def __init__(
        self,
        backbone: Backbone,
        paths: Sequence[str],
        store: Store,
        progress: Progress,
        read: Callable[[str], Photo] | None,
        seen: Callable[[Photo, images.Images], None] | None,
    ) -> None:
        self.backbone = backbone
        self.card = backbone.card
        self.paths = paths
        self.store = store
        self.progress = progress
        self.read = read
        self.seen = seen
        self.vectors = np.empty((len(paths), self.card.dim), np.float32)
        self.hashes: Hashes = np.zeros(len(paths), "V32")
        self.marks: dict[int, bytes | None] = {}  # fingerprints from before a file was read, until they are stored
        self.failed: dict[int, PhotoError] = {}
        self.copies: list[int] = []  # rows whose content the store has or another row computes
        self.lock = threading.Lock()
        self.owner: dict[bytes, int] = {}
        self.waiting: list[tuple[list[int], Vectors]] = []  # computed, not yet written
        self.fresh: list[int] = []  # computed and written
        self.damaged: set[bytes] = set()

    def look_up(self) -> list[int]:
        """Take stored vectors of files that have not changed; returns the other rows."""
        self.store.refresh()
        hashes = self.store.known(self.paths)
        todo = [row for row, digest in enumerate(hashes) if digest is None]
        known = [row for row, digest in enumerate(hashes) if digest is not None]
        for start in range(0, len(known), _READ_CHUNK):
            rows = np.array(known[start : start + _READ_CHUNK])
            digests = [hashes[row] or b"" for row in rows]
            self.hashes[rows] = np.frombuffer(b"".join(digests), "V32")
            position = {digest: i for i, digest in enumerate(dict.fromkeys(digests))}  # copies are read once
            out = np.empty((len(position), self.card.dim), np.float32)
            found = self.store.get(self.card, list(position), out)
            positions = np.array([position[digest] for digest in digests])
            good = found[positions]
            self.vectors[rows[good]] = out[positions[good]]
            todo += rows[~good].tolist()
        return sorted(todo)

    def compute(self, todo: list[int]) -> None:
        """Embed these rows, then give copies the vector of their original."""
        wanted = self.read is None and type(self.progress) is not Silent  # an estimate takes time itself
        self.progress.planned(len(self.paths), len(todo), self._estimate(todo) if wanted else 0.0)
        started = time.perf_counter()
        try:
            with readers() as pool:
                self.backbone.embed_stream(self._batches(todo, pool), self._done)
        finally:
            self._flush()
        if len(self.fresh) >= FLUSH and self.read is None:
            with suppress(StoreError):  # only improves the next run's estimate
                self.store.note_rate(self.card, len(self.fresh) / (time.perf_counter() - started))
        self._copy()

    def _estimate(self, todo: list[int]) -> float:
        """Seconds for the new photos: from the last run's rate, or else from timing a few photos."""
        rate = self.store.rate(self.card)
        if rate is None:
            if len(todo) <= _PROBED:
                return 0.0
            started = time.perf_counter()
            pictures = []
            for row in todo[:_PROBED]:
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
        return len(todo) / rate

    def _batches(self, todo: list[int], pool: Executor) -> Iterator[tuple[list[int], images.Images]]:
        """Decoded pictures in batches; between photos it writes what is computed and reports progress."""
        rows: list[int] = []
        pictures: list[images.Images] = []
        for done, (row, picture) in enumerate(self._pictures(todo, pool), start=1):
            if picture is not None:
                rows.append(row)
                pictures.append(picture)
            if pictures and len(pictures) == self.backbone.batch:
                yield rows, np.stack(pictures)
                rows, pictures = [], []
            self._flush(FLUSH)
            self.progress.advanced(done)
        if pictures:
            yield rows, np.stack(pictures)

    def _pictures(self, todo: list[int], pool: Executor) -> Iterator[tuple[int, images.Images | None]]:
        """Each new photo in order, decoded, or None if it needs no embedding; a few are read ahead."""
        coming = iter(todo)
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
            self.marks[row] = read.mark
            self.hashes[row] = np.void(read.digest)
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
        if picture is not None and self.seen is not None:
            self.seen(photo, picture)
        return _Read(photo.mark, photo.digest, picture, stored and not sound)

    def _done(self, rows: list[int], vectors: Vectors) -> None:
        """Take a computed batch. Runs in whatever threads the backbone uses."""
        self.vectors[rows] = vectors
        with self.lock:
            self.waiting.append((rows, vectors))

    def _flush(self, least: int = 1) -> None:
        """Write computed vectors if there are `least`. They stay in `waiting` until then: Ctrl-C loses none."""
        with self.lock:
            ready = list(self.waiting)
        rows = [row for some, _ in ready for row in some]
        if len(rows) >= least:
            self.store.put(self.card, self.hashes[rows].tolist(), np.concatenate([vectors for _, vectors in ready]))
            self._remember(rows)
            with self.lock:
                del self.waiting[: len(ready)]
            self.fresh += rows

    def _remember(self, rows: list[int]) -> None:
        """Store which content these rows' files have."""
        self.store.remember([self.marks.get(row) for row in rows], self.hashes[rows].tolist())
        for row in rows:
            self.marks.pop(row, None)

    def _copy(self) -> None:
        """Give copies the vector, or the failure, of the photo they are a copy of."""
        for row in self.copies:
            owner = self.owner[self.hashes[row].tobytes()]
            if owner in self.failed:
                self.failed[row] = self.failed[owner]
            elif owner != row:
                self.vectors[row] = self.vectors[owner]
        self._remember([row for row in self.copies if row not in self.failed])

    def result(self, started: float) -> Features:
        """Close the gaps that failed photos left, in place."""
        rows = np.array([i for i in range(len(self.paths)) if i not in self.failed], np.intp)
        paths = tuple(self.paths)
        if self.failed:
            paths = tuple(paths[i] for i in rows)
            for start in range(0, len(rows), _READ_CHUNK):
                part = rows[start : start + _READ_CHUNK]
                self.vectors[start : start + len(part)] = self.vectors[part]
        return Features(
            paths=paths,
            rows=rows,
            vectors=self.vectors[: len(rows)],
            hashes=self.hashes[rows] if self.failed else self.hashes,
            skipped=tuple(Skipped(self.paths[i], e.reason, e.detail) for i, e in sorted(self.failed.items())),
            computed=len(self.fresh),
            from_store=len(rows) - len(self.fresh),
            damaged=len(self.damaged),
            seconds=time.perf_counter() - started,
            fresh=tuple(self.fresh),
        )
