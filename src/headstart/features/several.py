"""Photos -> vectors of several models, kept in the store: each photo is decoded once for all models with the same view.

Vectors of a joined backbone are kept for each of its parts, and put together when they are read.

Some hundred photos are decoded, then processed by one model after the other. In the end the speed of all is measured,
side by side. An interrupted run continues where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.joined import balance
from headstart.errors import BackboneError, HeadstartError, StoreError
from headstart.features.extraction import FLUSH, Features, Hashes, Skipped, extract
from headstart.features.speed import Speed, Stopwatch, share_of_processors
from headstart.features.store import Store
from headstart.photos.images import Images, View
from headstart.photos.reading import Album, Photo, readers
from headstart.progress import Progress, Silent

#: Decoded pictures held at a time; 1,000 photos of 224 x 224.
_ALBUM_BYTES = 150_000_000
#: Models that stay in memory together. If there are more, each is reloaded for each album.
_LOADED = 4
#: Photos used to time a model.
_TIMED = 16
#: Receives each photo that is decoded in a view that shows all of it, and its picture; called by several threads.
Seen = Callable[[Photo, Images], None]


@dataclass(frozen=True)
class Outcome:
    """The result for one model.

    Attributes:
        computed: photos that it processed in this run.
        seconds: that it took for them, reading not counted.
        speed: of the model alone; None if it was not asked for, or there was no photo to measure it with.
        error: why vectors are missing; None if none are.
        fresh: numbers of the photos processed.
    """

    computed: int = 0
    seconds: float = 0.0
    speed: Speed | None = None
    error: BackboneError | None = None
    fresh: frozenset[int] = frozenset()


def features_of(
    backbone: Backbone,
    paths: Sequence[str],
    store: Store,
    progress: Progress | None = None,
    seen: Seen | None = None,
) -> Features:
    """Turn photos into vectors; of a joined backbone, a photo is used if all parts can use it.

    Args:
        backbone: computes the vectors, of n photos. paths: of them. store: keeps them.
        progress: receives the progress.
        seen: see `Seen`.

    Raises:
        StoreError, BackboneError: see `extraction.extract`.
    """
    if len(backbone.parts) == 1:
        whole = backbone.card.view.fit == "squash"
        return extract(backbone, paths, store, progress, seen=seen if whole else None)
    started = time.perf_counter()
    (outcome,) = extract_all([backbone], paths, store, progress, timed=False, seen=seen)
    if outcome.error is not None:
        raise outcome.error
    vectors: Vectors = np.empty((len(paths), backbone.card.dim), np.float32)
    hashes: Hashes = np.zeros(len(paths), "V32")
    usable, fresh, damaged, column = np.ones(len(paths), bool), set(outcome.fresh), 0, 0
    skipped: dict[int, Skipped] = {}
    for part in backbone.parts:
        found = extract(part, paths, store)
        balance(found.vectors)
        vectors[found.rows, column : column + part.card.dim] = found.vectors
        hashes[found.rows] = found.hashes
        failed = np.setdiff1d(np.arange(len(paths)), found.rows)
        usable[failed] = False
        skipped |= dict(zip(failed.tolist(), found.skipped, strict=True))
        fresh.update(found.fresh)
        damaged += found.damaged
        column += part.card.dim
    rows = np.flatnonzero(usable)
    fresh.intersection_update(rows.tolist())
    return Features(
        paths=tuple(paths[i] for i in rows.tolist()),
        rows=rows,
        vectors=vectors if usable.all() else vectors[rows],
        hashes=hashes[rows],
        skipped=tuple(one for _, one in sorted(skipped.items())),
        computed=len(fresh),
        from_store=len(rows) - len(fresh),
        damaged=damaged,
        seconds=time.perf_counter() - started,
        fresh=tuple(sorted(fresh)),
    )


def extract_all(
    backbones: Sequence[Backbone],
    paths: Sequence[str],
    store: Store,
    progress: Progress | None = None,
    timed: bool = True,
    seen: Seen | None = None,
) -> list[Outcome]:
    """Put vectors of photos into the store; `features_of` finds them there.

    Args:
        backbones: compute the vectors; those of joined ones are computed once for each of their parts, as are those of
            a part that occurs twice. If one fails, the others continue.
        paths: n photos.
        store: holds known vectors and receives new ones.
        progress: receives the progress, counted in photos; of several backbones in photos times parts.
        timed: whether to measure the speeds of the models, which takes about a second each, unless they are known.
        seen: see `Seen`.

    Returns:
        an outcome for each backbone.

    Raises:
        StoreError: the store cannot be read or written.
    """
    parts = list({part.card.key: part for backbone in backbones for part in backbone.parts}.values())
    todo = _missing(parts, paths, store)
    new = len(set[int]().union(*todo)) if len(backbones) == 1 else sum(map(len, todo))
    total_progress = _Sum(sum(map(len, todo)), progress, new)
    if progress is not None:
        rates = [store.rate(part.card, "backbone") for part in parts]
        seconds = sum(len(rows) / (rate or np.inf) for rows, rate in zip(todo, rates, strict=True))
        count = len(paths) * (1 if len(backbones) == 1 else len(parts))
        progress.planned(count, new, seconds if all(rates) else 0.0)
    views: dict[View, list[_Member]] = {}
    members = [_Member(part, rows) for part, rows in zip(parts, todo, strict=True)]
    crowded = len(members) > _LOADED
    for member in members:
        views.setdefault(member.backbone.card.view, []).append(member)
    albums = {view: Album(view, seen if view.fit == "squash" else None) for view in views}
    with readers() as pool:
        for view, group in views.items():
            _extract(albums[view], group, paths, store, total_progress, pool, crowded)
        if timed:
            _add_speeds([member for member in members if member.error is None], albums, paths, store, pool)
    for member in members:
        if not crowded:
            member.backbone.release()
    found = {
        one.backbone.card.key: Outcome(len(one.fresh), one.seconds, one.speed, one.error, frozenset(one.fresh))
        for one in members
    }
    return [_together([found[part.card.key] for part in backbone.parts]) for backbone in backbones]


def _together(parts: Sequence[Outcome]) -> Outcome:
    """The outcome of a joined backbone, whose parts process a photo one after the other."""
    if len(parts) == 1:
        return parts[0]
    fresh = frozenset[int]().union(*(one.fresh for one in parts))
    speeds = [one.speed for one in parts if one.speed is not None]
    speed = None
    if len(speeds) == len(parts):
        seconds = sum(1 / one.photos_per_second for one in speeds)
        speed = Speed(1 / seconds, any(one.under_load for one in speeds))
    error = next((one.error for one in parts if one.error is not None), None)
    return Outcome(len(fresh), sum(one.seconds for one in parts), speed, error, fresh)


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
    fresh: set[int] = field(default_factory=set)
    seconds: float = 0.0
    speed: Speed | None = None
    error: BackboneError | None = None


def _extract(
    album: Album,
    group: list[_Member],
    paths: Sequence[str],
    store: Store,
    total_progress: _Sum,
    pool: Executor,
    crowded: bool,
) -> None:
    """Compute what is missing for all models with this view; the album keeps some photos for timing."""
    wanted = sorted(set().union(*(member.todo for member in group)))
    step = max(_ALBUM_BYTES // (album.view.height * album.view.width * 3), FLUSH)
    for start in range(0, len(wanted), step):
        rows = wanted[start : start + step]
        album.hold([paths[row] for row in rows], pool)
        for member in group:
            own = [row for row in rows if row in member.todo]
            if own and member.error is None:
                with _failing_alone(member):
                    _embed(member, own, paths, store, total_progress.part(len(own)), album)
            if crowded:
                member.backbone.release()
    album.keep(_TIMED)


def _embed(member: _Member, rows: list[int], paths: Sequence[str], store: Store, part: Progress, album: Album) -> None:
    _ = member.backbone.batch  # loads or compiles it, so that this is not timed
    found = extract(member.backbone, [paths[row] for row in rows], store, part, album.read)
    member.fresh.update(rows[i] for i in found.fresh)
    if found.computed:
        member.seconds += found.seconds
    if len(member.fresh) >= FLUSH:
        with suppress(StoreError):  # only improves the next run's estimate
            store.note_rate(member.backbone.card, len(member.fresh) / member.seconds, "backbone")


def _add_speeds(
    members: Sequence[_Member], albums: dict[View, Album], paths: Sequence[str], store: Store, pool: Executor
) -> None:
    """Use the kept speeds, which were measured on a quiet machine; if one is missing, measure all, side by side."""
    kept = [store.rate(member.backbone.card, "quiet") for member in members]
    for member, rate in zip(members, kept, strict=True):
        member.speed = None if rate is None else Speed(rate, under_load=False)
    if all(kept):
        return
    for start in range(0, len(members), _LOADED):
        together = members[start : start + _LOADED]
        _measure_speeds(together, albums, paths, pool)
        for member in together:
            if member.speed is not None and not member.speed.under_load:
                with suppress(StoreError):  # the speed is in the result anyway
                    store.note_rate(member.backbone.card, member.speed.photos_per_second, "quiet")
            if len(members) > _LOADED:
                member.backbone.release()


def _measure_speeds(
    members: Sequence[_Member], albums: dict[View, Album], paths: Sequence[str], pool: Executor
) -> None:
    """Let models take turns, so that all meet the same load."""
    running: list[tuple[_Member, Stopwatch]] = []
    for member in members:
        album = albums[member.backbone.card.view]
        if not album.pictures:
            album.hold(paths[:_TIMED], pool)
        if album.pictures:
            with _failing_alone(member):
                running.append((member, Stopwatch(member.backbone, album.pictures)))
    timed, shares = list(running), []
    while running:
        for member, watch in running:
            with _failing_alone(member):
                watch.turn()
        shares.append(share_of_processors())
        running = [(member, watch) for member, watch in running if member.error is None and not watch.is_finished]
    for member, watch in timed:
        if member.error is None:
            member.speed = watch.speed(float(np.mean(shares)))


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
    """Sums up the progress of several extractions: what is reported ends at `shown`."""

    def __init__(self, total: int, progress: Progress | None, shown: int) -> None:
        self.total = total
        self._shown = shown
        self._progress = progress
        self._begun = 0

    def part(self, expected: int) -> Progress:
        """The progress for the next extraction, of so many photos."""
        part = _Part(self, self._begun)
        self._begun += expected
        return part

    def reached(self, done: int) -> None:
        """Report so many photos as done."""
        if self._progress is not None:
            self._progress.advanced(min(done, self.total) * self._shown // self.total)


class _Part(Silent):
    def __init__(self, whole: _Sum, before: int) -> None:
        self._whole, self._before = whole, before

    def advanced(self, done: int) -> None:
        self._whole.reached(self._before + done)
