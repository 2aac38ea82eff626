"""`train` on embedded photos: heads from sums, in memory that does not grow with the photos.

Four passes over the files: classes and copies (`survey`, no vectors are read); sums of each fold, from which every head
and the head without each fold follow exactly; scores of a sample, to choose the strength and the temperature; and the
figures, for each photo by the head without its fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from headstart.heads import closed_form, power
from headstart.heads.calibration import fit_temperature
from headstart.heads.fitting import SHRINKAGES, STRENGTHS
from headstart.heads.head import LinearHead, Vectors, softmax
from headstart.heads.linear_algebra import one_thread
from headstart.heads.sums import FromSums, Sums
from headstart.scale.job import Folder
from headstart.scale.mapping import Mapper
from headstart.scale.places import Place
from headstart.scale.survey import FOLDS, Survey, prints_of, usable
from headstart.scale.tally import Tally

KINDS = get_args(FromSums)
#: Photos that the strength and the temperature are chosen on: below this many, all of them, as in memory.
SAMPLE = 20_000
#: Rows of a table that are read at a time.
_ROWS = 1024
_ALL = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Part:
    """Photos with a class: float32 `(n, dim)` vectors, power-normalised; class numbers, folds, prints and addresses."""

    vectors: Vectors
    labels: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp]
    prints: npt.NDArray[np.uint64]
    hashes: list[bytes]
    paths: list[str]


def parts_of(shards: Sequence[str], survey: Survey, tested: bool) -> Iterator[Part]:
    """The photos of some shards that can be learned from, or those to be measured on.

    Args:
        shards: addresses. survey: of all photos. tested: which of the two.
    """
    from pyarrow import parquet

    place = {name: i for i, name in enumerate(survey.classes)}
    columns = ["address", "hash", "vector", "label", "split", "outcome"]
    for address in shards:
        with Place(address).open() as file:
            for rows in parquet.ParquetFile(file).iter_batches(_ROWS, columns=columns):
                yield from _part(rows, survey, place, tested)


def _part(rows: Any, survey: Survey, place: dict[str, int], tested: bool) -> Iterator[Part]:
    import pyarrow as pa

    table, testing = usable(pa.Table.from_batches([rows]))
    if not len(table):
        return
    prints, folds = prints_of(table.column("hash"))
    kept = (testing == tested) & ~np.isin(prints, survey.left_out)
    if not tested:
        kept &= ~np.isin(prints, survey.held_back)
    if not kept.any():
        return
    lists = table.column("vector").combine_chunks()
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(table), -1)[kept].astype(np.float32)
    power.normalise(vectors)
    chosen = np.flatnonzero(kept)
    labels, paths = table.column("label").to_pylist(), table.column("address").to_pylist()
    hashes = table.column("hash").to_pylist()
    yield Part(
        vectors,
        np.array([place[labels[i]] for i in chosen], np.intp),
        folds[kept].astype(np.intp),
        prints[kept],
        [hashes[i] for i in chosen],
        [paths[i] for i in chosen],
    )


@dataclass(frozen=True)
class Collected:
    """Sums of photos, and a sample of them: those with the least prints, a choice that any order of parts gives."""

    sums: Sums
    sample: Part


@one_thread()
def collect(shards: Sequence[str], survey: Survey, shift: Vectors, kind: FromSums) -> Collected:
    """Sum up some shards."""
    weights = 1.0 / (len(survey.classes) * survey.counts.astype(np.float64))
    sums = Sums(len(shift), weights, FOLDS, shift, moments=kind != "centroid")
    limit = _limit(survey)
    nothing = np.zeros(0, np.intp)
    samples = [Part(np.zeros((0, len(shift)), np.float32), nothing, nothing, np.zeros(0, np.uint64), [], [])]
    for part in parts_of(shards, survey, tested=False):
        sums.add(part.vectors, part.labels, part.folds)
        chosen = np.flatnonzero(part.prints <= limit)
        samples.append(_taken(part, chosen))
    return Collected(sums, _joined(samples))


def _limit(survey: Survey) -> np.uint64:
    """Prints up to this one are sampled: they are spread evenly over all numbers of 64 bits."""
    total = int(survey.counts.sum())
    return _ALL if total <= SAMPLE else np.uint64(int(2**64 * SAMPLE / total))


def _taken(part: Part, rows: npt.NDArray[np.intp]) -> Part:
    hashes, paths = [part.hashes[i] for i in rows], [part.paths[i] for i in rows]
    return Part(part.vectors[rows], part.labels[rows], part.folds[rows], part.prints[rows], hashes, paths)


def _joined(parts: Sequence[Part]) -> Part:
    return Part(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.folds for part in parts]),
        np.concatenate([part.prints for part in parts]),
        [one for part in parts for one in part.hashes],
        [one for part in parts for one in part.paths],
    )


@dataclass(frozen=True)
class Learned:
    """A head and those without each fold.

    Attributes:
        head: of all photos, calibrated. strength: chosen for it; None for centroid.
        folds: of each fold the head without it; strength and temperature were chosen without it as well.
        sample: see `Collected`.
    """

    head: LinearHead
    strength: float | None
    folds: tuple[LinearHead, ...]
    sample: Part


@one_thread()
def learn(folder: Folder, survey: Survey, kind: FromSums, mapper: Mapper) -> Learned:
    """Sum up all photos, and solve."""
    shift = _shift(folder, survey)
    collected = list(mapper.map(collect, folder, survey, shift, kind))
    sums = collected[0].sums
    for one in collected[1:]:
        sums.merge(one.sums)
    sample = _joined([one.sample for one in collected])
    strengths: Sequence[float | None] = {"ridge": STRENGTHS, "lda": SHRINKAGES}.get(kind) or (None,)
    best: list[tuple[float, float | None, float]] = []  # for each fold, and last for all: loss, strength, temperature
    for solved in closed_form.path(kind, sample.vectors, sample.labels, sample.folds, sums, strengths):
        temperature = fit_temperature(solved.held_out, sample.labels)
        p = softmax(solved.held_out / np.float32(temperature))
        loss = -np.log(np.maximum(p[np.arange(len(p)), sample.labels], 1e-12))
        fresh = []
        for f in range(FOLDS):
            others = sample.folds != f
            own = fit_temperature(solved.held_out[others], sample.labels[others])
            fresh.append((float(loss[others].mean()), solved.strength, own))
        fresh.append((float(loss.mean()), solved.strength, temperature))
        best = [new if new[0] < old[0] else old for new, old in zip(fresh, best or fresh, strict=True)]

    def head(choice: tuple[float, float | None, float], without: int | None = None) -> LinearHead:
        _, strength, temperature = choice
        weights, bias = sums.solve(kind, strength, without=without)
        return LinearHead(weights, bias, temperature)

    folds = tuple(head(choice, without=f) for f, choice in enumerate(best[:-1]))
    return Learned(head(best[-1]), best[-1][1], folds, sample)


def _shift(folder: Folder, survey: Survey) -> Vectors:
    """The mean of the first photos: sums of what is near zero keep their digits."""
    for shard in folder.shards():
        for part in parts_of([shard.address], survey, tested=False):
            return np.asarray(part.vectors.mean(axis=0, dtype=np.float64), np.float32)
    return np.zeros(0, np.float32)


@one_thread()
def measure(shards: Sequence[str], survey: Survey, heads: Sequence[LinearHead]) -> Tally:
    """Predict some shards: the test part by the one head, or each photo by the head without its fold."""
    tally = Tally.empty(len(survey.classes))
    for part in parts_of(shards, survey, tested=bool(survey.tested)):
        for f, head in enumerate(heads):
            rows = np.flatnonzero(part.folds == f) if len(heads) > 1 else np.arange(len(part.labels))
            if len(rows):
                tally.add(head.predict_proba(part.vectors[rows]), part.labels[rows], [part.paths[i] for i in rows])
    return tally
