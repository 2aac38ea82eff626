"""Files of Keras in Keras answer as OpenVINO does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import toy_exports
from headstart.errors import ExportError, MissingExtraError
from headstart.export.formats import keras as writer
from headstart.export.judges import keras as judge

pytestmark = pytest.mark.skipif(find_spec("keras") is None, reason="needs headstart[keras]")
#: Answers of all files in a folder to a batch, by another process.
ASK = """
import sys, numpy as np
from pathlib import Path
from headstart.export.judges.keras import Judge
pictures = np.load(sys.argv[1] + "/pictures.npy")
answers = {path.stem: Judge(path).run(pictures) for path in Path(sys.argv[1]).glob("*.keras")}
np.savez(sys.argv[1] + "/answers.npz", **answers)
print(Judge(path := next(Path(sys.argv[1]).glob("*.keras"))).runtime())
"""


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Build a file in this process; starting another takes seconds."""
    monkeypatch.setenv("KERAS_BACKEND", "openvino")  # `built` changes it

    def made(name: str) -> Path:
        target = tmp_path / f"{name}.keras"
        target.write_bytes(writer.built(writer.encoded(toy_exports.subject(name).last)))
        return target

    return made


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_every_kind_of_step_gives_the_same_answers_alone_and_in_a_batch(
    name: str, build: Callable[[str], Path]
) -> None:
    found = judge.Judge(build(name))
    assert np.abs(found.run(toy_exports.pictures()) - toy_exports.answers(name)).max() < 1e-5
    assert np.abs(found.run(toy_exports.pictures()[:1]) - toy_exports.answers(name)[:1]).max() < 1e-5


def test_a_file_is_whole_and_leaves_this_process_as_it_was(tmp_path: Path) -> None:
    before = dict(os.environ)
    target = tmp_path / "model.keras"
    writer.write(toy_exports.subject("pools"), target)
    found = judge.Judge(target)
    assert found.classes() == toy_exports.CLASSES
    assert np.abs(found.run(toy_exports.pictures()) - toy_exports.answers("pools")).max() < 1e-5
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == [target]


def test_there_is_no_code_in_a_file(build: Callable[[str], Path]) -> None:
    with zipfile.ZipFile(build("activations")) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    assert {layer["module"].split(".")[0] for layer in layers} == {"keras"}
    assert {layer["registered_name"] for layer in layers} <= {None, *(layer["class_name"] for layer in layers)}
    assert "Lambda" not in {layer["class_name"] for layer in layers}


def test_without_keras_one_line_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headstart\[keras\]'"):
        writer.write(toy_exports.subject("pools"), tmp_path / "model.keras")


def test_what_keras_cannot_build_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "encoded", lambda program: b"nothing")
    with pytest.raises(ExportError, match="Keras cannot build the model"):
        writer.write(toy_exports.subject("pools"), tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras with NumPy 2
def test_tensorflow_gives_the_same_answers(build: Callable[[str], Path], tmp_path: Path) -> None:
    for name in toy_exports.NAMES:
        build(name)
    np.save(tmp_path / "pictures.npy", toy_exports.pictures())
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", ASK, str(tmp_path)], capture_output=True, text=True, env=environment)
    assert done.stdout.endswith("on tensorflow\n"), done.stderr
    with np.load(tmp_path / "answers.npz") as answers:
        for name in toy_exports.NAMES:
            assert np.abs(answers[name] - toy_exports.answers(name)).max() < 1e-5, name
