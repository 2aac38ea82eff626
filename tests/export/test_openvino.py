"""OpenVINO IR read back from disk answers as the graph it was written from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toy_exports
from headstart.export.formats import openvino as writer
from headstart.export.judges import openvino as judge

#: Toys whose graphs have the number of pictures inside, as reshapes to fixed sizes.
FIXED = {"attention", "pools", "reductions", "shapes"}


def written(tmp_path: Path, name: str, precision: str = "float32") -> judge.Judge:
    target = tmp_path / "openvino" / "model.xml"
    writer.write(toy_exports.subject(name, precision), target)
    return judge.Judge(target)


@pytest.fixture(autouse=True)
def _engine_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge blocks the telemetry of its whole process; other tests get it back."""
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_the_file_gives_the_same_answers(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name).run(toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_a_picture_does_not_depend_on_its_batch(name: str, tmp_path: Path) -> None:
    found = written(tmp_path, name)
    alone = np.concatenate([found.run(one[None]) for one in toy_exports.pictures()])
    assert np.abs(found.run(toy_exports.pictures()[:3]) - alone[:3]).max() < 1e-6


@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_the_batch_is_free_where_the_graph_allows_it(name: str, tmp_path: Path) -> None:
    written(tmp_path, name)
    graph = toy_exports.ov.Core().read_model(tmp_path / "openvino" / "model.xml")
    assert graph.inputs[0].get_partial_shape()[0].is_static == (name in FIXED)


@pytest.mark.parametrize("name", ["convolutions", "attention"])
def test_float16_is_smaller_and_hardly_different(name: str, tmp_path: Path) -> None:
    written(tmp_path, name)
    large = (tmp_path / "openvino" / "model.bin").stat().st_size
    found = written(tmp_path, name, "float16").run(toy_exports.pictures())
    assert (tmp_path / "openvino" / "model.bin").stat().st_size < 0.6 * large
    assert 0 < np.abs(found - toy_exports.answers(name)).max() < 1e-2


def test_class_names_are_in_the_file_twice(tmp_path: Path) -> None:
    found = written(tmp_path, "pools")
    assert found.classes() == toy_exports.CLASSES
    graph = toy_exports.ov.Core().read_model(tmp_path / "openvino" / "model.xml")
    assert graph.get_rt_info(["model_info", "labels"]).astype(str) == "apple crème_brûlée pear_<ripe>"


def test_an_earlier_export_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    written(tmp_path, "pools")
    written(tmp_path, "reductions")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["model.bin", "model.xml", "openvino"]


def test_the_judge_needs_nothing_else_of_headstart(tmp_path: Path) -> None:
    """In a process of its own, with the telemetry that would be imported otherwise."""
    written(tmp_path, "pools")
    np.save(tmp_path / "pictures.npy", toy_exports.pictures())
    code = (
        "import json, sys, numpy; from pathlib import Path; from headstart.export.judges.openvino import Judge\n"
        "judge = Judge(Path(sys.argv[1])); answer = judge.run(numpy.load(sys.argv[2])).tolist()\n"
        "known = [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
        "print(json.dumps([judge.runtime(), answer, known]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "openvino" / "model.xml"), str(tmp_path / "pictures.npy")]
    runtime, answer, known = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert runtime.startswith("openvino 20")
    assert np.abs(np.array(answer) - toy_exports.answers("pools")).max() < 1e-5
    assert known == []
