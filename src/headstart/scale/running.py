"""Begins a job or continues it, shows how far it is, and adds up what became of every photo."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from headstart.errors import DataError
from headstart.progress import Progress
from headstart.safety.printable import counted, show
from headstart.scale import listing, tables
from headstart.scale.engines import Engine, Queue
from headstart.scale.job import UNIT, Folder, Job
from headstart.scale.places import Place, check_writable
from headstart.scale.worker import Done, read_done


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
    size: int = UNIT,
    prepare: Callable[[Folder], None] | None = None,
) -> Finished:
    """Do a job, or what is left of it.

    Args:
        wanted: the job; `units` and `photos` are found out.
        address: of its folder.
        engine: that runs the workers.
        progress: receives the progress.
        size: photos of a unit.
        prepare: puts what else the workers need into the folder of a new job.

    Raises:
        DataError: the folder holds another job, the source has no photos, or one of them cannot be read or written.
    """
    began = time.perf_counter()
    folder, wanted = Folder(Place(address)), replace(wanted, source=tuple(map(listing.absolute, wanted.source)))
    job = folder.read()
    if job is None:
        job = _begin(folder, wanted, size, progress, prepare)
    elif not wanted.same(job):
        raise DataError(
            f"{show(address)} holds another job: {job.task} of {', '.join(map(show, job.source))} with "
            f"{job.card.handle}, {job.network.view}, {job.numbers}.\n"
            "Expected the same command again, or a new folder."
        )
    here = folder.done()
    if here:
        rest = "nothing is left to do" if len(here) == job.units else "the others follow"
        progress.message(f"{len(here):,} of {counted(job.units, 'unit')} done already; {rest}.")
    queue = Queue((unit for unit in range(job.units) if unit not in here), progress)
    made = _work(folder, job, engine, queue, len(here), progress)
    totals = [*made, *(read_done(folder.shard(unit)) for unit in sorted(here))]
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
        photos_per_second=_rate(made, engine.workers),
    )


def _begin(folder: Folder, wanted: Job, size: int, progress: Progress, prepare: Callable[[Folder], None] | None) -> Job:
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
    found = tables.checked(listing.units(wanted.source, size, progress), wanted.column)
    units, photos = listing.write(found, folder.addresses)
    if prepare is not None:
        prepare(folder)
    job = replace(wanted, units=units, photos=photos)
    folder.write(job)
    many = "photos in archives" if photos is None else counted(photos, "photo")
    progress.message(f"{many} in {counted(units, 'unit')}.")
    return job


def _work(folder: Folder, job: Job, engine: Engine, queue: Queue, here: int, progress: Progress) -> list[Done]:
    made: list[Done] = []
    if queue.empty:
        return made
    progress.message(f"{counted(engine.workers, 'worker')} of {counted(engine.threads, 'processor')} each.")
    each = (job.photos or job.units * UNIT) / job.units
    left = round(each * (job.units - here))
    progress.planned(left, left, 0.0)
    photos = 0
    for done in engine.run(folder.place.address, queue, progress):
        made.append(done)
        photos += done.photos
        progress.advanced(min(photos, left))
    progress.advanced(left)
    return made


def _rate(made: list[Done], workers: int) -> float | None:
    """Photos per second of all workers: from the time that units took, which leaves out how workers start."""
    busy = sum(one.seconds for one in made)
    return sum(one.photos for one in made) / busy * min(workers, len(made)) if busy else None
