"""A browser, and a studio to look at: each starts once, for all tests or for those of a module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visiting import PATIENCE, StudioProcess

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium with a simulated camera. Not kept longer: while it is there, an event loop runs in this thread."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    flags = "--no-sandbox --disable-gpu --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def studio_home(tmp_path_factory: pytest.TempPathFactory, graphs: Path) -> Path:
    """An empty store, with the compiled networks of all tests."""
    (graphs / "compiled").mkdir(exist_ok=True)
    home = tmp_path_factory.mktemp("home")
    (home / "compiled").symlink_to(graphs / "compiled")
    return home


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, studio_home: Path) -> Iterator[StudioProcess]:
    """A studio on an empty folder."""
    server = StudioProcess(tmp_path_factory.mktemp("studio") / "things", studio_home)
    server.start()
    yield server
    server.stop()
