"""`--layers last` against `--layers several`: accuracy over networks and photo sets, head `logistic`.

    python benchmarks/layers.py

Vectors of several layers end in those of the last, so each network runs once. Sets with a test part are measured on
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
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.leakage import Clean, without_conflicts
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
    for name, input_range in NETWORKS.items():
        handle = name if ":" in name else str(DATA / "backbones" / name)
        dim = backbones.load(handle).card.dim
        network = backbones.load(handle, options=backbones.Options(input_range, "several"), folder=Store().compiled)
        for folder in SETS:
            source = scan(DATA / folder)
            train = vectors(network, source.train)
            if source.test is None:
                pairs = [measured(train, dim)]
            else:
                test = vectors(network, source.test)
                pairs = [
                    measured(draw(train, size, seed), dim, test)
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


def vectors(network: Backbone, photos: PhotoSet) -> Clean:
    features = vectors_of(network, photos.paths, Store())
    return without_conflicts(features, [photos.labels[i] for i in features.rows])


def draw(train: Clean, size: int, seed: int) -> Clean:
    """So many photos of each class, by seed."""
    share = min(1.0, size / (len(train.labels) / len(train.classes)))
    return train.take(stratified_share(train.labels, train.content_keys(), share, seed).tolist())


def measured(train: Clean, dim: int, test: Clean | None = None) -> tuple[float, float]:
    """Accuracy with the last layer, and with several: on the test photos, or by cross-validation."""
    classes = train.classes
    result = []
    for part in (slice(-dim, None), slice(None)):
        found = cross_validate("logistic", cut(train, part), classes, 0, measuring=test is None)
        predicted, of = found.held_out, train
        if test is not None:
            predicted, of = [found.head.predict_proba(cut(test, part).features.vectors)], test
        labels = of.numbers(classes)
        result.append(float(np.mean([(one.argmax(axis=1) == labels).mean() for one in predicted])))
    return result[0], result[1]


def cut(clean: Clean, part: slice) -> Clean:
    vectors = np.ascontiguousarray(clean.features.vectors[:, part])
    return replace(clean, features=replace(clean.features, vectors=vectors))


if __name__ == "__main__":
    main()
