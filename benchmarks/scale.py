"""Work in units: speed and memory of workers against one extraction, cost of the engine, and a cluster simulated.

    python benchmarks/scale.py workers [--data FOLDER] [--on ray]   # one worker, two, and `headstart`'s own extraction
    python benchmarks/scale.py engine                               # what a unit costs apart from the photos
    python benchmarks/scale.py memory [--data FOLDER] [--on ray]    # a worker's peak for 3,000 and 100,000 photos
    python benchmarks/scale.py sums                                 # heads from a million vectors of 1,280
    python benchmarks/scale.py nodes [--seconds-per-unit 14.6]      # 1 to 64 machines with failures, simulated

Bars: two workers at least 1.8 times one; at least 0.9 of the extraction in the same minute; at most 0.1 ms a photo
for the engine; at most 450 MB in a worker, whatever the number of photos; a million vectors in at most 1.5 GB.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import DATA, machine, process

#: Repeats of a comparison; the speed of a shared machine drifts, so each repeat runs all sides one after the other.
ROUNDS = 3


def workers(data: Path, engine: str) -> None:
    """Photos per second of one worker, of two, and of the extraction of `headstart train` on the same processors."""
    print(f"{'round':>5} {'extraction':>10} {'1 x 1':>7} {'2 x 1':>7} {'1 x 2':>7}  photos/s; MB in a worker")
    for number in range(ROUNDS):
        alone = float(process([sys.executable, __file__, "extraction", "--data", str(data)]).stdout)
        found = []
        for count, threads in ((1, 1), (2, 1), (1, 2)):
            words = ["units", "--data", str(data), "--on", engine, "--workers", str(count), "--threads", str(threads)]
            found.append([float(x) for x in process([sys.executable, __file__, *words]).stdout.split()[-2:]])
        rates = " ".join(f"{rate:7.1f}" for rate, _ in found)
        print(f"{number:5} {alone:10.1f} {rates}  {max(peak for _, peak in found):,.0f}", flush=True)


def extraction(data: Path) -> None:
    """Photos per second of one extraction with an empty store, compiled and read ahead."""
    from headstart.features.embedder import load_backbone
    from headstart.photos.sources import find_files

    photos = find_files(str(data))
    with tempfile.TemporaryDirectory() as folder:
        embedder = load_backbone(store=folder)
        embedder.features(photos[:64])
        found = embedder.features(photos)
        print(found.computed / found.seconds)


def units(data: Path, engine: str, count: int, threads: int) -> None:
    """Photos per second of workers without their start, and bytes at the peak of the largest, in MB."""
    from headstart.scale.embedding import embed
    from headstart.scale.local import Local

    if engine == "local":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: count * threads])
        chosen = Local(count)
    else:
        from headstart.scale.on_ray import OnRay

        chosen = OnRay("", count, threads)
    with tempfile.TemporaryDirectory() as folder:
        done = embed(data, f"{folder}/out", engine=chosen, unit=256)
        print(done.photos_per_second, (done.memory or 0) / 1e6)


def table(folder: Path, count: int, photos: list[bytes]) -> Path:
    """A table of `count` photos that all differ: copies of some with other bytes at the end."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "photos.parquet"
    with pq.ParquetWriter(path, pa.schema([("image", pa.binary())])) as writer:
        for start in range(0, count, 1024):
            rows = [photos[i % len(photos)] + i.to_bytes(8) for i in range(start, min(start + 1024, count))]
            writer.write_table(pa.table({"image": rows}))
    return path


def tiny() -> bytes:
    """A photo of 16 x 16."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def engine() -> None:
    """Milliseconds a photo: a worker's unit with a backbone that takes no time, less reading and decoding alone."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import pyarrow.parquet as pq

    from fakes import FakeBackbone
    from headstart.features.extraction import extract
    from headstart.features.store import Store
    from headstart.photos.pictures import InMemory
    from headstart.photos.reading import FilePhoto
    from headstart.progress import Silent
    from headstart.scale import job, worker
    from headstart.scale.local import Local
    from headstart.scale.running import run

    backbone = FakeBackbone(dim=1280)
    job.Network.load = lambda self: backbone  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        source = table(folder, 8192, [tiny()])
        photos = [InMemory.of(str(i), x) for i, x in enumerate(pq.read_table(source).column(0).to_pylist())]
        wanted = job.Job("embed", (str(source),), job.Network(), backbone.card)

        class Direct(Local):
            def run(self, address, queue, progress):  # type: ignore[no-untyped-def]
                one = worker.Worker(address)
                while (unit := queue.next()) is not None:
                    yield one.run(unit)

        for number in range(ROUNDS):
            began = time.perf_counter()
            for start in range(0, len(photos), 1024):
                extract(backbone, photos[start : start + 1024], Store(folder / f"s{number}"), read=FilePhoto.read)
            alone = time.perf_counter() - began
            began = time.perf_counter()
            run(wanted, str(folder / f"out{number}"), Direct(1), Silent())
            whole = time.perf_counter() - began
            print(f"{1000 * (whole - alone) / len(photos):.3f} ms a photo for the engine", flush=True)


