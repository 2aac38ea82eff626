"""The head search against scikit-learn's LogisticRegressionCV, and what our choices of head are worth.

    python benchmarks/heads.py [--rounds 5] [--choices] [--clusters 100]
    python benchmarks/heads.py --many 101 --each 75 --dim 1280 [--against OTHER_CHECKOUT]

LogisticRegressionCV (10 strengths, 5 folds, standardised, n_jobs=2) gets the same features of clothing10, once at its
default tolerance and once at `tol=1e-2`, which is about as loose as ours. Bar: at least 5 times faster than the
default and at most 0.3 points worse on the test photos. `--choices` measures, on random shares of two data sets, how
features are scaled, how classes are weighted and which head is the default. `--many` makes photos of many classes out
of the features of both sets (see `made`) and measures every head on them: processor time on one thread, figures on
other made photos, and the most memory that a logistic head needs; `--against` does the same with the code of another
checkout. `--clusters` has many classes of real photos: clusters of what another backbone makes of them, so what a class
looks like has to be learned.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import get_args

import numpy as np

from common import DATA, machine
from headstart import backbones
from headstart.evaluation.metrics import calibration_error, log_loss
from headstart.features.extraction import extract
from headstart.features.store import Store
from headstart.heads import fitting, power
from headstart.heads.fitting import fit
from headstart.heads.head import Kind
from headstart.photos.sources import PhotoSet, scan
from headstart.photos.splits import stratified_folds


def vectors(photos: PhotoSet) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    store = Store()
    network = backbones.load(folder=store.compiled)
    found = extract(network, photos.paths, store)
    labels = np.array([photos.classes.index(photos.labels[i]) for i in found.rows])
    power.normalise(found.vectors)
    return found.vectors, labels, found.hashes.tolist()


def race(rounds: int) -> None:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    source = scan(DATA / "clothing10")
    assert source.test is not None
    x, y, keys = vectors(source.train)
    test_x, test_y, _ = vectors(source.test)
    folds = stratified_folds(y, keys, 5, 0)
    times: dict[float, list[float]] = {1e-4: [], 1e-2: []}  # tolerance -> how many times faster ours was
    for _ in range(rounds):
        started = time.perf_counter()
        ours = fit("logistic", x, y, folds)
        mine = time.perf_counter() - started
        a = (ours.head.predict_proba(test_x).argmax(axis=1) == test_y).mean()
        print(f"headstart {mine:.2f} s {a:.4f} (l2 {ours.strength:.3g})", end="", flush=True)
        for tolerance, ratios in times.items():
            search = LogisticRegressionCV(Cs=10, cv=5, n_jobs=2, max_iter=1000, tol=tolerance)
            started = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = make_pipeline(StandardScaler(), search).fit(x, y)
            other = time.perf_counter() - started
            ratios.append(other / mine)
            b = (theirs.predict(test_x) == test_y).mean()
            print(f"   scikit-learn, tol={tolerance:g}: {other:.2f} s {b:.4f}", end="", flush=True)
        print(flush=True)
    for tolerance, ratios in times.items():
        print(f"tol={tolerance:g}: median {np.median(ratios):.1f}x, {min(ratios):.1f} to {max(ratios):.1f}x faster")


def made(k: int, each: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of made photos, float32 `(k * each, dim)`, and their classes.

    The centre of a class is a random mixture of the centres of 128 clusters of real photos, drawn together to make the
    classes as hard to tell apart as those of Food-101. What a photo adds is a random mixture of what two real photos
    differ from the mean of their class by. With fewer dimensions, all are projected on random axes.
    """
    parts = []
    for i, name in enumerate(("clothing10", "food10-64")):
        source = scan(DATA / name)
        assert source.test is not None
        for photos in (source.train, source.test):
            x, y, _ = vectors(photos)
            parts.append((x, y + 10 * i))
    x, y = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    rng = np.random.default_rng(0)
    left = x - np.stack([x[y == c].mean(axis=0) for c in range(20)])[y]
    clusters = x[rng.permutation(len(x))[:128]]
    for _ in range(8):
        nearest = ((clusters**2).sum(axis=1) - 2 * x @ clusters.T).argmin(axis=1)
        own = [nearest == i for i in range(128)]
        clusters = np.stack([x[mask].mean(axis=0) if mask.any() else clusters[i] for i, mask in enumerate(own)])
    shares = rng.dirichlet(np.full(128, 0.02), k).astype(np.float32)
    centres = x.mean(axis=0) + np.float32(0.7) * shares @ (clusters - x.mean(axis=0))
    axes = np.eye(x.shape[1], dtype=np.float32)
    if dim < x.shape[1]:
        axes = rng.normal(size=(x.shape[1], dim)).astype(np.float32) / np.float32(dim**0.5)
    labels = np.tile(np.arange(k), each)
    features = np.empty((len(labels), dim), np.float32)
    for start in range(0, len(labels), 2000):
        rows = slice(start, min(start + 2000, len(labels)))
        one, other = rng.integers(0, len(x), (2, rows.stop - start))
        angle = rng.uniform(0, 2 * np.pi, (rows.stop - start, 1)).astype(np.float32)
        whole = centres[labels[rows]] + np.cos(angle) * left[one] + np.sin(angle) * left[other]
        features[rows] = whole @ axes
    return features, labels


