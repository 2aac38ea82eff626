"""Does the interval of cross-validation hold? Small training sets are drawn from real photos again and again.

    python benchmarks/intervals.py [--draws 60] [--each 10 40]

For each draw a head is trained and cross-validated on a few photos a class; the truth is the accuracy of that very
head on all the other photos. A 95 % interval should hold it in about 95 % of the draws.
"""

from __future__ import annotations

import argparse

import numpy as np

from common import DATA, machine
from heads import vectors
from headstart import protocol
from headstart.evaluation import evaluate
from headstart.features import Features
from headstart.photos import PhotoSet, scan


def features(name: str) -> tuple[Features, tuple[str, ...], tuple[str, ...]]:
    source = scan(DATA / name)
    assert source.test is not None
    photos = PhotoSet(source.train.paths + source.test.paths, source.train.labels + source.test.labels)
    x, _, hashes = vectors(photos)
    found = Features(photos.paths, np.arange(len(photos)), x, tuple(hashes), (), 0, len(photos), 0, 0.0)
    return found, photos.labels, photos.classes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--each", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--head", default="logistic")
    options = parser.parse_args()
    print(machine())
    for name in ("clothing10", "food10-64"):
        everything, labels, classes = features(name)
        names = np.array(labels)
        for each in options.each:
            held, bias, widths = 0, [], []
            for seed in range(options.draws):
                rng = np.random.default_rng(seed)
                rows = np.concatenate([rng.permutation(np.flatnonzero(names == c))[:each] for c in classes])
                part = protocol.take(everything, rows.tolist())
                clean = protocol.without_conflicts(part, names[rows].tolist())
                result = protocol.cross_validate(options.head, clean, classes, seed)
                told = evaluate(protocol.numbers(clean.labels, classes), result.held_out)
                rest = np.setdiff1d(np.arange(len(names)), rows)
                p = result.fit.head.predict_proba(everything.vectors[rest])
                truth = (p.argmax(axis=1) == protocol.numbers(names[rest].tolist(), classes)).mean()
                held += told.interval[0] <= truth <= told.interval[1]
                bias.append(told.accuracy - truth)
                widths.append(told.interval[1] - told.interval[0])
            print(
                f"{name}, {each} a class: the interval held in {held} of {options.draws} draws "
                f"({100 * held / options.draws:.1f} %); told minus true {100 * np.mean(bias):+.1f} points "
                f"(deviation {100 * np.std(bias):.1f}); width {100 * np.mean(widths):.1f} points",
                flush=True,
            )


if __name__ == "__main__":
    main()
