"""`train` on embedded photos: heads in memory that does not grow with the photos.

`survey` looks at classes and copies, without vectors. One pass collects sums of each fold and a sample. From sums lda,
ridge and centroid follow exactly, for all photos and without each fold; `logistic` takes more passes. The strength and
the temperature are chosen on the sample, and the last pass measures each photo by the head without its fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from headstart.heads.calibration import fit_temperature
from headstart.heads.fitting import BETTER, SHRINKAGES, STRENGTHS, clearly_worse
from headstart.heads.head import LinearHead, Vectors, softmax
from headstart.heads.linear_algebra import one_thread
from headstart.heads.sums import FromSums, Sums
from headstart.scale import logistic
from headstart.scale.job import Folder
from headstart.scale.logistic import Heads
from headstart.scale.mapping import Mapper
from headstart.scale.parts import Part, joined, parts_of
from headstart.scale.survey import FOLDS, Survey
from headstart.scale.tally import Tally

Kind = Literal["lda", "ridge", "centroid", "logistic"]
KINDS = get_args(Kind)
#: Photos that the strength and the temperature are chosen on: below this many, all of them, as in memory.
SAMPLE = 20_000
_ALL = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Collected:
    """Sums of photos, and a sample of them: those with the least prints, a choice that any order of parts gives."""

    sums: Sums
    sample: Part


@one_thread()
def collect(shards: Sequence[str], survey: Survey, shift: Vectors, kind: Kind) -> Collected:
    """Sum up some shards."""
    sums = Sums(len(shift), survey.class_weights, FOLDS, shift, moments=kind in ("lda", "ridge"))
    limit = _limit(survey)
    nothing = np.zeros(0, np.intp)
    samples = [Part(np.zeros((0, len(shift)), np.float32), nothing, nothing, np.zeros(0, np.uint64), [], [])]
    for part in parts_of(shards, survey, tested=False):
        sums.add(part.vectors, part.labels, part.folds)
        chosen = np.flatnonzero(part.prints <= limit)
        samples.append(part.take(chosen))
    return Collected(sums, joined(samples))


def _limit(survey: Survey) -> np.uint64:
    """Prints up to this one are sampled: they are spread evenly over all numbers of 64 bits."""
    total = int(survey.counts.sum())
    return _ALL if total <= SAMPLE else np.uint64(int(2**64 * SAMPLE / total))


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
def learn(folder: Folder, survey: Survey, kind: Kind, mapper: Mapper) -> Learned:
    """Sum up all photos, solve, and choose the strength with the least log loss on the sample."""
    sums, sample = _collected(folder, survey, kind, mapper)
    found = logistic.candidates(folder, survey, sample, mapper) if kind == "logistic" else _from_sums(kind, sums)
    # For each fold, and last for all photos: losses without the folds and of all, strength, heads. The rules are
    # those of `heads.fitting`.
    best: list[tuple[list[float], float | None, list[LinearHead]]] = []
    least = np.zeros(0)
    for strength, heads in found:
        scores = np.empty((len(sample.labels), len(survey.classes)), np.float32)
        for f, (weights, bias) in enumerate(heads[:-1]):
            own = sample.folds == f
            scores[own] = sample.vectors[own] @ weights + bias
        temperature = fit_temperature(scores, sample.labels)
        p = softmax(scores / np.float32(temperature))
        loss = -np.log(np.maximum(p[np.arange(len(p)), sample.labels], 1e-12))
        outside = [sample.folds != f for f in range(FOLDS)]
        rows = [*outside, np.ones(len(p), bool)]
        losses = [float(loss[own].mean()) for own in rows]
        calibrated = [
            LinearHead(*head, fit_temperature(scores[own], sample.labels[own]))
            for own, head in zip(rows, heads, strict=True)
        ]
        new = losses, strength, calibrated
        best = [new if losses[f] < BETTER * old[0][f] else old for f, old in enumerate(best or [new] * len(rows))]
        if best[-1] is new:
            least = loss
        if kind in ("logistic", "lda") and clearly_worse(loss, least):
            break
    means, strength, chosen = best[-1]
    folds = (
        of_fold[f] if losses[f] < BETTER * means[f] else chosen[f] for f, (losses, _, of_fold) in enumerate(best[:-1])
    )
    return Learned(chosen[-1], strength, tuple(folds), sample)


def _collected(folder: Folder, survey: Survey, kind: Kind, mapper: Mapper) -> tuple[Sums, Part]:
    """Sums of all photos and their sample; what comes from parts is added up at once."""
    results = mapper.map(collect, folder, survey, _shift(folder, survey), kind)
    first = next(results)
    samples = [first.sample]
    for one in results:
        first.sums.merge(one.sums)
        samples.append(one.sample)
    return first.sums, joined(samples)


def _from_sums(kind: FromSums, sums: Sums) -> Iterator[tuple[float | None, Heads]]:
    strengths: Sequence[float | None] = {"ridge": STRENGTHS, "lda": SHRINKAGES}.get(kind) or (None,)
    for strength in strengths:
        yield strength, [sums.solve(kind, strength, without=f) for f in (*range(FOLDS), None)]


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
