"""`plan`: a few hundred photos are read and embedded, and what the whole source would take is reckoned from them."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart.photos.reading import processors
from headstart.progress import Choice, Silent, standard
from headstart.scale import listing
from headstart.scale.embedding import addresses
from headstart.scale.job import UNIT, Network, Numbers
from headstart.scale.local import CORES
from headstart.scale.places import Place, arrow
from headstart.scale.running import MANY, unit_size
from headstart.scale.sampling import Limit, Range, Sampled, measured, sample
from headstart.scale.worker import peak_memory

#: Seconds in which a worker starts, and Ray with it, on a quiet machine (benchmarks/RESULTS.md).
START, START_RAY = 1.5, 10.0
#: Bytes that a photo takes in a tar archive beside its own: a head of 512, and on average half of 512 to fill up.
_MEMBER = 768


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
        MissingExtraError: pyarrow is not installed.
        DataError: the source has no photos, or too few of the sample can be used.
    """
    arrow()  # before the work
    report = standard(progress)
    given = tuple(map(listing.absolute, addresses(source)))
    network = network or Network()
    cores = min(processors(), CORES)
    report.message("Listing the photos ...")
    found = Sampled(listing.units(given, UNIT, report))
    chosen = list(sample(found, column))
    report.message("Reading and embedding a sample ...")
    with _threads(cores):
        backbone = network.load()
        looked = measured(backbone, chosen, numbers, report)
    member = looked.size.value + _MEMBER
    count = found.photos + sum(round(Place(one.address).size() / member) for one in found.archives)
    steps = looked.milliseconds
    words = ["headstart", "embed", *map(str, addresses(source)), "-o", "DEST"]
    usual = Network()
    for option, value, default in (
        ("-b", network.handle, usual.handle),
        ("--view", network.view, usual.view),
        ("--input-range", network.input_range, ""),
        ("--layers", network.layers, usual.layers),
        ("--numbers", numbers, "float32"),
        ("--column", column, ""),
    ):
        words += [option, value] if value != default else []
    work = _Work(given, count, found.photos, found.units, looked.size.value, words)
    each = looked.rate.times(1 / cores)
    here = work.on(Nodes(), each, "local")
    there = None if nodes is None else work.on(nodes, each, "ray")
    return Plan(
        source=given,
        backbone=backbone.card.handle,
        photos=count,
        sample=looked.sample,
        failed=looked.failed,
        processors=processors(),
        rate=each.times(processors()),
        milliseconds=steps,
        limit=max(steps, key=lambda step: steps[step]),
        bytes_in=looked.size.times(count),
        bytes_out=looked.written * count,
        memory=peak_memory(),
        here=here,
        there=there,
    )


@dataclass(frozen=True)
class _Work:
    """What there is to do.

    Attributes:
        source: addresses. photos: in it. counted: of them, not in archives. units: of full size.
        size: bytes of a photo.
        words: of the command, without what chooses the engine.
    """

    source: tuple[str, ...]
    photos: int
    counted: int
    units: int
    size: float
    words: list[str]

    def on(self, nodes: Nodes, each: Range, engine: Literal["local", "ray"]) -> Estimate:
        """What it takes, with a rate of each processor; the last units leave some workers without work."""
        cores = nodes.count * (nodes.processors or processors())
        rate, start, workers, words = each.times(cores), START, -(-cores // CORES), [*self.words, "--on", engine]
        if engine == "ray":
            start, workers = START_RAY, cores
            words += ["--address", "auto", "--workers", str(workers)]
        units = self.units
        if units < MANY:
            units = sum(1 for _ in listing.units(self.source, unit_size(self.counted, workers), Silent()))
        photos = self.photos * math.ceil(units / workers) * workers / units
        taken = Range(start + photos / rate.value, start + photos / rate.high, start + photos / rate.low)
        cost = None if nodes.price is None else taken.times(nodes.count * nodes.price / 3600)
        needed = self.size * self.photos / taken.value / 1e6
        return Estimate(nodes.count, workers, cores // workers, taken, cost, needed, shlex.join(words))


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
