"""`fit` trains a head and chooses its strength by cross-validation.

Heads see vectors and class numbers, never pictures, names or paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import HeadError
from headstart.heads import closed_form, logistic
from headstart.heads.basis import Basis, Solved
from headstart.heads.calibration import fit_temperature
from headstart.heads.head import Head, Kind, LinearHead, NeighbourHead, Vectors, softmax
from headstart.heads.linear_algebra import one_thread
from headstart.heads.sums import FromSums, Sums

#: A key for each photo, equal for equal features: void `(n,)`.
Groups = npt.NDArray[np.void]
#: l2 per sample, half decades from strong to weak, for features of unit mean variance.
STRENGTHS = [float(10 ** (e / 2)) for e in range(4, -9, -1)]
#: Shrinkage of lda, from strong to weak.
SHRINKAGES = [0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001]
_OF_SUMS: dict[FromSums, list[float] | list[None]] = {"centroid": [None], "ridge": STRENGTHS, "lda": SHRINKAGES}
#: From many to few.
NEIGHBOURS = [20, 10, 5, 3, 1]
#: The search from strong to weak stops when the log loss is this much worse than the best, or worse by more than this
#: many standard errors of the difference: it has one minimum, and weak strengths take longest.
_WORSE, _CLEARLY = 1.01, 3.0
#: Log losses that differ by less than one in a thousand count as equal: heads are not solved more exactly than that.
BETTER = 0.999


@dataclass(frozen=True)
class Fitted:
    """A trained head and what cross-validation found.

    Attributes:
        head: trained on all photos, calibrated.
        strength: the l2 (logistic, ridge), shrinkage (lda) or number of neighbours (knn) chosen; None for centroid.
        scores: for each fold float32 `(n, k)`, held-out scores with the strength that was chosen on the other folds.
        labels: intp `(n,)`. folds: intp `(n,)`.
    """

    head: Head
    strength: float | None
    scores: tuple[Vectors, ...]
    labels: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp]

    @cached_property
    def held_out(self) -> npt.NDArray[np.float64]:
        """For each photo the probabilities of heads that did not see it, float64 `(n, k)`; computed when it is read.

        The strength and temperature used for a fold were chosen on the scores of the other folds, so the choice makes
        the figures hardly better than they are (those scores come from heads that saw the fold: it is not a nested
        cross-validation).
        """
        probabilities = np.empty(self.scores[0].shape)
        for f, scores in enumerate(self.scores):
            others, own = self.folds != f, self.folds == f
            temperature = fit_temperature(scores[others], self.labels[others])
            probabilities[own] = softmax(scores[own] / np.float32(temperature))
        return probabilities


@dataclass(frozen=True)
class _Candidate:
    strength: float | None
    held_out: Vectors
    make: Callable[[float], Head]


@one_thread()
def fit(
    kind: Kind,
    features: Vectors,
    labels: npt.NDArray[np.intp],
    folds: npt.NDArray[np.intp],
    groups: Groups | None = None,
) -> Fitted:
    """Train a head.

    All classes have the same weight: each photo counts `1 / (k * photos of its class)`.

    Args:
        kind: `logistic`, `lda`, `ridge`, `centroid` or `knn`.
        features: float32 `(n, dim)`, finite; not changed, and not copied when n >= dim (except for knn).
        labels: intp `(n,)`, `0..k-1`, every class present, k >= 2.
        folds: intp `(n,)`, `0..folds-1`; every class must have photos outside every fold.
        groups: a key for each photo, equal for equal features, if known.

    Raises:
        HeadError: unknown kind, fewer than two classes, or a class that is missing outside a fold.
    """
    if kind not in get_args(Kind):
        raise HeadError(f"There is no head '{kind}'.\nExpected {', '.join(get_args(Kind))}.")
    counts = np.bincount(labels)
    if len(counts) < 2 or not counts.all():
        raise HeadError(f"There are photos of {np.count_nonzero(counts)} class(es).\nExpected at least two classes.")
    weights = class_weights(labels)
    problems = np.stack([*(folds != f for f in range(int(folds.max()) + 1)), np.ones(len(folds), bool)], axis=1)
    for f in range(problems.shape[1]):
        if len(np.unique(labels[problems[:, f]])) < len(counts):
            raise HeadError("A class has all its photos in one fold.\nExpected two different photos of every class.")
    fold_weights = weights[:, None].astype(np.float32) * problems
    fold_weights /= fold_weights.sum(axis=0)
    candidates = _candidates(kind, features, labels, weights, fold_weights, folds, groups)
    return _choose(candidates, labels, folds, leave_early=kind in ("logistic", "lda"))


def class_weights(labels: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Each photo counts `1 / (k * photos of its class)`: all classes have the same weight, and the sum is 1."""
    counts = np.bincount(labels)
    weights: npt.NDArray[np.float64] = 1.0 / (len(counts) * counts[labels])
    return weights


