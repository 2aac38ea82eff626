"""`plan`: a few hundred photos are read and embedded, and what the whole source would take is reckoned from them."""

from __future__ import annotations

import math
import os
import random
import shlex
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headstart.backbones.base import Backbone
from headstart.errors import DataError, PhotoError
from headstart.features.extraction import extract
from headstart.features.store import Store
from headstart.photos.pictures import InMemory
from headstart.photos.reading import processors
from headstart.progress import Choice, Progress, standard
from headstart.scale import listing
from headstart.scale.batches import Batch, Reader, batches, fetchers
from headstart.scale.embedding import addresses
from headstart.scale.job import UNIT, Network, Numbers
from headstart.scale.listing import Entry
from headstart.scale.local import CORES
from headstart.scale.places import Place
from headstart.scale.tasks import Embedding
from headstart.scale.worker import peak_memory

#: Photos of the sample, and of each part whose speed is measured by itself.
SAMPLE, PART = 320, 64
#: Photos that are read, decoded and embedded one step after the other, to see what limits.
_STEPS = 32
#: Tables and archives that the sample is taken from.
_CONTAINERS = 4
#: Steady speed of workers compared with one extraction on the same processors (benchmarks/scale.py).
EFFICIENCY = 0.94
#: Seconds in which a worker starts, and Ray with it, on a quiet machine (benchmarks/scale.py).
START, START_RAY = 5.0, 20.0
#: Two-sided 95 % points of Student's t for 1 to 9 degrees of freedom (any table of the distribution).
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
Limit = Literal["reading", "decoding", "backbone"]


