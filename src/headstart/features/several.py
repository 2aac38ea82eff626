"""Photos -> vectors of several models, kept in the store: each photo is decoded once for all models with the same view.

Some hundred photos are decoded, then processed by one model after the other. So models never compete for the cores, and
the speed of each can be measured. An interrupted run continues where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from headstart.backbones.base import Backbone
from headstart.errors import BackboneError, HeadstartError, StoreError
from headstart.features.extraction import FLUSH, extract
from headstart.features.store import Store
from headstart.photos.images import View
from headstart.photos.reading import Album, readers
from headstart.progress import Progress, Silent

#: Decoded pictures held at a time; 1,000 photos of 224 x 224.
_ALBUM_BYTES = 150_000_000
#: Models with the same view that stay in memory together. If there are more, each is reloaded for each album.
_LOADED = 4
#: Photos used to time a model whose speed is unknown and which has no photo to process.
_TIMED = 32


@dataclass(frozen=True)
class Outcome:
    """The result for one model.

    Attributes:
        computed: photos that it processed in this run.
        seconds: that it took for them, reading not counted.
        photos_per_second: of the model alone; None if there were too few photos to measure it.
        error: why vectors are missing; None if none are.
    """

    computed: int = 0
    seconds: float = 0.0
    photos_per_second: float | None = None
    error: BackboneError | None = None


def extract_all(
    backbones: Sequence[Backbone], paths: Sequence[str], store: Store, progress: Progress | None = None
) -> list[Outcome]:
    """Put vectors of photos into the store; `features.extract` finds them there.

    Args:
        backbones: compute the vectors. If one fails, the others continue.
        paths: n photos.
        store: holds known vectors and receives new ones.
        progress: receives the progress, counted in photos times models.

    Returns:
        an outcome for each backbone.

    Raises:
        StoreError: the store cannot be read or written.
    """
    todo = _missing(backbones, paths, store)
    total_progress = _Sum(sum(map(len, todo)), progress)
    speeds = [store.rate(backbone.card, "backbone") for backbone in backbones]
    if progress is not None:
        seconds = sum(len(rows) / (speed or np.inf) for rows, speed in zip(todo, speeds, strict=True))
        progress.planned(len(paths) * len(backbones), total_progress.total, seconds if all(speeds) else 0.0)
    views: dict[View, list[_Member]] = {}
    members = [_Member(backbone, rows, speed) for backbone, rows, speed in zip(backbones, todo, speeds, strict=True)]
    for member in members:
        views.setdefault(member.backbone.card.view, []).append(member)
    with readers() as pool:
        for view, group in views.items():
            _extract(view, group, paths, store, total_progress, pool)
    return [Outcome(one.computed, one.seconds, one.speed, one.error) for one in members]


def _missing(backbones: Sequence[Backbone], paths: Sequence[str], store: Store) -> list[set[int]]:
    """For each model the rows without a stored vector, as far as is known without reading photos."""
    store.refresh()
    hashes = store.known(paths)
    known = [i for i, digest in enumerate(hashes) if digest is not None]
    digests = [hashes[i] or b"" for i in known]
    unknown = set(range(len(paths))) - set(known)
    return [
        unknown | {i for i, there in zip(known, store.has(backbone.card, digests), strict=True) if not there}
        for backbone in backbones
    ]


@dataclass
class _Member:
    """A model and its progress; `todo` are the rows without a stored vector."""

    backbone: Backbone
    todo: set[int]
    speed: float | None
    computed: int = 0
    seconds: float = 0.0
    error: BackboneError | None = None


def _extract(
    view: View, group: list[_Member], paths: Sequence[str], store: Store, total_progress: _Sum, pool: Executor
) -> None:
    """Compute what is missing for all models with this view."""
    album = Album(view)
    wanted = sorted(set().union(*(member.todo for member in group)))
    step = max(_ALBUM_BYTES // (view.height * view.width * 3), FLUSH)
    for start in range(0, len(wanted), step):
        rows = wanted[start : start + step]
        album.hold([paths[row] for row in rows], pool)
        for member in group:
            own = [paths[row] for row in rows if row in member.todo]
            if own and member.error is None:
                with _failing_alone(member):
                    _embed(member, own, store, total_progress.part(len(own)), album)
            if len(group) > _LOADED:
                member.backbone.release()
    for member in group:
        if member.speed is None and member.error is None:
            with _failing_alone(member):
                _time(member, paths, store, album, pool)
        member.backbone.release()


def _embed(member: _Member, paths: list[str], store: Store, part: Progress, album: Album) -> None:
    _ = member.backbone.batch  # loads or compiles it, so that this is not timed
    found = extract(member.backbone, paths, store, part, album.read)
    member.computed += found.computed
    if found.computed:
        member.seconds += found.seconds
    if member.computed >= FLUSH:
        member.speed = member.computed / member.seconds
        with suppress(StoreError):  # the speed is in the result anyway
            store.note_rate(member.backbone.card, member.speed, "backbone")


def _time(member: _Member, paths: Sequence[str], store: Store, album: Album, pool: Executor) -> None:
    """Measure the speed of a model that has no photo to process."""
    pictures = album.pictures(_TIMED)
    if not pictures:
        album.hold(paths[:_TIMED], pool)
        pictures = album.pictures(_TIMED)
    if not pictures:
        return
    backbone, step = member.backbone, member.backbone.batch
    batches = [(i, np.stack(pictures[i : i + step])) for i in range(0, len(pictures), step)]
    backbone.embed_stream(batches[:1], lambda *_: None)
    clock = time.perf_counter()
    backbone.embed_stream(batches, lambda *_: None)
    member.speed = len(pictures) / (time.perf_counter() - clock)
    with suppress(StoreError):
        store.note_rate(backbone.card, member.speed, "backbone")


@contextmanager
def _failing_alone(member: _Member) -> Iterator[None]:
    """Record a model's failure, ours or a plugin's, so that the others continue; errors of the disk are raised."""
    try:
        yield
    except BackboneError as error:
        member.error = error
    except HeadstartError:
        raise
    except Exception as error:
        handle = member.backbone.card.handle
        member.error = BackboneError(f"{handle} failed: {type(error).__name__}: {error}")
        member.error.__cause__ = error


class _Sum:
    """Sums up the progress of several extractions."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total = total
        self._progress = progress
        self._begun = 0

    def part(self, expected: int) -> Progress:
        """The progress of the next extraction, which has `expected` photos."""
        part = _Part(self, self._begun)
        self._begun += expected
        return part

    def reached(self, done: int) -> None:
        """Report the number of photos done."""
        if self._progress is not None:
            self._progress.advanced(min(done, self.total))


class _Part(Silent):
    def __init__(self, whole: _Sum, before: int) -> None:
        self._whole, self._before = whole, before

    def advanced(self, done: int) -> None:
        self._whole.reached(self._before + done)
