"""docs/export.md: its commands run, and its programs classify a photo as headstart does."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart
from headstart.export.known import FORMATS
from headstart.export.recipe import for_view

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text("utf-8")
#: Programs by heading, in the order of the page.
PROGRAMS = {
    heading: re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for heading, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
RUN = {
    "ONNX Runtime in Python": "onnxruntime",
    "OpenVINO in Python": "openvino",
    "Raspberry Pi": "ai_edge_litert",
    "OpenCV": "cv2",
    "Keras": "keras",
    "scikit-learn": "sklearn",
    "NumPy": "numpy",
}
#: What the C++ program needs of OpenCV, which its Python package has no headers of: reads `photo.jpg.ppm`.
OPENCV = """
#pragma once
#include <fstream>
#include <string>
#include <vector>
namespace cv {
struct Mat { int rows = 0, cols = 0; unsigned char* data = nullptr; std::vector<unsigned char> kept; };
constexpr int COLOR_BGR2RGB = 4;
inline Mat imread(const std::string& path) {
    Mat made;
    std::string magic;
    int most;
    std::ifstream file(path + ".ppm", std::ios::binary);
    file >> magic >> made.cols >> made.rows >> most;
    file.get();
    made.kept.resize(3L * made.rows * made.cols);
    file.read(reinterpret_cast<char*>(made.kept.data()), made.kept.size());
    made.data = made.kept.data();
    return made;
}
inline void cvtColor(const Mat&, Mat&, int) {}
}
"""


def run(desk: Path, *command: str) -> str:
    env = {**os.environ, "HEADSTART_HOME": str(desk / "home"), "KERAS_BACKEND": "openvino",
           "KERAS_HOME": str(desk / "keras")}  # fmt: skip
    result = subprocess.run(command, cwd=desk, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def headstart_(desk: Path, line: str) -> str:
    start = "from headstart.apps.cli import main; main()"
    return run(desk, sys.executable, "-c", start, *shlex.split(line.removeprefix("headstart "), comments=True))


def python(desk: Path, program: str) -> str:
    return run(desk, sys.executable, "-c", program)


@pytest.fixture(scope="module")
def desk(tiles: Path, samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page assumes: a classifier, photos, `read.py`."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(tiles / "test", folder / "photos" / "test")
    shutil.copytree(tiles / "train", folder / "photos" / "train")
    shutil.copy(samples["flower"], folder / "photo.jpg")
    headstart_(folder, "headstart train photos/train -o trees")
    (recipe,) = re.findall(r'```python title="read.py"\n(.*?)```', PAGE, re.DOTALL)
    (folder / "read.py").write_text(recipe, "utf-8")
    return folder


@pytest.fixture(scope="module")
def exported(desk: Path) -> Path:
    """The same after the page's commands."""
    pytest.importorskip("flatbuffers")
    lines = re.findall(r"^\$ (headstart .*)$", PAGE, re.MULTILINE)
    assert [shlex.split(line)[2] for line in lines] == ["trees", "trees", "--check", "trees"]
    printed = [headstart_(desk, line) for line in lines]
    assert all(name in printed[0] for name in FORMATS)
    return desk


def expected(desk: Path) -> tuple[str, float]:
    """headstart's answer for the photo."""
    trees = headstart.load(desk / "trees")
    return str(trees.predict(desk / "photo.jpg")), float(np.max(trees.predict_proba(desk / "photo.jpg")))


def check(printed: str, desk: Path, apart: float = 1e-4) -> None:
    name, probability = printed.split()
    assert name == expected(desk)[0]
    assert abs(float(probability) - expected(desk)[1]) < apart


@pytest.mark.parametrize("heading", RUN)
def test_the_program_classifies_a_photo_as_headstart_does(heading: str, exported: Path) -> None:
    if importlib.util.find_spec(RUN[heading]) is None:
        pytest.skip(f"needs {RUN[heading]}")
    if heading == "Keras":
        headstart_(exported, export_to("keras"))
    (program,) = PROGRAMS[heading]
    check(python(exported, program), exported)


@pytest.mark.tensorflow
def test_the_tensorflow_pipeline_classifies_a_photo_as_headstart_does(desk: Path) -> None:
    pytest.importorskip("tensorflow")
    headstart_(desk, export_to("savedmodel"))
    (program,) = PROGRAMS["A TensorFlow pipeline"]
    check(python(desk, program), desk, 0.03)


def export_to(name: str) -> str:
    """The command in the page's text that writes a format."""
    (line,) = re.findall(rf"`(headstart export trees --to {name} [^`]*)`", PAGE)
    return str(line)


def test_export_in_python(exported: Path) -> None:
    (program,) = re.findall(r"In Python:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    python(exported, program)
    assert (exported / "again" / "model.onnx").is_file()


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_cpp_program_classifies_a_photo_as_headstart_does(exported: Path) -> None:
    engine = Path(importlib.util.find_spec("openvino").origin).parent  # type: ignore[arg-type, union-attr]
    (library,) = (engine / "libs").glob("libopenvino.so.*")
    with Image.open(exported / "photo.jpg") as photo:
        photo.convert("RGB").save(exported / "photo.jpg.ppm")
    (exported / "opencv2").mkdir()
    (exported / "opencv2" / "opencv.hpp").write_text(OPENCV, "utf-8")
    program = next(one for one in re.findall(r"```cpp\n(.*?)```", PAGE, re.DOTALL) if "ov::Core" in one)
    (exported / "classify.cpp").write_text(program, "utf-8")
    run(exported, "g++", "-std=c++17", "-I.", f"-I{engine / 'include'}", "classify.cpp", str(library),
        f"-Wl,-rpath,{library.parent}", "-o", "classify")  # fmt: skip
    found = dict(line.split() for line in run(exported, "./classify").splitlines())
    check(" ".join(max(found.items(), key=lambda one: float(one[1]))), exported, 0.02)


def test_the_recipe_is_that_of_the_built_in_backbone() -> None:
    (recipe,) = re.findall(r'```python title="read.py"\n(.*?)```', PAGE, re.DOTALL)
    assert recipe == for_view(headstart.load_backbone().card.view).python + "\n"


def test_all_formats_are_in_the_table() -> None:
    rows = re.findall(r"^\| \[[^|]*\|([^|]*)\|([^|]*)\|", PAGE, re.MULTILINE)
    assert {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)} == set(FORMATS)
    files = "".join(files for _, files in rows)
    assert all(one.path.split("/")[0] in files for one in FORMATS.values())


def test_programs_that_are_not_run_here_are_marked() -> None:
    assert sum(map(len, PROGRAMS.values())) == len(RUN) + 1
    others = re.findall(r"([^\n]*)\n\n```(kotlin|swift|html|cpp)\n", PAGE)
    assert [kind for before, kind in others if not before.endswith("ot run by our tests:")] == ["cpp"]
