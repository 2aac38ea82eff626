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
from headstart.classifier.classifier import Classifier
from headstart.features.extraction import Features
from headstart.photos.sources import scan
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
        options = backbones.Options(input_range, "several")
        for folder in SETS:
            classifier = Classifier(handle, options=options)
            source = scan(DATA / folder)
            train = classifier.extract(source.train.paths)
            labels = [source.train.labels[i] for i in train.rows]
            if source.test is None:
                pairs = [measured(handle, train, labels, dim)]
            else:
                test = classifier.extract(source.test.paths)
                test_labels = [source.test.labels[i] for i in test.rows]
                pairs = [
                    measured(handle, *draw(train, labels, size, seed), dim, test, test_labels)
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


def draw(train: Features, labels: list[str], size: int, seed: int) -> tuple[Features, list[str]]:
    """So many photos of each class, by seed."""
    share = min(1.0, size / (len(labels) / len(set(labels))))
    rows = stratified_share(labels, train.hashes.tolist(), share, seed)
    return rows_of(train, [int(i) for i in rows]), [labels[i] for i in rows]


def rows_of(features: Features, rows: list[int]) -> Features:
    return replace(
        features,
        paths=tuple(features.paths[i] for i in rows),
        rows=features.rows[rows],
        vectors=features.vectors[rows],
        hashes=features.hashes[rows],
        skipped=(),
    )


def measured(
    handle: str,
    train: Features,
    labels: list[str],
    dim: int,
    test: Features | None = None,
    test_labels: list[str] | None = None,
) -> tuple[float, float]:
    """Accuracy with the last layer, and with several."""
    result = []
    for part in (slice(-dim, None), slice(None)):
        classifier = Classifier(handle)
        classifier.fit_features(cut(train, part), labels)
        found = classifier.measured_
        if test is not None and test_labels is not None:
            found = classifier.evaluate_features(cut(test, part), test_labels)
        assert found is not None
        result.append(found.evaluation.accuracy)
    return result[0], result[1]


def cut(features: Features, part: slice) -> Features:
    return replace(features, vectors=np.ascontiguousarray(features.vectors[:, part]))


if __name__ == "__main__":
    main()
