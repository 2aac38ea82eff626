"""The shared networks as they are: class scores on photos, and one network in two formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart import backbones
from headstart.backbones import labels
from headstart.backbones.base import Backbone
from headstart.photos import images
from headstart.photos.images import Images

pytestmark = pytest.mark.slow


def read(paths: list[Path], network: Backbone) -> Images:
    return np.stack([images.load(path, network.card.view) for path in paths])


@pytest.mark.parametrize(
    ("name", "classes", "right"),
    [
        ("mobilenet_v2_1.0_224_quant.tflite", 1001, 85),
        ("mobilenet_v1_0.25_224_float.tflite", 1001, 50),
        ("mobilenet_v2_1.0_224_uint8_nchw.onnx", 1000, 55),
    ],
)
def test_classifiers_recognise_imagenets_photos(
    shared: Path, graphs: Path, name: str, classes: int, right: int
) -> None:
    network = backbones.load(str(shared / "backbones" / name), folder=graphs / "compiled").with_fit("crop")
    assert len(network.labels) == classes
    paths = sorted((shared / "imagenet100").iterdir())
    p = network.classify(read(paths, network))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-4)
    truth = np.array([labels.imagenet()[int(path.name[:3])] for path in paths])
    best = np.array(network.labels)[p.argmax(axis=1)]
    assert (best == truth).sum() >= right
    # Probabilities in their own unit: neither all alike nor all sure.
    assert 0.2 < p.max(axis=1).mean() < 0.98


def test_savedmodel_and_onnx_of_one_network_agree(shared: Path, graphs: Path) -> None:
    paths = sorted((shared / "imagenet100").iterdir())[:50]
    rows = []
    for name in ("mobilenet_v2_0.35_224_savedmodel", "mobilenet_v2_0.35_224.onnx"):
        network = backbones.load(str(shared / "backbones" / name), folder=graphs / "compiled")
        assert (network.card.dim, network.card.classes, network.card.feed.name) == (1280, 0, "-1..1")
        vectors = network.embed(read(paths, network))
        rows.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    assert (rows[0] * rows[1]).sum(axis=1).min() >= 0.9999
    # the check can fail: other photos' vectors are not that near
    assert (rows[0] * np.roll(rows[1], 1, axis=0)).sum(axis=1).max() < 0.99


def test_the_quantised_embedding_extractor_gives_its_1024_numbers(shared: Path, graphs: Path) -> None:
    path = shared / "backbones" / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
    network = backbones.load(str(path), folder=graphs / "compiled")
    assert (network.card.dim, network.card.classes, network.card.range_from) == (1024, 0, "network")
    vectors = network.embed(read(sorted((shared / "imagenet100").iterdir())[:4], network))
    # In the unit of the network, whose last activation is a ReLU6.
    assert vectors.min() == 0
    assert 1 < vectors.max() <= 6
