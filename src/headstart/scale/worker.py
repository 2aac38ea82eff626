"""A worker: loads the backbone once, does one unit after the other, and writes each whole. The same on every engine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.backbones import load_card
from headstart.classifier import saved
from headstart.errors import DataError, HeadstartError
from headstart.features.extraction import extract
from headstart.features.store import Store
from headstart.safety.printable import show
from headstart.scale.batch import Batch
from headstart.scale.batches import Reader, batches, fetchers
from headstart.scale.careful import crashing
from headstart.scale.job import Folder, Job, results
from headstart.scale.listing import Units
from headstart.scale.places import Place, arrow, repeated
from headstart.scale.tasks import Embedding, Prediction, Results

#: From this attempt on a unit is done photo by photo.
CAREFUL = 3
#: Share of a unit's photos that may be unreadable in an object store before the unit is put off.
_MOST_LOST = 0.1
#: Age at which vectors of units that were never done are removed: a week.
_LEFT_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class Done:
    """A unit that is done.

    Attributes:
        unit: its number.
        photos: in it. used: of them.
        reasons: why the others were not used, and how many for each reason.
        bytes: of photos that were read.
        seconds: that it took.
        repeated: requests to object stores that failed and were repeated.
        memory: bytes, the peak of the worker's process so far; 0: not known.
    """

    unit: int
    photos: int
    used: int
    reasons: dict[str, int]
    bytes: int = 0
    seconds: float = 0.0
    repeated: int = 0
    memory: int = 0


class Worker:
    """Does units of a job.

    Args:
        address: of the job's folder.

    Raises:
        HeadstartError: the folder or the backbone cannot be opened.
    """

    def __init__(self, address: str) -> None:
        self.folder = Folder(Place(address))
        job = self.folder.read()
        if job is None:
            raise DataError(
                f"{show(address)} is not a job's folder as seen from {platform.node()}.\nExpected a folder that "
                "all machines see, or an address such as s3://bucket/folder."
            )
        self.job: Job = job
        self.units = Units(self.folder.addresses)
        self._stores = Store().folder / "units"
        for left in self._stores.glob("*"):
            with suppress(OSError):  # another worker removes it
                if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        self.results: Results
        if job.task == "predict":
            model = _model(self.folder)
            self.backbone = load_card(model.card, Store().compiled, job.network.handle, fetch=job.network.fetch)
            self.results = Prediction(model, self.backbone)
        else:
            self.backbone = job.open()
            self.results = Embedding(job.numbers)

    def attempt(self, unit: int) -> dict[str, Any]:
        """Do a unit, see `run`.

        Returns:
            what the engine needs to know: `done`, `put_off` (the source or the folder failed), or `error`.
        """
        try:
            return {"done": asdict(self.run(unit))}
        except OSError as error:
            return {"put_off": str(error)[:1000]}
        except HeadstartError as error:
            return {"error": str(error)}
        except Exception:  # a fault of ours ends the job: each worker would meet it
            return {"error": f"Unit {unit} failed:\n{traceback.format_exc()}"}

    def run(self, unit: int) -> Done:
        """Do a unit, unless its results are there.

        Raises:
            OSError: the source or the job's folder cannot be read or written now.
            HeadstartError: it can never be done.
        """
        shard = self.folder.shard(unit)
        store = self._stores / f"{_short(self.folder)}-{unit}"
        if shard.exists():  # another worker has done it, whose end was taken for a death
            shutil.rmtree(store, ignore_errors=True)
            return read_done(shard)
        attempt = self.folder.attempts(unit) + 1
        mark = self.folder.attempt(unit, attempt)
        mark.write(b"")
        try:
            store.mkdir(parents=True, exist_ok=True)
            crashed = crashing(self.folder, unit, store) if attempt >= CAREFUL else frozenset[str]()
            with tempfile.TemporaryFile() as file:
                done = self._write(unit, file, store, crashed)
                shard.write(file)
        finally:  # only an attempt that ends the process counts
            mark.remove()
        shutil.rmtree(store, ignore_errors=True)
        for number in range(1, attempt):
            self.folder.attempt(unit, number).remove()
        return done

    def _write(self, unit: int, file: Any, store: Path, crashed: frozenset[str]) -> Done:
        """Write a unit's table; vectors of an earlier attempt that died are taken from its store."""
        arrow()
        from pyarrow import parquet

        began, before = time.perf_counter(), repeated()
        writer, photos, used, size = None, 0, 0, 0
        reasons: Counter[str] = Counter()
        try:
            with fetchers() as pool:
                for batch in batches(self.units.read(unit), self.job.column):
                    paths = [path for path in batch.paths if path not in crashed] if not batch.broken else []
                    reader = Reader(paths, pool)
                    features = extract(self.backbone, paths, Store(store), read=reader.read)
                    reader.close()
                    _check(batch, reader.lost)
                    table = self.results.table(batch, features, crashed)
                    writer = writer or parquet.ParquetWriter(file, table.schema, compression="zstd")
                    writer.write_table(table)
                    photos += len(table)
                    used += len(features.paths)
                    size += reader.bytes
                    reasons.update(reason for reason in table.column("reason").to_pylist() if reason)
                    del batch, paths, reader, features, table  # not beside the photos that are read next
            done = Done(
                unit,
                photos,
                used,
                dict(sorted(reasons.items())),
                size,
                time.perf_counter() - began,
                repeated() - before,
                peak_memory(),
            )
            if writer is not None:
                writer.add_key_value_metadata({"headstart": json.dumps(asdict(done))})
        finally:
            if writer is not None:
                writer.close()
        return done


def read_done(shard: Place) -> Done:
    """What became of a unit, as its results hold it.

    Raises:
        DataError: they cannot be read.
    """
    with results(shard) as file:
        return Done(**json.loads(file.metadata.metadata[b"headstart"]))


def _check(batch: Batch, lost: list[str]) -> None:
    """Put a unit off if many of its photos cannot be read because the object store fails."""
    if len(lost) > max(1, _MOST_LOST * len(batch.paths)):
        raise OSError(f"{len(lost)} of {len(batch.paths)} photos cannot be fetched: {lost[0]}")


def _model(folder: Folder) -> saved.Saved:
    """The classifier in a job's folder, whose two files may be in an object store."""
    with tempfile.TemporaryDirectory() as copy:
        _, files = folder.model.entries()
        for name in files:
            (Path(copy) / name).write_bytes((folder.model / name).read())
        return saved.read(copy)


def _short(folder: Folder) -> str:
    return hashlib.sha256(folder.place.address.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def peak_memory() -> int:
    """Bytes that this process had at most; 0: not known."""
    with suppress(OSError, StopIteration):  # of Linux: `ru_maxrss` begins there with what the parent process had
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve() -> None:
    """Run as a process: a unit's number a line on stdin, what became of it a line of JSON on stdout; see `local`."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the answers

    def answer(**what: Any) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        worker = Worker(sys.argv[1])
        answer(ready=True)
        for line in sys.stdin:
            answer(**worker.attempt(int(line)))
    except (HeadstartError, OSError) as error:
        answer(error=str(error))
