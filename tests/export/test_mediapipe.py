"""MediaPipe reads class names and probabilities from our TFLite files; it is given pictures of the size they want."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart
import toy_exports
from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.export.formats import tflite
from headstart.export.subject import Subject
from headstart.photos import images

pytestmark = pytest.mark.tensorflow


def answers(path: Path, pictures: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and probabilities in the order of the file."""
    mediapipe = pytest.importorskip("mediapipe")
    tasks: Any = mediapipe.tasks
    base = tasks.BaseOptions(model_asset_path=str(path))
    options = tasks.vision.ImageClassifierOptions(base_options=base, max_results=-1)
    names: set[tuple[str, ...]] = set()
    rows = []
    with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        for one in pictures:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=one)
            (found,) = classifier.classify(image).classifications
            assert found.head_name == "probabilities"
            categories = sorted(found.categories, key=lambda category: category.index)
            names.add(tuple(category.category_name for category in categories))
            rows.append([category.score for category in categories])
    (order,) = names
    return order, np.array(rows)


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_toys(name: str, tmp_path: Path) -> None:
    target = tmp_path / "model.tflite"
    tflite.write(toy_exports.subject(name), target)
    classes, found = answers(target, toy_exports.pictures())
    assert classes == toy_exports.CLASSES
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_built_in_model_on_photos(precision: Any, tmp_path: Path, shared: Path) -> None:
    photos = shared / "phone-fruit"
    classifier = headstart.train(photos, progress=False).classifier
    target = tmp_path / "model.tflite"
    subject = Subject(classifier, precision)
    tflite.write(subject, target)
    paths = sorted(photos.rglob("*.jp*g"))[::3]
    pictures = np.stack([images.load(path, classifier.card.view) for path in paths])
    classes, found = answers(target, pictures)
    assert classes == classifier.classes
    expected = engine().Core().compile_model(subject.graph(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    difference = np.abs(found - np.concatenate([np.array(expected(one[None])[0]) for one in pictures])).max()
    assert difference < (1e-5 if precision == "float32" else 1e-2)
