"""The `>>>` examples in the docstrings run, and every function that users call has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import shutil
from pathlib import Path

import pytest

import headstart

MODULES = [one.name for one in pkgutil.walk_packages(headstart.__path__, "headstart.")]
WITH_EXAMPLES = sorted(
    name for name in ["headstart", *MODULES]
    if ">>>" in Path(importlib.util.find_spec(name).origin).read_text("utf-8")  # type: ignore[union-attr,arg-type]
)  # fmt: skip


@pytest.fixture
def desk(tiles: Path, tmp_path: Path, samples: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with what the examples assume."""
    shutil.copytree(tiles / "train" / "temple", tmp_path / "photos" / "hemlock")
    shutil.copytree(tiles / "train" / "flower", tmp_path / "photos" / "cherry")
    shutil.copy(samples["flower"], tmp_path / "some.jpg")
    shutil.copy(samples["temple"], tmp_path / "new.jpg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("name", [name for name in WITH_EXAMPLES if "sklearn" not in name])
def test_the_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_every_function_has_an_example() -> None:
    functions = {name: getattr(headstart, name) for name in headstart.__all__ if name[0].islower()}
    assert {name for name, one in functions.items() if ">>>" not in (one.__doc__ or "")} == set()
