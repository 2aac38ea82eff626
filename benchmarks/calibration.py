"""Do probabilities keep their word? Heads are trained on a few photos a class and measured on all other photos.

    python benchmarks/calibration.py [--draws 100] [--each 10 20 40 75] [--heads logistic ridge centroid knn]

Every draw trains and calibrates a head as `headstart train` does it. Bar: the calibration error (15 bins) is on
average at most 3 % from 40 photos a class on, and at most 6 % with 10. It is never 0: a perfect temperature, fitted on
the other photos themselves, is shown beside. `--synthetic` adds 100 classes of normally distributed vectors, 8 a class.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from common import machine
from headstart.evaluation.cross_validation import folds_for
from headstart.evaluation.metrics import calibration_error, log_loss
from headstart.heads.calibration import fit_temperature
from headstart.heads.fitting import fit
from headstart.heads.head import softmax
from headstart.photos.splits import stratified_folds
from intervals import SETS, features

#: Vectors and class numbers of photos to train on, and of the others.
Draw = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def photos(name: str, each: int, seed: int) -> Draw:
    clean = features(name)
    x, y = clean.features.vectors, clean.numbers(clean.classes)
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:each] for c in range(len(clean.classes))])
    rest = np.setdiff1d(np.arange(len(y)), rows)
    return x[rows], y[rows], x[rest], y[rest]


def synthetic(classes: int, each: int, seed: int, dim: int = 200) -> Draw:
    rng = np.random.default_rng(seed)
    scales = np.sqrt(rng.gamma(1, size=dim))
    centres = 0.3 * scales * rng.normal(size=(classes, dim))
    labels, others = np.repeat(np.arange(classes), each), rng.integers(0, classes, 3000)
    x, rest = (centres[y] + scales * rng.normal(size=(len(y), dim)) for y in (labels, others))
    return x.astype(np.float32), labels, rest.astype(np.float32), others


def measured(kind: str, draw: Draw, seed: int) -> list[float]:
    x, y, rest, truth = draw
    folds = min(folds_for(len(y)), int(np.bincount(y).min()))
    started = time.process_time()
    head = fit(kind, x, y, stratified_folds(y, [int(i).to_bytes(4, "big") for i in range(len(y))], folds, seed)).head  # type: ignore[arg-type]
    seconds = time.process_time() - started
    p, scores = head.predict_proba(rest), head.scores(rest)
    best = softmax(scores / np.float32(fit_temperature(scores, truth)))
    right = float((p.argmax(axis=1) == truth).mean())
    errors = 100 * calibration_error(p, truth), 100 * float(p.max(axis=1).mean() - right)
    return [*errors, log_loss(p, truth), 100 * right, 100 * calibration_error(best, truth), seconds]


def rows(name: str, each: int, kinds: list[str], draws: int) -> Iterator[str]:
    found: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    for seed in range(draws):
        draw = synthetic(100, each, seed) if name == "synthetic" else photos(name, each, seed)
        for kind in kinds:
            found[kind].append(measured(kind, draw, seed))
    for kind, many in found.items():
        error, signed, loss, right, best, seconds = np.mean(many, axis=0)
        most = np.percentile([one[0] for one in many], 90)
        yield (
            f"{name}, {each} a class, {kind} ({draws} draws): calibration error {error:.2f} % (90 % of draws below "
            f"{most:.1f} %; best temperature {best:.2f} %), confidence minus accuracy {signed:+.2f} points, log loss "
            f"{loss:.4f}, accuracy {right:.2f} %, {seconds:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--each", type=int, nargs="*", default=[10, 20, 40, 75])
    parser.add_argument("--heads", nargs="+", default=["logistic", "ridge", "centroid", "knn"])
    parser.add_argument("--synthetic", action="store_true")
    options = parser.parse_args()
    print(machine(), flush=True)
    cases = [(name, each) for each in options.each for name in SETS] + [("synthetic", 8)] * options.synthetic
    for name, each in cases:
        for line in rows(name, each, options.heads, options.draws):
            print(line, flush=True)


if __name__ == "__main__":
    main()
