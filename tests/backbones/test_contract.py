"""One contract for every source of vectors; a new source is one more line in `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackbone
from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.errors import BackboneError

SOURCES: dict[str, Callable[[Path], Backbone]] = {
    "builtin": lambda home: backbones.load("builtin:efficientnet-lite0", folder=home / "compiled"),
    "builtin, not kept on disk": lambda home: backbones.load(precision="float32"),
    "builtin, cropping": lambda home: backbones.load(folder=home / "compiled").with_fit("crop"),
    "the tests' own": lambda home: FakeBackbone(),
}


@pytest.fixture(params=SOURCES, scope="module")
def backbone(request: pytest.FixtureRequest, graphs: Path) -> Backbone:
    return SOURCES[request.param](graphs)


@pytest.fixture(scope="module")
def pictures(backbone: Backbone) -> np.ndarray:
    view = backbone.card.view
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (6, view.height, view.width, 3), dtype=np.uint8)
    noise[0], noise[1] = 0, 255
    noise[2, :, :, 0] = 255
    return noise


def test_vectors_have_the_promised_shape_and_are_finite(backbone: Backbone, pictures: np.ndarray) -> None:
    vectors = backbone.embed(pictures)
    assert vectors.shape == (6, backbone.card.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 6


def test_a_row_depends_on_its_picture_alone(backbone: Backbone, pictures: np.ndarray) -> None:
    together = backbone.embed(pictures)
    for i in range(6):
        assert np.array_equal(backbone.embed(pictures[i : i + 1])[0], together[i])
    order = np.array([4, 0, 5, 2, 1, 3])
    assert np.array_equal(backbone.embed(pictures[order]), together[order])
    assert np.array_equal(backbone.embed(np.repeat(pictures[3:4], 5, axis=0)), np.repeat(together[3:4], 5, axis=0))


def test_the_same_picture_twice_gives_the_same_bits(backbone: Backbone, pictures: np.ndarray) -> None:
    assert np.array_equal(backbone.embed(pictures), backbone.embed(pictures))


def test_pictures_are_not_changed(backbone: Backbone, pictures: np.ndarray) -> None:
    before = pictures.copy()
    backbone.embed(pictures)
    assert np.array_equal(pictures, before)


def test_a_stream_gives_what_embed_gives(backbone: Backbone, pictures: np.ndarray) -> None:
    got: dict[int, np.ndarray] = {}
    step = backbone.batch
    batches = ((i, pictures[i : i + step]) for i in range(0, 6, step))
    backbone.embed_stream(batches, lambda start, rows: got.update({start: rows}))
    assert np.array_equal(np.concatenate([got[i] for i in sorted(got)]), backbone.embed(pictures))


def test_an_error_in_the_stream_comes_out(backbone: Backbone, pictures: np.ndarray) -> None:
    def fail(start: int, rows: np.ndarray) -> None:
        raise RuntimeError("the taker failed")

    with pytest.raises(RuntimeError, match="the taker failed"):
        backbone.embed_stream(iter([(0, pictures[: backbone.batch])]), fail)
    backbone.embed(pictures)


@pytest.mark.parametrize("wrong", ["float", "small", "single", "none"])
def test_other_than_the_cards_pictures_are_refused(backbone: Backbone, pictures: np.ndarray, wrong: str) -> None:
    given = {
        "float": pictures.astype(np.float32),
        "small": pictures[:, :10, :10],
        "single": pictures[0],
        "none": pictures[:0],
    }[wrong]
    with pytest.raises(BackboneError, match="Expected"):
        backbone.embed(given)


def test_its_own_classes_are_probabilities_with_names(backbone: Backbone, pictures: np.ndarray) -> None:
    p = backbone.classify(pictures)
    assert p.shape == (6, len(backbone.labels))
    assert len(backbone.labels) == backbone.card.classes
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
