"""Do intervals and paired tests keep their word? Small training sets are drawn from real photos again and again.

    python benchmarks/intervals.py [--draws 300] [--pairs 100] [--each 10 40]

1. For each draw a head is trained and cross-validated on a few photos a class, as `headstart train` does it; the truth
   is the accuracy of that very head on all the other photos. Bar: the 95 % interval holds it in 93 to 99 % of draws.
   The draws have as many photos of every class, the other photos need not: both their plain accuracy and the mean over
   classes are compared.
2. Two heads of equal accuracy: the same kind of head on the same photos, but to every vector noise is added, of the
   same strength, drawn anew for each of the two heads and for each draw. The two may be swapped without changing
   anything, so their expected accuracies are equal, yet they disagree on every eighth photo or so, as two networks do.
   This is what a cross-validation compares: two ways of making a head. A test set compares two heads that exist, and
   one of them is a little better than the other: so from the other photos as many of those that only the better one
   gets right are left out as make the two exactly equal, and test sets are drawn from the rest.
   Bar: the paired test says "different" in at most 6 %.
3. Two heads that differ: how often is it seen, and how often does the interval hold the true difference?
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from common import DATA, machine
from heads import vectors
from headstart.evaluation import paired
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.intervals import wilson
from headstart.evaluation.leakage import Clean, without_conflicts
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.extraction import Features
from headstart.heads.head import Kind
from headstart.photos.sources import PhotoSet, scan

SETS = ("clothing10", "food10-64")
#: Standard deviation of the noise in units of that of the features (mean over dimensions).
NOISE = 1.0
TEST_SETS = (100, 400)


@dataclass(frozen=True)
class Case:
    """What one task is about: a data set, photos a class, a seed, and whether pairs with noise are wanted."""

    name: str
    each: int
    seed: int
    noisy: bool


@dataclass(frozen=True)
class Answers:
    """Of one head. `right`, `folds` (r, n): cross-validation; `rest` (m,): the head itself on all other photos."""

    measured: Evaluation
    right: np.ndarray
    folds: np.ndarray
    rest: np.ndarray
    rest_labels: np.ndarray

    def balanced(self) -> float:
        return float(np.mean([self.rest[self.rest_labels == c].mean() for c in np.unique(self.rest_labels)]))


@cache
def features(name: str) -> Clean:
    source = scan(DATA / name)
    assert source.test is not None
    photos = PhotoSet(source.train.paths + source.test.paths, source.train.labels + source.test.labels)
    x, _, hashes = vectors(photos)
    found = Features(
        photos.paths, np.arange(len(photos)), x, np.frombuffer(b"".join(hashes), "V32"), (), 0, len(photos), 0, 0.0
    )
    return without_conflicts(found, photos.labels)


def answers(kind: Kind, case: Case, noise: np.random.Generator | None = None) -> Answers:
    everything = features(case.name)
    x, classes = everything.features.vectors, everything.classes
    if noise is not None:
        strength = np.float32(NOISE * x.std(axis=0).mean())
        x = x + strength * noise.standard_normal(x.shape, dtype=np.float32)
        everything = replace(everything, features=replace(everything.features, vectors=x))
    rng, truth = np.random.default_rng(case.seed), everything.numbers(classes)
    rows = np.concatenate([rng.permutation(np.flatnonzero(truth == c))[: case.each] for c in range(len(classes))])
    clean = everything.take(np.sort(rows).tolist())
    labels, paths = clean.numbers(classes), clean.features.paths
    result = cross_validate(kind, clean, classes, case.seed)
    rest = np.setdiff1d(np.arange(len(truth)), rows)
    rest_labels = truth[rest]
    p = result.head.predict_proba(x[rest])
    return Answers(
        evaluate(labels, result.held_out, classes, paths, "cross-validation", clean.independent),
        np.array([one.argmax(axis=1) == labels for one in result.held_out]),
        result.folds,
        p.argmax(axis=1) == rest_labels,
        rest_labels,
    )


def compared(label: str, a: Answers, b: Answers, rng: np.random.Generator, equal: bool) -> Iterator[tuple[str, dict]]:
    """One comparison by cross-validation and some by test sets; `equal`: make the heads equal on those."""
    found = paired.by_cross_validation(a.right, b.right, a.folds)
    true = a.balanced() - b.balanced()
    yield f"{label}, cross-validation", seen(found, 0.0 if equal else true, true)
    pool = np.arange(len(a.rest))
    if equal:
        surplus = int(a.rest.sum()) - int(b.rest.sum())
        better, worse = (a, b) if surplus > 0 else (b, a)
        pool = np.setdiff1d(pool, rng.permutation(np.flatnonzero(better.rest & ~worse.rest))[: abs(surplus)])
    true = float(a.rest[pool].mean() - b.rest[pool].mean())
    for size in TEST_SETS:
        chosen = rng.choice(pool, size)
        found = paired.on_test_set(a.rest[chosen], b.rest[chosen])
        yield f"{label}, test set of {size}", seen(found, true, true)


def seen(found: paired.Difference, expected: float, true: float) -> dict:
    return {
        "significant": found.is_significant,
        "held": found.interval[0] <= true <= found.interval[1],
        "held_expected": found.interval[0] <= expected <= found.interval[1],
        "true": true,
        "width": found.interval[1] - found.interval[0],
        "apart": (found.first_only + found.second_only) / found.n,
    }


def draw(case: Case) -> list[tuple[str, dict]]:
    """Everything that is looked at in one draw: what it is and its figures."""
    heads = {kind: answers(kind, case) for kind in ("logistic", "centroid", "knn")}
    rows: list[tuple[str, dict]] = []
    for kind, one in heads.items():
        (low, high), found, plain = one.measured.interval, one.measured.accuracy, float(one.rest.mean())
        figures = {"held": low <= plain <= high, "bias": found - plain, "width": high - low}
        low_plain, high_plain = wilson(found, one.measured.n)
        figures |= {"held_wilson": low_plain <= plain <= high_plain, "width_wilson": high_plain - low_plain}
        figures |= {"held_classes": low <= one.balanced() <= high, "bias_classes": found - one.balanced()}
        rows.append((f"interval, {kind}", figures))
    rng = np.random.default_rng([case.seed, 1])
    for kind in ("centroid", "knn"):
        rows += compared(f"differ, logistic - {kind}", heads["logistic"], heads[kind], rng, equal=False)
    for kind in ("logistic", "centroid", "knn"):
        if case.noisy:
            a, b = (answers(kind, case, np.random.default_rng([case.seed, which])) for which in (2, 3))
            rows += compared(f"equal, {kind}", a, b, rng, equal=True)
    return rows


def report(case: str, rows: list[tuple[str, dict]]) -> None:
    groups: dict[str, list[dict]] = {}
    for label, figures in rows:
        groups.setdefault(label, []).append(figures)
    for label, many in groups.items():
        mean = {key: 100 * np.mean([one[key] for one in many]) for key in many[0]}
        if label.startswith("interval"):
            spread = 100 * np.std([one["bias_classes"] for one in many])
            text = (
                f"held {mean['held']:.1f} % (classes weighed alike {mean['held_classes']:.1f} %), measured minus true "
                f"{mean['bias']:+.1f} points ({mean['bias_classes']:+.1f}, deviation {spread:.1f}), "
                f"width {mean['width']:.1f}; Wilson's uncorrected held {mean['held_wilson']:.1f} %, "
                f"width {mean['width_wilson']:.1f}"
            )
        else:
            text = (
                f"significant {mean['significant']:.1f} %, interval held {mean['held']:.1f} % (expected difference "
                f"{mean['held_expected']:.1f} %), true {mean['true']:+.1f} points, width {mean['width']:.1f}, "
                f"one alone right on {mean['apart']:.1f} %"
            )
        print(f"{case}: {label} ({len(many)} draws): {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=100, help="draws in which heads of equal accuracy are compared")
    parser.add_argument("--each", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(machine(), flush=True)
    for name in SETS:
        features(name)  # into the store, by one process
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the workers: small matrices
    everything: list[tuple[str, dict]] = []
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        for each in options.each:
            for name in SETS:
                cases = [Case(name, each, seed, seed < options.pairs) for seed in range(options.draws)]
                rows = [row for part in pool.map(draw, cases, chunksize=5) for row in part]
                report(f"{name}, {each} a class", rows)
                everything += rows
    report("all", everything)


if __name__ == "__main__":
    main()
