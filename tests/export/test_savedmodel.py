"""SavedModels in TensorFlow answer as OpenVINO does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toy_exports
from headstart.errors import ExportError
from headstart.export.formats import savedmodel as writer
from headstart.export.judges import savedmodel as judge
from toys import ov

#: In a process of its own: the backend of Keras is chosen once.
AS_LAYER = """
import sys, numpy as np, keras
layer = keras.layers.TFSMLayer(sys.argv[1] + "/model", call_endpoint="serving_default")
answers = layer(np.load(sys.argv[1] + "/pictures.npy"))["probabilities"]
np.save(sys.argv[1] + "/answers.npy", answers)
"""


def written(tmp_path: Path, name: str, precision: str = "float32") -> judge.Judge:
    target = tmp_path / "savedmodel"
    writer.write(toy_exports.subject(name, precision), target)
    return judge.Judge(target)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_every_kind_of_step_gives_the_same_answers(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name).run(toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_a_picture_does_not_depend_on_its_batch(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name)
    alone = np.concatenate([found.run(one[None]) for one in toy_exports.pictures()])
    assert np.abs(found.run(toy_exports.pictures()[:3]) - alone[:3]).max() < 1e-6


@pytest.mark.tensorflow
def test_the_signature_describes_its_input(tmp_path: Path) -> None:
    import tensorflow as tf

    writer.write(toy_exports.subject("pools"), tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"), tags=["serve"])
    _, inputs = loaded.signatures["serving_default"].structured_input_signature
    size = toy_exports.SIZE
    assert inputs == {"image": tf.TensorSpec((None, size, size, 3), tf.uint8, "image")}


@pytest.mark.tensorflow
def test_weights_of_half_the_size_are_read(tmp_path: Path) -> None:
    found = written(tmp_path, "attention", "float16").run(toy_exports.pictures())
    assert 0 < np.abs(found - toy_exports.answers("attention")).max() < 1e-2


@pytest.mark.tensorflow
def test_class_names_are_in_the_folder_wherever_it_is(tmp_path: Path) -> None:
    writer.write(toy_exports.subject("pools"), tmp_path / "made")
    (tmp_path / "made").rename(tmp_path / "moved")
    assert judge.Judge(tmp_path / "moved").classes() == toy_exports.CLASSES


@pytest.mark.tensorflow
def test_keras_takes_the_folder_as_a_layer(tmp_path: Path) -> None:
    writer.write(toy_exports.subject("pools"), tmp_path / "model")
    np.save(tmp_path / "pictures.npy", toy_exports.pictures())
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run([sys.executable, "-c", AS_LAYER, str(tmp_path)], check=True, env=environment)
    assert np.abs(np.load(tmp_path / "answers.npy") - toy_exports.answers("pools")).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_openvino_reads_the_folder_too(name: str, tmp_path: Path) -> None:
    writer.write(toy_exports.subject(name), tmp_path / "model")
    core = ov.Core()
    model = core.compile_model(core.read_model(tmp_path / "model"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.abs(model(toy_exports.pictures())[0] - toy_exports.answers(name)).max() < 1e-5


def test_a_graph_that_tensorflow_cannot_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_MOST", 1000)
    with pytest.raises(ExportError, match=r"reads at most 2\.1 GB"):
        writer.write(toy_exports.subject("pools"), tmp_path / "model")
    assert not (tmp_path / "model").exists()