def many(k: int, each: int, dim: int, against: str | None) -> None:
    print("code:", fitting.__file__, flush=True)
    x, y = made(k, each + 10, dim)
    x, y, others, truth = x[: k * each], y[: k * each], x[k * each :], y[k * each :]
    folds = stratified_folds(y, [i.to_bytes(4, "little") for i in range(len(y))], 5, 0)
    for kind in get_args(Kind):
        started = time.process_time()
        found = fit(kind, x, y, folds)
        seconds = time.process_time() - started
        p, held_out = found.head.predict_proba(others), found.held_out
        print(
            f"{k} classes, {each} a class, {dim} features, {kind}: {seconds:.1f} s of processor time, "
            f"strength {found.strength}, accuracy {(p.argmax(axis=1) == truth).mean():.4f}, log loss "
            f"{log_loss(p, truth):.4f} (held out {log_loss(held_out, y):.4f}), calibration error "
            f"{calibration_error(p, truth):.4f} (held out {calibration_error(held_out, y):.4f})",
            flush=True,
        )
    fitting.STRENGTHS = [100.0, 10.0, 1.0]
    tracemalloc.start()
    fit("logistic", x, y, folds)
    print(f"most memory of logistic, three strengths: {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MB", flush=True)
    if against is not None:
        paths = os.pathsep.join([f"{against}/src", str(Path(__file__).parent)])
        command = [sys.executable, __file__, "--many", str(k), "--each", str(each), "--dim", str(dim)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=True)