def _candidates(
    kind: Kind,
    features: Vectors,
    labels: npt.NDArray[np.intp],
    weights: npt.NDArray[np.float64],
    fold_weights: Vectors,
    folds: npt.NDArray[np.intp],
    groups: Groups | None = None,
) -> Iterable[_Candidate]:
    if kind == "knn":
        centre, vectors, votes = closed_form.neighbours(features, labels, folds, NEIGHBOURS)
        numbers = labels.astype(np.int64)
        for k, held_out in votes:
            head = partial(NeighbourHead, vectors, numbers, centre, k, int(labels.max()) + 1)
            yield _Candidate(k, held_out, head)
    else:
        yield from _solved(kind, features, labels, weights, fold_weights, folds, groups)


def _solved(
    kind: Literal["logistic"] | FromSums,
    features: Vectors,
    labels: npt.NDArray[np.intp],
    weights: npt.NDArray[np.float64],
    fold_weights: Vectors,
    folds: npt.NDArray[np.intp],
    groups: Groups | None,
) -> Iterable[_Candidate]:
    """Solve linear heads; if most photos are copies, each photo is used once, with the weight of all."""
    everyone: npt.NDArray[np.intp] | slice = slice(None)
    of_class = np.zeros(int(labels.max()) + 1)
    of_class[labels] = weights
    if groups is not None and 2 * len(np.unique(groups)) <= len(groups):
        first: dict[tuple[bytes, int, int], int] = {}
        keys = zip(groups.tolist(), labels.tolist(), folds.tolist(), strict=True)
        everyone = np.array([first.setdefault(key, len(first)) for key in keys], np.intp)
        ones = np.unique(everyone, return_index=True)[1]
        features, labels, folds = features[ones], labels[ones], folds[ones]
        weights = np.bincount(everyone, weights).astype(np.float64)
        fold_weights = np.stack([np.bincount(everyone, one) for one in fold_weights.T], axis=1).astype(np.float32)
    if kind == "logistic":
        basis = Basis(features, weights)
        for solved in logistic.path(basis, labels, fold_weights, folds, STRENGTHS):
            yield _Candidate(solved.strength, solved.held_out[everyone], partial(_linear, basis, solved))
        return
    # With fewer photos than dimensions, fewer coordinates are enough.
    few = Basis(features, weights) if kind != "centroid" and len(features) < features.shape[1] else None
    vectors = features if few is None or few.coordinates is None else few.coordinates
    sums = Sums(vectors.shape[1], of_class, int(folds.max()) + 1, vectors[0], features.shape[1], kind != "centroid")
    sums.add(vectors, labels, folds, weights / of_class[labels])
    for solved in closed_form.path(kind, vectors, labels, folds, sums, _OF_SUMS[kind]):
        yield _Candidate(solved.strength, solved.held_out[everyone], partial(_linear, few, solved))


def _linear(basis: Basis | None, solved: Solved, temperature: float) -> LinearHead:
    weights, bias = solved.final()
    if basis is not None:
        weights = basis.back(weights)
        bias = bias - basis.mean @ weights
    return LinearHead(weights, bias, temperature)


def clearly_worse(loss: npt.NDArray[np.floating], least: npt.NDArray[np.floating]) -> bool:
    """Whether the search from strong to weak stops: log losses of the photos, float `(n,)`, now and at the best."""
    worse = loss - least
    return bool(worse.mean() > min((_WORSE - 1) * least.mean(), _CLEARLY * worse.std() / len(worse) ** 0.5))


def _choose(
    candidates: Iterable[_Candidate],
    labels: npt.NDArray[np.intp],
    folds: npt.NDArray[np.intp],
    leave_early: bool = False,
) -> Fitted:
    """Choose by calibrated log loss on the held-out photos: for each fold on the others, and finally on all.

    `leave_early` stops once candidates get worse: for those that are slow and come from strong to weak.
    """
    count = int(folds.max()) + 1
    # For each fold, and last for all photos: the best candidate so far, its losses on the others and its temperature.
    # No others are kept: held-out scores of all strengths would take a tenth of the memory of the features.
    best: list[tuple[list[float], _Candidate, float]] = []
    least = np.zeros(0)
    for candidate in candidates:
        temperature = fit_temperature(candidate.held_out, labels)
        p = softmax(candidate.held_out / np.float32(temperature))
        loss = -np.log(np.maximum(p[np.arange(len(labels)), labels], 1e-12))
        means = [float(loss[folds != f].mean()) for f in range(count)] + [float(loss.mean())]
        new = means, candidate, temperature
        best = [new if means[f] < BETTER * old[0][f] else old for f, old in enumerate(best or [new] * (count + 1))]
        if best[-1][1] is candidate:
            least = loss
        if leave_early and clearly_worse(loss, least):
            break
    means, chosen, temperature = best[-1]
    # Where the others do not prefer another one, a fold is measured with the candidate that is saved.
    scores = tuple(
        (candidate if losses[f] < BETTER * means[f] else chosen).held_out
        for f, (losses, candidate, _) in enumerate(best[:-1])
    )
    return Fitted(chosen.make(temperature), chosen.strength, scores, labels, folds)
