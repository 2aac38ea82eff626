"""What all tests share: a store of their own, the shared photos where they are, a folder of tiles to train on."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

import headstart
from beside import BESIDE, SHARED, needed
from headstart.apps.cli.demo import cut_tiles, sample_photos
from headstart.features import speed
from headstart.safety import child


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need TensorFlow run in an environment of their own, see the Makefile."""
    if item.get_closest_marker("tensorflow") and importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: make test-tensorflow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end, short ones keep all processes of `make test` busy."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store folder whose compiled network all tests share, so that it is compiled once."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("compiled", "tried"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders, one for each test, in one of their own: pytest looks at all that are beside a new one."""
    root = tmp_path_factory.mktemp("stores")
    return (root / str(number) for number in count())


@pytest.fixture(scope="session")
def seen(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has the vectors of the tiles, of the default backbone."""
    folder = tmp_path_factory.mktemp("seen")
    (folder / "compiled").symlink_to(graphs / "compiled")
    newest = max(path.stat().st_ctime for path in tiles.rglob("*.png"))
    time.sleep(max(0.0, newest + 2.5 - time.time()))  # younger files may still change: they would be read again
    headstart.train(tiles, store=folder, progress=False)
    return folder


@pytest.fixture
def tiles_are_new() -> None:
    """The store of this test does not have the vectors of the tiles: it counts, measures or looks at what is read."""


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch, graphs: Path) -> Path:
    """Every test has an empty store; compiled graphs, and what was found in networks, are shared.

    A test of the tiles has a copy of the store that has their vectors, which spares two seconds each.
    """
    folder = next(homes)
    folder.mkdir()
    if "tiles" in request.fixturenames and "tiles_are_new" not in request.fixturenames:
        for name in ("vectors", "paths"):
            shutil.copytree(request.getfixturevalue("seen") / name, folder / name)
    for name in ("compiled", "tried"):
        (folder / name).symlink_to(graphs / name)
    monkeypatch.setenv("HEADSTART_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are timed for one batch, which spares half a second each."""
    monkeypatch.setattr(speed, "_TURN", 0.0)
    monkeypatch.setattr(speed, "_TURNS", 0.0)


@pytest.fixture
def toys_need_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of our own making are tried in this process, which spares a second each."""

    def here(work: str, data: bytes, **_: object) -> bytes:
        module, _, name = work.partition(":")
        answer: bytes = getattr(importlib.import_module(module), name)(data)
        return answer

    monkeypatch.setattr(child, "call", here)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for another machine fails."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared photos and models."""
    return needed(SHARED)


@pytest.fixture(scope="session")
def facts() -> Path:
    """The shared facts about models that exist."""
    return needed(BESIDE / "facts")


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`{train,test}/{temple,flower}/*.png`: 48 tiles of the demo's two photos."""
    root = tmp_path_factory.mktemp("photos") / "tiles"
    cut_tiles(sample_photos(), root)
    long_ago = 1_600_000_000
    for path in root.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    return root


@pytest.fixture(scope="session")
def samples() -> dict[str, Path]:
    """The demo's two photos themselves."""
    return sample_photos()
