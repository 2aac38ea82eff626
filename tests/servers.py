"""Servers to ask: real processes, with a classifier of the demo's tiles."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import headstart

START = "from headstart.apps.cli import main; main()"


class Serving:
    """A running `headstart serve`.

    Attributes:
        port: that it has taken. said: its lines on stderr, so far. curl: the line it printed.
    """

    def __init__(self, folder: Path, home: Path, *options: str, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, "serve", str(folder), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HEADSTART_HOME": str(home), **environment},
        )
        self.said: list[str] = []
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        self.curl = self.process.stdout.readline().strip()
        assert self.curl, self.said
        self.port = int(re.findall(r":(\d+)/predict", self.curl)[0])

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._heard:
                self.said.append(line)
                self._heard.notify_all()

    def wait_for(self, words: str) -> None:
        """Wait until it has said this."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(words in line for line in self.said), 60), self.said

    @property
    def answered(self) -> list[dict[str, object]]:
        """What its log says of the requests that it answered."""
        return [json.loads(line) for line in self.said if line.startswith("{")]

    def stop(self, by: int = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        code = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, graphs: Path) -> Path:
    """The store of all servers; they share the compiled network."""
    folder = tmp_path_factory.mktemp("serving")
    for name in ("compiled", "tried"):
        (graphs / name).mkdir(exist_ok=True)
        (folder / name).symlink_to(graphs / name)
    return folder


@pytest.fixture(scope="session")
def sights(tiles: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved classifier of temples and flowers."""
    folder = tmp_path_factory.mktemp("models") / "sights"
    headstart.train(tiles, output=folder, store=store)
    return folder


@pytest.fixture(scope="module")
def start(store: Path) -> Iterator[Callable[..., Serving]]:
    """Starts servers, and ends those that still run at the end."""
    started: list[Serving] = []

    def begin(folder: Path, *options: str, **environment: str) -> Serving:
        started.append(Serving(folder, store, *options, **environment))
        return started[-1]

    yield begin
    for one in started:
        one.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def server(start: Callable[..., Serving], sights: Path) -> Serving:
    """A server that all tests of a module share."""
    return start(sights)