@dataclass(frozen=True)
class Range:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        """Value, low, high."""
        return [self.value, self.low, self.high]

    def times(self, factor: float) -> Range:
        """All three, multiplied."""
        return Range(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Estimate:
    """What a job would take.

    Attributes:
        nodes: machines. workers: on all of them. threads: of each worker.
        seconds: wall time.
        cost: in the currency of the price; None: no price was given.
        megabytes_per_second: that must be read from the source.
        line: the command that does it.
    """

    nodes: int
    workers: int
    threads: int
    seconds: Range
    cost: Range | None
    megabytes_per_second: float
    line: str

    def to_json(self) -> dict[str, Any]:
        """One of the `plans` of a document, see docs/json.md."""
        return {
            "nodes": self.nodes,
            "workers": self.workers,
            "threads": self.threads,
            "duration": self.seconds.to_json(),
            "cost": None if self.cost is None else self.cost.to_json(),
            "megabytes_per_second": self.megabytes_per_second,
            "command_line": self.line,
        }


@dataclass(frozen=True)
class Plan:
    """What the photos of a source would take.

    Attributes:
        source: addresses. backbone: its handle.
        photos: how many there are; archives are counted by their size.
        sample: photos that were read. failed: of them.
        rate: photos per second of this machine's `processors`.
        milliseconds: of one photo on one processor, by step: `reading`, `decoding`, `backbone`.
        limit: the step that takes most of the time.
        bytes_in: to be read. bytes_out: to be written.
        memory: bytes of a worker at its peak.
        here: on this machine. there: on the nodes asked for; None: none were.
    """

    source: tuple[str, ...]
    backbone: str
    photos: int
    sample: int
    failed: int
    processors: int
    rate: Range
    milliseconds: dict[Limit, float]
    limit: Limit
    bytes_in: Range
    bytes_out: float
    memory: int
    here: Estimate
    there: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """The document of `headstart plan`, see docs/json.md."""
        plans = [self.here] if self.there is None else [self.here, self.there]
        return {
            "backbone": self.backbone,
            "found": self.photos,
            "sampled": self.sample,
            "unusable": self.failed,
            "processors": self.processors,
            "speed": self.rate.to_json(),
            "milliseconds": dict(self.milliseconds),
            "limited_by": self.limit,
            "bytes_in": self.bytes_in.to_json(),
            "bytes_out": self.bytes_out,
            "peak_bytes": self.memory,
            "plans": [one.to_json() for one in plans],
        }


@dataclass(frozen=True)
class Nodes:
    """Machines to plan for, each as fast as this one for each processor.

    Attributes:
        count: of them. processors: of each.
        price: of one for an hour; None: not known.
    """

    count: int = 1
    processors: int | None = None
    price: float | None = None


def plan(
    source: str | Path | Sequence[str | Path],
    *,
    network: Network | None = None,
    numbers: Numbers = "float32",
    column: str = "",
    nodes: Nodes | None = None,
    progress: Choice = None,
) -> Plan:
    """Read and embed a sample of a source, and reckon what all of it takes.

    Args:
        source, network, numbers, column: see `scale.embedding.embed`.
        nodes: machines to plan for, apart from this one.
        progress: see `headstart.train`.

    Raises:
        DataError: the source has no photos, or too few of the sample can be used.
    """
    report = standard(progress)
    given = tuple(map(listing.absolute, addresses(source)))
    network = network or Network()
    cores = min(processors(), CORES)
    report.message("Listing the photos ...")
    found = _Sampled(listing.units(given, UNIT, report))
    chosen = list(_sample(found, column))
    with _threads(cores):
        backbone = network.load()
        measured = _measured(backbone, chosen, numbers, report)
    count = found.photos + sum(
        round(Place(one.address).size() / measured.mean_bytes) for one in found.archives if measured.mean_bytes
    )
    scaled = measured.rate.times(processors() / cores)
    steps = measured.milliseconds
    words = ["headstart", "embed", *map(str, addresses(source)), "-o", "DEST"]
    words += ["-b", network.handle] if network != Network() else []
    words += ["--numbers", numbers] if numbers != "float32" else []
    here = _estimate(count, found.units, scaled, Nodes(), processors(), measured.mean_bytes, [*words, "--on", "local"])
    there = None
    if nodes is not None:
        each = nodes.processors or processors()
        line = [*words, "--on", "ray", "--address", "auto", "--workers", str(nodes.count * each)]
        rate = measured.rate.times(nodes.count * each / cores)
        there = _estimate(count, found.units, rate, nodes, nodes.count * each, measured.mean_bytes, line)
    return Plan(
        source=given,
        backbone=backbone.card.handle,
        photos=count,
        sample=measured.sample,
        failed=measured.failed,
        processors=processors(),
        rate=scaled,
        milliseconds=steps,
        limit=max(steps, key=lambda step: steps[step]),
        bytes_in=measured.size.times(count),
        bytes_out=measured.written * count,
        memory=peak_memory(),
        here=here,
        there=there,
    )


class _Sampled:
    """Goes through all units of a source, counts photos and keeps a few by chance (Vitter 1985, algorithm R)."""

    def __init__(self, units: Iterable[list[Entry]]) -> None:
        chance = random.Random(0)
        self.photos, self.units = 0, 0
        self.files: list[Entry] = []
        self.containers: list[Entry] = []
        self.archives: list[Entry] = []
        seen = [0, 0]
        for unit in units:
            self.units += 1
            for entry in unit:
                self.photos += entry.photos or 0
                if entry.kind == "tar":
                    self.archives.append(entry)
                single = entry.kind == "file"
                kept, most = (self.files, SAMPLE + PART) if single else (self.containers, _CONTAINERS)
                seen[single] += 1
                if len(kept) < most:
                    kept.append(entry)
                elif (place := chance.randrange(seen[single])) < most:
                    kept[place] = entry
        chance.shuffle(self.files)


def _sample(found: _Sampled, column: str) -> Iterator[Batch]:
    """The photos of the sample, and before them some to warm up with."""
    if found.files:
        yield from batches(found.files, column)
    for entry in found.containers:
        first = next(batches([entry], column), None)
        if first is not None and not first.broken:
            most = (SAMPLE + PART) // len(found.containers)
            yield Batch(first.paths[:most], first.labels[:most], first.splits[:most])


@dataclass(frozen=True)
class _Measured:
    """What the sample showed; `size` and `written` are bytes of a photo, `mean_bytes` the former's mean."""

    rate: Range
    size: Range
    written: float
    milliseconds: dict[Limit, float]
    sample: int
    failed: int

    @property
    def mean_bytes(self) -> float:
        return self.size.value


def _measured(backbone: Backbone, sample: Sequence[Batch], numbers: Numbers, progress: Progress) -> _Measured:
    paths = [path for batch in sample for path in batch.paths]
    warm, rest = paths[: min(PART, len(paths) // 4)], paths[min(PART, len(paths) // 4) :]
    if len(rest) < 2:
        raise DataError(f"The source has {len(paths)} photos.\nExpected more: so few need no plan.")
    progress.planned(len(paths), len(rest), 0.0)
    seconds: list[float] = []
    sizes: list[float] = []
    failed, written, done = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, fetchers() as pool:
        extract(backbone, warm, Store(f"{folder}/warm"), read=Reader(warm, pool).read)
        for number, start in enumerate(range(0, len(rest), PART)):
            part = rest[start : start + PART]
            reader, began = Reader(part, pool), time.perf_counter()
            found = extract(backbone, part, Store(f"{folder}/{number}"), read=reader.read)
            if len(part) == PART or not seconds:
                seconds.append((time.perf_counter() - began) / len(part))
                sizes.append(reader.bytes / len(part))
            failed += len(found.skipped)
            done += len(part)
            written += _bytes_of(Batch(tuple(part), (None,) * len(part), (None,) * len(part)), found, numbers)
            progress.advanced(done)
        steps = _steps(backbone, rest[:_STEPS], pool)
    each = _range(seconds)
    return _Measured(
        rate=Range(1 / each.value, 1 / each.high, 1 / max(each.low, each.value / 10)),
        size=_range(sizes),
        written=written / len(rest),
        milliseconds=steps,
        sample=len(rest),
        failed=failed,
    )


def _range(values: Sequence[float]) -> Range:
    """Mean and t-interval; with one value the interval is a half to twice."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Range(mean, mean / 2, mean * 2)
    half = _T[min(len(values) - 1, len(_T)) - 1] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Range(mean, max(mean - half, 0.0), mean + half)


def _bytes_of(batch: Batch, found: Any, numbers: Numbers) -> int:
    from pyarrow import parquet

    with tempfile.TemporaryFile() as file:
        parquet.write_table(Embedding(numbers).table(batch, found, frozenset()), file, compression="zstd")
        return file.tell()


def _steps(backbone: Backbone, paths: Sequence[str], pool: Any) -> dict[Limit, float]:
    """Milliseconds of a photo for each step by itself, on one processor."""
    totals: dict[Limit, float] = {"reading": 0.0, "decoding": 0.0, "backbone": 0.0}
    count = 0
    reader = Reader([], pool)
    for path in paths:
        began = time.perf_counter()
        try:
            photo = reader.read(path)
            read = time.perf_counter()
            picture = photo.decode(backbone.card.view)
        except PhotoError:
            continue
        decoded = time.perf_counter()
        backbone.embed(picture[None])
        done = time.perf_counter()
        # Fetches from an object store wait side by side, those of a disk do not.
        waiting = 1 if isinstance(path, InMemory) or os.path.exists(path) else 16
        for step, took in zip(totals, ((read - began) / waiting, decoded - read, done - decoded), strict=True):
            totals[step] += 1000 * took
        count += 1
    if not count:
        raise DataError("None of the sample's photos can be used.\nExpected photos; `headstart check` shows reasons.")
    return {step: total / count for step, total in totals.items()}


def _estimate(
    photos: int, units: int, rate: Range, nodes: Nodes, cores: int, size: float, line: Sequence[str]
) -> Estimate:
    """Wall time from the rate of all processors; the last units leave some workers without work."""
    ray = "ray" in line
    workers = cores if ray else -(-cores // CORES)
    rounds = math.ceil(units / workers) * workers / units
    seconds = [START_RAY if ray else START] * 3
    for i, one in enumerate((rate.value, rate.high, rate.low)):
        seconds[i] += photos / (one * (EFFICIENCY if ray else 1.0)) * rounds
    taken = Range(*seconds)
    cost = None if nodes.price is None else taken.times(nodes.count * nodes.price / 3600)
    needed = size * photos / taken.value / 1e6
    return Estimate(nodes.count, workers, cores // workers, taken, cost, needed, shlex.join(line))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let this process compute with as many threads as a worker has."""
    before = os.environ.get("HEADSTART_THREADS")
    os.environ["HEADSTART_THREADS"] = str(count)
    try:
        yield
    finally:
        del os.environ["HEADSTART_THREADS"]
        if before is not None:
            os.environ["HEADSTART_THREADS"] = before
