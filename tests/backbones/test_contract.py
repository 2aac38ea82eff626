"""One contract for every source of vectors; a new source is one more line in `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from beside import SHARED, needed
from fakes import FakeBackbone
from headstart import backbones
from headstart.backbones.base import Backbone, Tag, Vectors
from headstart.backbones.joined import viewed
from headstart.photos.images import Images
from headstart.testing import CLAUSES, check_backbone, noise


def kept(name: str, layers: backbones.Layers = "last") -> Callable[[Path], Backbone]:
    """A network of the shared folder."""

    def load(home: Path) -> Backbone:
        options = backbones.Options(layers=layers)
        return backbones.load(str(needed(SHARED / "backbones") / name), folder=home / "compiled", options=options)

    return load


SOURCES: dict[str, Callable[[Path], Backbone]] = {
    "builtin": lambda home: backbones.load("builtin:efficientnet-lite0", folder=home / "compiled"),
    "builtin, not kept on disk": lambda home: backbones.load(precision="float32"),
    "builtin, cropping": lambda home: backbones.load(folder=home / "compiled").with_fit("crop"),
    "builtin, several layers": lambda home: backbones.load(options=backbones.Options(layers="several")),
    "builtin, both views": lambda home: viewed([backbones.load(folder=home / "compiled")], "both"),
    "SavedModel": kept("mobilenet_v2_0.35_224_savedmodel"),
    "SavedModel, several layers": kept("mobilenet_v2_0.35_224_savedmodel", "several"),
    "ONNX": kept("mobilenet_v2_0.35_224.onnx"),
    "ONNX, quantised, channels first": kept("mobilenet_v2_1.0_224_uint8_nchw.onnx"),
    "TFLite": kept("mobilenet_v1_0.25_224_float.tflite"),
    "TFLite, quantised": kept("mobilenet_v2_1.0_224_quant.tflite"),
    "TFLite, quantised, features": kept("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"),
    "the tests' own": lambda home: FakeBackbone(),
}


@pytest.fixture(params=SOURCES, scope="module")
def backbone(request: pytest.FixtureRequest, graphs: Path) -> Backbone:
    return SOURCES[request.param](graphs)


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_source_keeps_the_contract(backbone: Backbone, clause: str) -> None:
    CLAUSES[clause](backbone, noise(backbone))


class Broken(FakeBackbone):
    """Breaks one clause."""

    def __init__(self, clause: str) -> None:
        super().__init__()
        self.clause = clause
        self.calls = 0

    def embed(self, images: Images) -> Vectors:
        self.calls += 1
        if self.clause == "other than the card's pictures are refused":
            return np.zeros((len(images), self.card.dim), np.float32)
        vectors = super().embed(images)
        if self.clause == "vectors have the promised shape and are finite":
            return vectors[:, :-1]
        if self.clause == "a row depends on its picture alone":
            return vectors - vectors.mean(axis=0)
        if self.clause == "the same picture twice gives the same bits":
            return vectors + self.calls
        if self.clause == "pictures are not changed":
            images //= 2
        return vectors

    def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
        for tag, images in batches:
            wrong = self.clause == "a stream gives what embed gives"
            try:
                done(tag, self.embed(images) * (2 if wrong else 1))
            except Exception:
                if self.clause != "an error in the stream comes out":
                    raise

    def classify(self, images: Images) -> Vectors:
        p = super().classify(images)
        return p * 2 if self.clause == "its own classes are probabilities with names" else p

    def maps(self, images: Images) -> Vectors | None:
        if self.clause != "the means of its maps are its vectors":
            return None
        return np.full((len(images), 3, 3, self.card.dim), 1000, np.float32)


@pytest.mark.parametrize("clause", CLAUSES)
def test_each_clause_notices_a_backbone_that_breaks_it(clause: str) -> None:
    network = Broken(clause)
    with pytest.raises(AssertionError, match="expected"):
        CLAUSES[clause](network, noise(network))


def test_the_public_check_names_network_and_clause() -> None:
    with pytest.raises(AssertionError, match="fake:fake: a row depends on its picture alone: expected the same bits"):
        check_backbone(Broken("a row depends on its picture alone"))


def test_a_backbone_that_keeps_all_is_told_nothing() -> None:
    check_backbone(FakeBackbone())
