"""ONNX files in ONNX Runtime answer as OpenVINO does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import toy_exports
from headstart.export.formats import onnx as writer
from headstart.export.judges import onnx as judge

pytest.importorskip("onnxruntime")


def written(tmp_path: Path, name: str, precision: str = "float32") -> judge.Judge:
    target = tmp_path / "model.onnx"
    writer.write(toy_exports.subject(name, precision), target)
    return judge.Judge(target)


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_every_kind_of_step_gives_the_same_answers(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name).run(toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_a_picture_does_not_depend_on_its_batch(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name)
    alone = np.concatenate([found.run(one[None]) for one in toy_exports.pictures()])
    assert np.abs(found.run(toy_exports.pictures()[:3]) - alone[:3]).max() < 1e-6


def test_class_names_are_in_the_file(tmp_path: Path) -> None:
    assert written(tmp_path, "pools").classes() == toy_exports.CLASSES
