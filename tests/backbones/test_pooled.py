"""The map whose mean is the feature: found where there is one, and its mean is the vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import backbones
from headstart.backbones import Options
from headstart.backbones.graph.pooled import map_before
from toys import channels_first, channels_last, conv, dense, model, numbers, op, ov, pictures, pooled

MAP = {
    "mean": lambda x: pooled(x),
    "mean that keeps its axes": lambda x: op.reshape(pooled(x, keep=True), np.array([-1, 4]), False),
    "mean of a map with channels last": lambda x: op.reduce_mean(channels_last(x), np.array([1, 2]), False),
    "average pooling": lambda x: op.squeeze(average(x, [6, 8]), np.array([2, 3])),
}
NONE = {
    "average of a part": lambda x: op.reshape(average(x, [5, 8]), np.array([-1, 4]), False),
    "mean over one axis": lambda x: op.reshape(op.reduce_mean(x, np.array([2]), False), np.array([-1, 32]), False),
    "mean over the channels": lambda x: op.reshape(op.reduce_mean(x, np.array([1]), False), np.array([-1, 48]), False),
    "greatest of the map": lambda x: op.reduce_max(x, np.array([2, 3]), False),
    "layer after the mean": lambda x: dense(pooled(x), numbers(4, 5)),
}


def average(x: Any, kernel: list[int]) -> Any:
    return op.avg_pool(x, [9, 9], [0, 0], [0, 0], kernel, True)


def found(build: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The graph of features, and of features and the map if there is one, for pictures of 6 x 8 pixels."""
    image = pictures(-1, 6, 8, 3)
    features = build(conv(channels_first(image), numbers(4, 3)))
    before = map_before(features.output(0))
    outputs = {"features": features}
    if before is not None:
        outputs["map"] = op.transpose(before[0], np.array(before[1]))
    return before, ov.Core().compile_model(model(outputs, image), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@pytest.mark.parametrize("name", MAP)
def test_the_mean_of_the_map_is_the_feature(name: str) -> None:
    _, compiled = found(MAP[name])
    features, places = (np.array(one) for one in compiled(numbers(3, 6, 8, 3)).values())
    assert places.shape == (3, 6, 8, 4)
    assert places.mean(axis=(1, 2)) == pytest.approx(features, abs=1e-6)


@pytest.mark.parametrize("name", NONE)
def test_other_features_have_no_map(name: str) -> None:
    assert found(NONE[name])[0] is None


@pytest.mark.parametrize(
    ("file", "feed", "off"),
    [
        ("mobilenet_v1_0.25_224_float.tflite", "-1..1", 0.001),
        ("mobilenet_v2_0.35_224.onnx", "-1..1", 0.001),
        ("mobilenet_v2_0.35_224_savedmodel", "-1..1", 0.001),
        ("mobilenet_v2_1.0_224_quant.tflite", "0..255", 0.02),
    ],
)
def test_real_networks_have_one(file: str, feed: str, off: float, shared: Path) -> None:
    backbone = backbones.load(str(shared / "backbones" / file), options=Options(feed))
    photos = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    maps, vectors = backbone.maps(photos), backbone.embed(photos)
    assert maps is not None
    assert maps.shape == (2, 7, 7, backbone.card.dim)
    loose = off if backbone.card.precision == "float32" else 0.05
    assert np.abs(maps.mean(axis=(1, 2)) - vectors).max() < loose * vectors.max()


def test_joined_stages_have_none() -> None:
    backbone = backbones.load(backbones.DEFAULT, options=Options("", "several"))
    assert backbone.maps(np.zeros((1, 224, 224, 3), np.uint8)) is None