def clusters(k: int) -> None:
    """Every head on classes that are clusters of real photos, three times with other clusters; at least 24 in each."""
    from sklearn.cluster import KMeans

    from headstart.features.embedder import load_backbone

    other = load_backbone(str(DATA / "backbones/mobilenet_v2_0.35_224.onnx"), options=backbones.Options("-1..1"))
    known, features = [], []
    for name in ("clothing10", "food10-64"):
        source = scan(DATA / name)
        assert source.test is not None
        photos = PhotoSet(source.train.paths + source.test.paths, source.train.labels + source.test.labels)
        known.append(other.features(photos.paths).vectors)
        features.append(vectors(photos)[0])
        power.normalise(known[-1])
    x = np.concatenate(features)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        found = []
        for i, one in enumerate(known):
            half = rng.permutation(one.shape[1])[: one.shape[1] // 2]
            found.append(KMeans(k // 2, n_init=1, random_state=seed).fit(one[:, half]).labels_ + i * (k // 2))
        y = np.concatenate(found)
        kept = np.flatnonzero(np.bincount(y)[y] >= 24)
        y = np.unique(y[kept], return_inverse=True)[1]
        order = rng.permutation(len(y))
        train, rest = np.split(order, [int(0.6 * len(y))])
        folds = stratified_folds(y[train], [i.to_bytes(4, "little") for i in train.tolist()], 5, seed)
        for kind in get_args(Kind):
            started = time.process_time()
            fitted = fit(kind, x[kept][train], y[train], folds)
            seconds = time.process_time() - started
            p = fitted.head.predict_proba(x[kept][rest])
            print(
                f"{y.max() + 1} classes, {len(train)} photos, {kind}: {seconds:.1f} s of processor time, strength "
                f"{fitted.strength}, accuracy {(p.argmax(axis=1) == y[rest]).mean():.4f}, confidence "
                f"{p.max(axis=1).mean():.4f}, log loss {log_loss(p, y[rest]):.4f}, calibration error "
                f"{calibration_error(p, y[rest]):.4f} (held out {calibration_error(fitted.held_out, y[train]):.4f})",
                flush=True,
            )


def choices() -> None:
    sets = {}
    for name in ("clothing10", "food10-64"):
        source = scan(DATA / name)
        assert source.test is not None
        x, y, keys = vectors(PhotoSet(source.train.paths + source.test.paths, source.train.labels + source.test.labels))
        sets[name] = x, y, keys
    rows: dict[str, list[tuple[float, float, float]]] = {}

    def measure(label: str, kind: str, x: np.ndarray, y: np.ndarray, keys: list[bytes], train: np.ndarray) -> None:
        rest = np.setdiff1d(np.arange(len(y)), train)
        folds = stratified_folds(y[train], [keys[i] for i in train], 5, 0)
        p = fit(kind, x[train], y[train], folds).head.predict_proba(x[rest])  # type: ignore[arg-type]
        right = p.argmax(axis=1) == y[rest]
        balanced = np.mean([right[y[rest] == c].mean() for c in range(10)])
        rows.setdefault(label, []).append((right.mean(), balanced, log_loss(p, y[rest])))

    for name, (x, y, keys) in sets.items():
        for each in (10, 40):
            for seed in range(6):
                rng = np.random.default_rng(seed)
                train = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:each] for c in range(10)])
                for kind in get_args(Kind):
                    measure(f"{name}, {each} a class, {kind}", kind, x, y, keys, train)
                standardised = (x - x[train].mean(axis=0)) / (x[train].std(axis=0) + 1e-6)
                case = f"{name}, {each} a class, logistic"
                measure(f"{case}, no root taken", "logistic", x * np.abs(x), y, keys, train)
                measure(
                    f"{name}, {each} a class, logistic, each dimension scaled", "logistic", standardised, y, keys, train
                )
        for seed in range(6):
            rng = np.random.default_rng(seed)
            sizes = rng.permutation([6, 8, 11, 15, 20, 27, 36, 49, 66, 90])  # as lopsided as found collections are
            train = np.concatenate([rng.permutation(np.flatnonzero(y == c))[: sizes[c]] for c in range(10)])
            measure(f"{name}, 6 to 90 a class, balanced", "logistic", x, y, keys, train)
            balanced = fitting.class_weights
            fitting.class_weights = lambda labels: np.full(len(labels), 1 / len(labels))
            measure(f"{name}, 6 to 90 a class, every photo alike", "logistic", x, y, keys, train)
            fitting.class_weights = balanced
    for label, values in rows.items():
        accuracy, balanced_accuracy, loss = np.mean(values, axis=0)
        print(f"{label:55} accuracy {accuracy:.4f}  balanced {balanced_accuracy:.4f}  log loss {loss:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--choices", action="store_true")
    parser.add_argument("--many", type=int, metavar="CLASSES")
    parser.add_argument("--clusters", type=int, metavar="CLASSES")
    parser.add_argument("--each", type=int, default=75)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--against", metavar="CHECKOUT")
    options = parser.parse_args()
    print(machine())
    if options.many:
        many(options.many, options.each, options.dim, options.against)
    elif options.clusters:
        clusters(options.clusters)
    else:
        choices() if options.choices else race(options.rounds)
