"""OpenCV reads our plain ONNX files, and gives the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart
import toy_exports
from headstart.export.formats import onnx as writer
from headstart.export.subject import Subject
from headstart.photos.images import load

cv2 = pytest.importorskip("cv2")


def answers(target: Path, pictures: np.ndarray) -> np.ndarray:
    """As a user of OpenCV would ask: uint8 `(1, height, width, 3)`, RGB, one at a time."""
    network: Any = cv2.dnn.readNetFromONNX(str(target))
    found = []
    for picture in pictures:
        network.setInput(picture[None])
        found.append(network.forward().copy())
    return np.concatenate(found)


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_every_kind_of_step_gives_the_same_answers(name: str, tmp_path: Path) -> None:
    writer.write(toy_exports.subject(name), tmp_path / "model.onnx")
    found = answers(tmp_path / "model.onnx", toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


def test_the_built_in_backbone_gives_the_same_answers(shared: Path, graphs: Path, tmp_path: Path) -> None:
    classifier = headstart.train(shared / "phone-fruit", store=graphs, progress=False).classifier
    photos = sorted((shared / "phone-fruit").rglob("*.jpg"))[::12]
    writer.write(Subject(classifier), tmp_path / "model.onnx")
    found = answers(tmp_path / "model.onnx", np.stack([load(photo, classifier.card.view) for photo in photos]))
    assert np.abs(found - classifier.predict_proba(photos)).max() < 1e-5
