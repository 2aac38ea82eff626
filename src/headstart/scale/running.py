"""Begins a job or continues it, shows how far it is, and adds up what became of every photo."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from headstart.errors import DataError
from headstart.progress import Progress, Silent
from headstart.safety.printable import counted, show
from headstart.scale import listing, tables
from headstart.scale.engines import Engine, Queue
from headstart.scale.job import LEAST, UNIT, Folder, Job
from headstart.scale.places import Place, arrow, check_writable
from headstart.scale.worker import Done, read_done

#: From so many units of full size on, they are not made smaller.
MANY = 128


@dataclass(frozen=True)
class Finished:
    """A job that is done.

    Attributes:
        path: of its folder.
        job: what was done.
        photos: found. used: of them.
        reasons: why the others were not used, and how many for each reason.
        units: of the job. computed: of these, in this run.
        repeated: requests to object stores that failed and were repeated in this run.
        memory: bytes, the peak of the largest worker of this run; None: nothing was left to do.
        seconds: wall time of this run.
        photos_per_second: of this run, without the time in which the workers start; None: nothing was left to do.
    """

    path: str
    job: Job
    photos: int
    used: int
    reasons: dict[str, int]
    units: int
    computed: int
    repeated: int
    memory: int | None
    seconds: float
    photos_per_second: float | None

    def to_json(self) -> dict[str, Any]:
        """The `photos` and `job` of `headstart embed --on` and `headstart predict --on`, see docs/json.md."""
        return {
            "photos": {
                "found": self.photos,
                "used": self.used,
                "skipped": self.photos - self.used,
                "reasons": self.reasons,
                "files": None,
            },
            "job": {
                "path": self.path,
                "units": self.units,
                "units_computed": self.computed,
                "requests_repeated": self.repeated,
                "peak_bytes": self.memory,
                "photos_per_second": self.photos_per_second,
                "seconds": {"total": self.seconds},
            },
        }


def run(
    wanted: Job,
    address: str,
    engine: Engine,
    progress: Progress,
    size: int | None = None,
    prepare: Callable[[Folder], None] | None = None,
) -> Finished:
    """Do a job, or what is left of it.

    Args:
        wanted: the job; `units` and `photos` are found out.
        address: of its folder.
        engine: that runs the workers.
        progress: receives the progress.
        size: photos of a unit; None: 1,024, or fewer where there are few for each worker.
        prepare: puts what else the workers need into the folder of a new job.

    Raises:
        DataError: the folder holds another job, the source has no photos, or one of them cannot be read or written.
    """
    try:
        return _run(wanted, address, engine, progress, size, prepare)
    except OSError as error:
        raise DataError(
            f"The folder {show(address)} failed: {error.strerror or error}.\nWhen this is mended, the same command "
            "continues."
        ) from error


def _run(
    wanted: Job,
    address: str,
    engine: Engine,
    progress: Progress,
    size: int | None,
    prepare: Callable[[Folder], None] | None,
) -> Finished:
    began = time.perf_counter()
    arrow()  # before the work
    folder = Folder(Place(listing.absolute(address)))
    wanted = replace(wanted, source=tuple(map(listing.absolute, wanted.source)))
    job = folder.read()
    if job is None:
        job = _begin(folder, wanted, size, engine, progress, prepare)
    elif changes := job.changes(wanted):
        raise DataError(
            f"{show(address)} holds another job: {'; '.join(changes)}.\n"
            "Expected the same command again, or a new folder."
        )
    here = folder.done()
    if here:
        rest = "nothing is left to do" if len(here) == job.units else "the others follow"
        progress.message(f"{len(here):,} of {counted(job.units, 'unit')} done already; {rest}.")
    queue = Queue((unit for unit in range(job.units) if unit not in here), progress)
    made = _work(folder, job, engine, queue, len(here), progress)
    with ThreadPoolExecutor(16) as pool:
        totals = [*made, *pool.map(read_done, map(folder.shard, sorted(here)))]
    reasons: Counter[str] = Counter()
    for one in totals:
        reasons.update(one.reasons)
    return Finished(
        path=address,
        job=job,
        photos=sum(one.photos for one in totals),
        used=sum(one.used for one in totals),
        reasons=dict(sorted(reasons.items())),
        units=job.units,
        computed=len(made),
        repeated=sum(one.repeated for one in made),
        memory=max((one.memory for one in made), default=None),
        seconds=time.perf_counter() - began,
        photos_per_second=_rate(made, engine),
    )


def unit_size(photos: int, workers: int) -> int:
    """Photos of a unit where there are few: four units for each worker keep all of them busy nearly until the end."""
    return min(max(-(-photos // (4 * workers)), LEAST), UNIT)


def _cut(sources: Sequence[str], engine: Engine, progress: Progress) -> Iterator[list[listing.Entry]]:
    """Units of 1,024 photos, or smaller ones if there are few."""
    found = listing.units(sources, UNIT, progress)
    first = list(islice(found, MANY))
    if len(first) == MANY:
        return chain(first, found)
    photos = sum(entry.photos or 0 for unit in first for entry in unit)
    return listing.units(sources, unit_size(photos, engine.workers), Silent())


def _begin(
    folder: Folder,
    wanted: Job,
    size: int | None,
    engine: Engine,
    progress: Progress,
    prepare: Callable[[Folder], None] | None,
) -> Job:
    """List the source and write the job down; the job itself is written last, so that it is there whole or not."""
    check_writable(folder.place)
    folders, files = folder.place.entries()
    others = {*folders, *files} - {"addresses.parquet", "model"}
    # Files with a dot are what a killed process had not written whole.
    if left := sorted(name for name in others if not name.startswith(".")):
        raise DataError(
            f"{show(folder.place.address)} is not empty: {', '.join(map(show, left[:5]))}.\nExpected a new folder, or "
            "one in which this job was begun."
        )
    progress.message("Listing the photos ...")
    source = wanted.source
    found = listing.units(source, size, progress) if size else _cut(source, engine, progress)
    units, photos = listing.write(tables.checked(found, wanted.column), folder.addresses)
    if prepare is not None:
        prepare(folder)
    job = replace(wanted, units=units, photos=photos)
    folder.write(job)
    progress.message(
        f"{'Photos in archives' if photos is None else counted(photos, 'photo')}: {counted(units, 'unit')}."
    )
    return job


def _work(folder: Folder, job: Job, engine: Engine, queue: Queue, here: int, progress: Progress) -> list[Done]:
    made: list[Done] = []
    if queue.empty:
        return made
    each = " each" if engine.workers > 1 else ""
    progress.message(f"{counted(engine.workers, 'worker')} with {counted(engine.threads, 'processor')}{each}.")
    units = job.units - here
    left = round((job.photos or 0) * units / job.units)
    if job.photos is not None:
        progress.planned(left, left, 0.0)
    photos = 0
    try:
        with closing(engine.run(folder.place.address, queue, progress)) as answers:
            for done in answers:
                made.append(done)
                photos += done.photos
                progress.advanced(min(photos, left))
                if job.photos is None and len(made) * 20 // units > (len(made) - 1) * 20 // units:
                    progress.message(f"{len(made):,} of {counted(units, 'unit')}, {counted(photos, 'photo')}.")
    finally:
        folder.forget(queue.in_work)
    progress.advanced(left)
    return made


def _rate(made: list[Done], engine: Engine) -> float | None:
    """Photos per second of all workers: from the time that units took, which leaves out how workers start."""
    busy = sum(one.seconds for one in made)
    return sum(one.photos for one in made) / busy * min(engine.workers, len(made)) if busy else None