def memory(data: Path, engine: str) -> None:
    """Peak of a worker with the built-in backbone, for copies of the training photos of a folder."""
    photos = [path.read_bytes() for path in sorted((data / "train").rglob("*.jpg"))]
    for count in (3_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            source = table(Path(folder), count, photos)
            words = ["units", "--data", str(source), "--on", engine, "--workers", "1", "--threads", "2"]
            rate, peak = process([sys.executable, __file__, *words]).stdout.split()[-2:]
            print(f"{count:,} photos: {float(peak):,.0f} MB in a worker, {float(rate):,.0f} photos/s", flush=True)


def sums(count: int, heads: list[str]) -> None:
    """Time and memory of heads from `count` made vectors in files of the form that `embed` writes."""
    with tempfile.TemporaryDirectory() as folder:
        process([sys.executable, __file__, "make", "--data", folder, "--count", str(count)])
        for head in heads:
            done = process([sys.executable, __file__, "train", "--data", folder, "--head", head])
            print(f"{head}: {done.seconds:,.0f} s, {done.peak_mb:,.0f} MB; {done.stdout.strip()}", flush=True)


def make(folder: Path, count: int) -> None:
    """A job of `count` photos of 20 classes whose vectors are made: normal around class means."""
    import pyarrow.parquet as pq

    from headstart.backbones import builtin
    from headstart.features.extraction import Features
    from headstart.scale.batch import Batch
    from headstart.scale.job import Folder, Job, Network
    from headstart.scale.places import Place
    from headstart.scale.tasks import Embedding

    rng, dim, classes = np.random.default_rng(0), 1280, 20
    means = rng.normal(size=(classes, dim)).astype(np.float32) * 0.2
    there = Folder(Place(str(folder)))
    size = 2048
    parts = -(-count // size)
    (folder / "shards").mkdir(exist_ok=True)
    for part in range(parts):
        labels = rng.integers(0, classes, size)
        vectors = np.abs(means[labels] + rng.normal(size=(size, dim)).astype(np.float32))
        hashes = np.frombuffer(rng.bytes(32 * size), "V32")
        paths = tuple(f"{part}-{i}" for i in range(size))
        batch = Batch(paths, tuple(f"class {i:02d}" for i in labels), (None,) * size)
        found = Features(paths, np.arange(size), vectors, hashes, (), size, 0, 0, 0.0)
        pq.write_table(Embedding("float16").table(batch, found, frozenset()), there.shard(part).address)
    card = builtin.card("float32")
    there.write(Job("embed", ("made",), Network(precision="float32"), card, "float16", "", parts, parts * size))


def train(folder: Path, head: str) -> None:
    """Train on a job, and print the accuracy."""
    from headstart.scale.training import train as run

    print(run(folder, head=head, unknown_rate=0).evaluation.summary)  # type: ignore[arg-type]


def nodes(seconds: float, photos: int, cores: int, days: float) -> None:
    """Hours for a number of machines, each of which dies once in `days` days and is replaced after five minutes.

    A unit's time varies as lognormal with a standard deviation of 0.2, and one unit in a hundred takes three times as
    long. Every worker of a machine that dies loses its unit; each worker is on a processor of its own.
    """
    units = -(-photos // 1024)
    print(f"{photos:,} photos, {seconds:g} s a unit, {cores} processors a machine, a failure each {days:g} days")
    print(f"{'machines':>8} {'hours':>8} {'of ideal':>8} {'failures':>8} {'units lost':>10} {'lost':>7}")
    for count in (1, 2, 4, 8, 16, 32, 64):
        chance = random.Random(count)
        free = [(20.0, number) for number in range(count * cores)]  # when a worker is free, and its number
        heapq.heapify(free)
        death = [chance.expovariate(1 / (86400 * days)) for _ in range(count)]
        left, lost, deaths, busy, last = units, 0, 0, 0.0, 0.0
        again: list[float] = []  # units to be done again, from when on
        while left or again:
            now, number = heapq.heappop(free)
            node = number // cores
            while death[node] < now:  # it died while idle
                death[node] += 300 + chance.expovariate(1 / (86400 * days))
                deaths += 1
            if not left:
                now = max(now, heapq.heappop(again))
            else:
                left -= 1
            took = seconds * chance.lognormvariate(0, 0.2) * (3 if chance.random() < 0.01 else 1)
            if now + took > death[node]:
                lost += 1
                heapq.heappush(again, death[node])
                heapq.heappush(free, (death[node] + 300 + 20, number))
                continue
            busy += took
            last = max(last, now + took)
            heapq.heappush(free, (now + took, number))
        ideal = busy / (count * cores)
        print(f"{count:8} {last / 3600:8.2f} {ideal / last:8.1%} {deaths:8} {lost:10} {lost / units:7.3%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    jobs = ("workers", "extraction", "units", "engine", "memory", "sums", "make", "train", "nodes")
    parser.add_argument("job", choices=jobs)
    parser.add_argument("--data", type=Path, default=DATA / "clothing10")
    parser.add_argument("--on", choices=("local", "ray"), default="local")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--head", default="lda,ridge,centroid")
    parser.add_argument("--seconds-per-unit", type=float, default=14.6)
    parser.add_argument("--photos", type=int, default=10_000_000)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--days", type=float, default=1.0)
    given = parser.parse_args()
    if given.job in ("workers", "engine", "memory", "sums", "nodes"):
        print(machine())
    {
        "workers": lambda: workers(given.data, given.on),
        "extraction": lambda: extraction(given.data),
        "units": lambda: units(given.data, given.on, given.workers, given.threads),
        "engine": engine,
        "memory": lambda: memory(given.data, given.on),
        "sums": lambda: sums(given.count, given.head.split(",")),
        "make": lambda: make(given.data, given.count),
        "train": lambda: train(given.data, given.head),
        "nodes": lambda: nodes(given.seconds_per_unit, given.photos, given.cores, given.days),
    }[given.job]()


if __name__ == "__main__":
    main()
