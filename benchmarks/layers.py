"""`--layers last` against `--layers several`: accuracy over backbones and photo sets, head `logistic`.

    python benchmarks/layers.py

Vectors of several layers end in those of the last, so each backbone runs once. Sets with a test part are measured on
it, in draws of 10, 25 and 75 training photos a class; the others by cross-validation. The default is decided by the
mean over all: `several` would have to win by half a point.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from common import DATA, machine
from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.classifier.measuring import vectors_of
from headstart.classifier.trial import Data, learn
from headstart.evaluation.leakage import Clean, group_keys, without_conflicts
from headstart.evaluation.results import PhotoCounts
from headstart.features.store import Store
from headstart.photos.sources import PhotoSet, scan
from headstart.photos.splits import stratified_share

NETWORKS = {
    backbones.DEFAULT: "",
    "mobilenet_v2_0.35_224_savedmodel": "-1..1",
    "mobilenet_v1_0.25_224_float.tflite": "-1..1",
    "mobilenet_v2_1.0_224_quant.tflite": "",
    "mobilenet_v2_1.0_224_uint8_nchw.onnx": "imagenet",
}
SETS = ("clothing10", "food10-64", "two-trees", "phone-fruit")
SIZES = {10: 3, 25: 2, 75: 1}


def main() -> None:
    print(machine(), flush=True)
    gains = defaultdict(list)
    store = Store()
    for name, input_range in NETWORKS.items():
        handle = name if ":" in name else str(DATA / "backbones" / name)
        dim = backbones.load(handle).card.dim
        options = backbones.Options(input_range, "several")
        for folder in SETS:
            network = backbones.load(handle, folder=store.compiled, options=options)
            source = scan(DATA / folder)
            train = labelled(network, source.train, store)
            if source.test is None:
                pairs = [measured(network, store, train, None, dim)]
            else:
                test = labelled(network, source.test, store)
                pairs = [
                    measured(network, store, draw(train, size, seed), test, dim)
                    for size, draws in SIZES.items()
                    for seed in range(draws)
                ]
            for last, several in pairs:
                gains[name].append(several - last)
            shown = "  ".join(f"{100 * last:.1f} -> {100 * several:.1f}" for last, several in pairs)
            print(f"{name:38} {folder:12} {shown}", flush=True)
    for name, values in gains.items():
        print(f"{name:38} mean gain {100 * np.mean(values):+.2f} points")
    print(f"over all {100 * np.mean([np.mean(v) for v in gains.values()]):+.2f} points")


def labelled(network: Backbone, photos: PhotoSet, store: Store) -> Clean:
    features = vectors_of(network, photos.paths, store)
    return without_conflicts(features, [photos.labels[i] for i in features.rows])


def draw(train: Clean, size: int, seed: int) -> Clean:
    """So many photos of each class, by seed."""
    share = min(1.0, size / (len(train.labels) / len(train.classes)))
    return train.take(stratified_share(train.labels, train.features.hashes, share, seed).tolist())


def measured(network: Backbone, store: Store, train: Clean, test: Clean | None, dim: int) -> tuple[float, float]:
    """Accuracy with the last layer, and with several."""
    result = []
    for part in (slice(-dim, None), slice(None)):
        photos = PhotoCounts(len(train.labels) + (0 if test is None else len(test.labels)), ())
        data = Data(cut(train, part), None if test is None else cut(test, part), photos)
        result.append(learn(network, store, "logistic", 0, data).measured.evaluation.accuracy)
    return result[0], result[1]


def cut(photos: Clean, part: slice) -> Clean:
    features = replace(photos.features, vectors=np.ascontiguousarray(photos.features.vectors[:, part]))
    return replace(photos, features=features, groups=group_keys(features))


if __name__ == "__main__":
    main()
