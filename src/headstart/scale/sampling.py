"""A sample of a source: photos chosen by chance, read and embedded, and what each step takes."""

from __future__ import annotations

import math
import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headstart.backbones.base import Backbone
from headstart.errors import DataError, PhotoError
from headstart.features.extraction import extract
from headstart.features.store import Store
from headstart.photos.pictures import InMemory
from headstart.progress import Progress
from headstart.safety.printable import counted
from headstart.scale.batch import Batch
from headstart.scale.batches import Reader, batches, fetchers
from headstart.scale.job import Numbers
from headstart.scale.listing import Entry
from headstart.scale.tasks import Embedding

#: Photos of the sample, and of each part whose speed is measured by itself.
SAMPLE, PART = 320, 64
#: Photos that are read, decoded and embedded one step after the other, to see what limits.
_STEPS = 32
#: Tables and archives that the sample is taken from.
_CONTAINERS = 4
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


class Sampled:
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


def sample(found: Sampled, column: str) -> Iterator[Batch]:
    """The photos of the sample, and before them some to warm up with."""
    if found.files:
        yield from batches(found.files, column)
    for entry in found.containers:
        first = next(batches([entry], column), None)
        if first is not None and not first.broken:
            most = (SAMPLE + PART) // len(found.containers)
            yield Batch(first.paths[:most], first.labels[:most], first.splits[:most])


@dataclass(frozen=True)
class Measured:
    """What the sample showed; `size` and `written` are bytes of a photo, read and written."""

    rate: Range
    size: Range
    written: float
    milliseconds: dict[Limit, float]
    sample: int
    failed: int


def measured(backbone: Backbone, batches: Sequence[Batch], numbers: Numbers, progress: Progress) -> Measured:
    """Read and embed a sample.

    Raises:
        DataError: it has hardly any photos, or none that can be used.
    """
    paths = [path for batch in batches for path in batch.paths]
    warm, rest = paths[: min(PART, len(paths) // 4)], paths[min(PART, len(paths) // 4) :]
    if len(rest) < 2:
        raise DataError(f"The source has {counted(len(paths), 'photo')}.\nExpected more: so few need no plan.")
    progress.planned(len(rest), len(rest), 0.0)
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
    return Measured(
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
