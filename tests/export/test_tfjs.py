"""TensorFlow.js graph models, in the TensorFlow.js of the package, answer as OpenVINO does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import toy_exports
from headstart.export.formats import tfjs as writer
from headstart.export.formats import web
from headstart.export.graph.steps import Constant, MatMul
from headstart.export.judges import chromium
from headstart.export.judges import tfjs as judge

in_chromium = pytest.mark.skipif(chromium.found() is None, reason="there is no Chromium here: apt-get install chromium")


@pytest.fixture
def judges() -> Iterator[list[judge.Judge]]:
    """Those made by a test, whose browsers are ended after it."""
    made: list[judge.Judge] = []
    yield made
    for one in made:
        one.browser.close()


def written(folder: Path, name: str, precision: str = "float32") -> Path:
    writer.write(toy_exports.subject(name, precision), folder / "tfjs")
    return folder / "tfjs"


@in_chromium
@pytest.mark.parametrize("name", toy_exports.NAMES)
def test_every_kind_of_step_gives_the_same_answers(name: str, tmp_path: Path, judges: list[judge.Judge]) -> None:
    judges.append(judge.Judge(written(tmp_path, name)))
    found = judges[0].run(toy_exports.pictures())
    assert np.abs(found - toy_exports.answers(name)).max() < 1e-5
    alone = np.concatenate([judges[0].run(one[None]) for one in toy_exports.pictures()])
    assert np.abs(found - alone).max() < 1e-6
    assert judges[0].browser.requests == []


@in_chromium
def test_small_weights_give_nearly_the_same_answers(tmp_path: Path, judges: list[judge.Judge]) -> None:
    judges.append(judge.Judge(written(tmp_path, "attention", "float16")))
    assert 0 < np.abs(judges[0].run(toy_exports.pictures()) - toy_exports.answers("attention")).max() < 1e-3


@in_chromium
def test_class_names_are_in_the_file(tmp_path: Path, judges: list[judge.Judge]) -> None:
    judges.append(judge.Judge(written(tmp_path, "pools")))
    assert judges[0].classes() == toy_exports.CLASSES


def test_float16_is_smaller(tmp_path: Path) -> None:
    sizes = [(written(tmp_path, "shapes", one) / "weights.bin").stat().st_size for one in ("float32", "float16")]
    assert sizes[1] < 0.75 * sizes[0]


def whole(dtype: type[np.generic], stored: bool) -> Any:
    """A toy whose last weights are whole numbers; they are stored as such, or as float32."""
    toy = toy_exports.subject("pools")
    step = next(one for one in toy.last.steps if isinstance(one, MatMul))
    assert isinstance(step.b, Constant)
    numbers = np.round(step.b.array * 100).astype(dtype)
    numbers[0, 0] = np.iinfo(dtype).min
    step_ = replace(step, b=replace(step.b, array=numbers if stored else numbers.astype(np.float32)))
    program = replace(toy.last, steps=tuple(step_ if one is step else one for one in toy.last.steps))
    return SimpleNamespace(last=program, classes=toy.classes)


@in_chromium
@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_whole_numbers_are_stored_so(dtype: type[np.generic], tmp_path: Path, judges: list[judge.Judge]) -> None:
    sizes = []
    for stored in (True, False):
        target = tmp_path / str(stored)
        writer.write(whole(dtype, stored), target)
        sizes.append((target / "weights.bin").stat().st_size)
        judges.append(judge.Judge(target))
    assert sizes[0] < sizes[1]
    np.testing.assert_array_equal(*(one.run(toy_exports.pictures()) for one in judges))


def test_the_runtime_is_the_one_that_was_published_and_it_is_small() -> None:
    folder = web.HERE / "runtime"
    assert {path.name for path in folder.iterdir()} == {*web.RUNTIME, "LICENSE", "NOTICE"}
    assert {name: sha256((folder / name).read_bytes()).hexdigest() for name in web.RUNTIME} == web.RUNTIME
    assert sum(path.stat().st_size for path in web.HERE.rglob("*") if path.is_file()) <= 2.5e6
    notice = web.read("runtime/NOTICE")
    assert all(name in notice for name in (*web.RUNTIME, web.VERSION))
    assert "Apache License" in web.read("runtime/LICENSE")
    assert not any("sourceMappingURL" in script for script in web.scripts())
