"""Are several views of a photo, or several models, more accurate, and what do they cost?

    python benchmarks/views.py [--draws 6] [--photos 750] [--without-times | --times]

Accuracy: heads trained on 10, 20 and 40 photos of each class, drawn anew each time, and measured on all other photos of
the set; two-trees and phone-fruit, which have few photos, by cross-validation. `joined` is what headstart does; the
other ways to put features together are printed beside it. Vectors are kept in the user's store.

Times: extraction and head of clothing10's training photos, with an empty store each time, in turns: wall time and
processor time, which other work on the machine disturbs less. Bar: 2.1 times the time of one view.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common import DATA, machine
from headstart import backbones
from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.hints import DEFAULT, Viewing
from headstart.backbones.joined import SUM
from headstart.features.extraction import extract
from headstart.features.several import features_of
from headstart.features.store import Store
from headstart.heads import power
from headstart.heads.fitting import fit
from headstart.photos.sources import open_source
from headstart.photos.splits import stratified_folds

SETS = ("clothing10", "food10-64", "two-trees", "phone-fruit")
OTHER = str(DATA / "backbones" / "mobilenet_v2_1.0_224_quant.tflite")
#: Photos of each class to learn from, where there are enough.
COUNTS = (10, 20, 40)
PLENTY = 500

Parts = Sequence[Vectors]


def plain(parts: Parts) -> Vectors:
    """One after the other as they are."""
    return np.concatenate(parts, axis=1)


def scaled(parts: Parts) -> Vectors:
    """Each row of each part scaled, as `Joined` does it."""
    return np.concatenate([part * (SUM / np.abs(part).sum(axis=1, keepdims=True)) for part in parts], axis=1)


def constant(parts: Parts) -> Vectors:
    """Each part scaled by one number."""
    return np.concatenate([part * (SUM / np.abs(part).sum(axis=1).mean()) for part in parts], axis=1)


def averaged(parts: Parts) -> Vectors:
    """Means of the parts."""
    return np.mean(parts, axis=0)


VIEWS: list[tuple[str, list[str], Viewing, Callable[[Parts], Vectors]]] = [
    ("squash", [DEFAULT], "squash", plain),
    ("crop", [DEFAULT], "crop", plain),
    ("both, joined", [DEFAULT], "both", scaled),
    ("both, not scaled", [DEFAULT], "both", plain),
    ("both, a constant", [DEFAULT], "both", constant),
    ("both, averaged", [DEFAULT], "both", averaged),
    ("other model", [OTHER], "squash", plain),
    ("two models, joined", [DEFAULT, OTHER], "squash", scaled),
    ("two models, not scaled", [DEFAULT, OTHER], "squash", plain),
    ("two models, a constant", [DEFAULT, OTHER], "squash", constant),
    ("two models, both, joined", [DEFAULT, OTHER], "both", scaled),
]


def opened(handles: list[str], view: Viewing, store: Store) -> Backbone:
    return backbones.load_view(handles, view, store.compiled, doubts=False)


def accuracies(
    vectors: Vectors, labels: npt.NDArray[np.intp], draws: int
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Accuracy and log loss by photos of each class; 0: by cross-validation over all."""
    rooted = np.ascontiguousarray(vectors, np.float32)
    power.normalise(rooted)
    right: dict[int, list[float]] = {}
    losses: dict[int, list[float]] = {}
    for seed in range(draws):
        draw = np.random.default_rng(seed)
        for count in COUNTS if len(labels) > PLENTY else (0,):
            shuffled = [draw.permutation(np.flatnonzero(labels == c)) for c in range(labels.max() + 1)]
            rows = np.concatenate([one[:count] if count else one for one in shuffled])
            others = np.setdiff1d(np.arange(len(labels)), rows)
            keys = [str(row).encode() for row in rows]
            fitted = fit("logistic", rooted[rows], labels[rows], stratified_folds(labels[rows], keys, 5, seed))
            p = fitted.head.predict_proba(rooted[others]) if count else fitted.held_out
            truth = labels[others] if count else labels[rows]
            right.setdefault(count, []).append(float((p.argmax(axis=1) == truth).mean()))
            losses.setdefault(count, []).append(float(-np.log(p[np.arange(len(truth)), truth]).mean()))
    return right, losses


def times(photos: int, turns: int = 3) -> None:
    """Seconds of extraction and head on so many of clothing10's training photos."""
    train = open_source(DATA / "clothing10").train
    train = train.share(photos / len(train), 0) if photos < len(train) else train
    paths = train.paths
    labels = np.unique(train.labels, return_inverse=True)[1]
    folds = stratified_folds(labels, [path.encode() for path in paths], 5, 0)
    seconds: dict[str, list[tuple[float, float]]] = {}
    for _ in range(turns):
        for name, view in (("squash", "squash"), ("both", "both")):
            with tempfile.TemporaryDirectory() as folder:
                store = Store(Path(folder) / "store")
                backbone = opened([DEFAULT], view, store)  # type: ignore[arg-type]
                features_of(backbone, paths[:8], Store(Path(folder) / "warm"))  # compiles
                wall, processor = time.perf_counter(), time.process_time()
                vectors = features_of(backbone, paths, store).vectors
                power.normalise(vectors)
                fit("logistic", vectors, labels, folds)
                took = time.perf_counter() - wall, time.process_time() - processor
                seconds.setdefault(name, []).append(took)
    for i, kind in enumerate(("wall", "processor")):
        one, both = (np.array(seconds[name])[:, i] for name in ("squash", "both"))
        print(f"{kind} time for {len(paths)} photos: one view {one.round(1)} s, both {both.round(1)} s")
        print(f"ratio of each turn {(both / one).round(2)}, of the fastest {both.min() / one.min():.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--photos", type=int, default=750, help="whose times are measured")
    parser.add_argument("--without-times", action="store_true")
    parser.add_argument("--times", action="store_true", help="nothing else")
    settings = parser.parse_args()
    print(machine(), flush=True)
    if settings.times:
        times(settings.photos)
        return
    store = Store()
    gains = []
    for name in SETS:
        source = open_source(DATA / name)
        one: dict[int, float] = {}
        for title, handles, view, join in VIEWS:
            found = [extract(part, source.paths, store) for part in opened(handles, view, store).parts]
            labels = np.unique([source.labels[row] for row in found[0].rows], return_inverse=True)[1]
            right, losses = accuracies(join([features.vectors for features in found]), labels, settings.draws)
            means = {count: float(np.mean(values)) for count, values in right.items()}
            one = one or means
            cells = [
                f"{count or 'all':>3}: {means[count]:6.2%} ({100 * (means[count] - one[count]):+5.2f}), log loss "
                f"{np.mean(losses[count]):.3f}"
                for count in means
            ]
            print(f"{name:11} {title:24} {'   '.join(cells)}", flush=True)
            if title == "both, joined":
                gains.append(100 * float(np.mean([means[count] - one[count] for count in means])))
    print("both views, points gained: " + ", ".join(f"{name} {g:+.2f}" for name, g in zip(SETS, gains, strict=True)))
    print(f"mean {np.mean(gains):+.2f}")
    if not settings.without_times:
        times(settings.photos)


if __name__ == "__main__":
    main()
