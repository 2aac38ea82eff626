"""The studio's page, walked through in a browser by someone who has read nothing: on a phone and on a desktop."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio.conftest import StudioProcess, Visitor, sync_api

expect = sync_api.expect
pytestmark = pytest.mark.slow


@pytest.fixture(params=[390, 1280])
def visitor(browser: Any, server: StudioProcess, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Someone at an empty studio, on a phone and on a desktop."""
    server.clear()
    visitor = Visitor(browser, server.address, request.param)
    yield visitor
    visitor.close()


def some(tiles: Path, name: str, n: int) -> list[Path]:
    return sorted((tiles / "train" / name).iterdir())[:n]


def test_two_classes_of_ten_photos_are_made_judged_and_tried(
    visitor: Visitor, server: StudioProcess, tiles: Path
) -> None:
    """At most 12 clicks and two typed names; three minutes are 15 s for each."""
    page = visitor.page
    expect(page.get_by_text("Teach the computer to tell things apart")).to_be_visible()
    for name in ("temple", "flower"):
        page.get_by_label("Name").fill(name)
        visitor.click(visitor.button("Add class"))
        visitor.choose_files(visitor.button(f"Add photos to {name}"), some(tiles, name, 10))
        expect(visitor.region(name)).to_contain_text("10 photos")
    expect(page.locator(".figure")).to_contain_text("%")
    visitor.click(page.get_by_role("link", name="Try it"))
    visitor.choose_files(visitor.button("Choose a photo"), sorted((tiles / "test" / "flower").iterdir())[0])
    expect(page.locator(".verdict")).to_have_text("flower")
    expect(page.locator(".nearest li")).to_have_count(3)
    assert visitor.clicks <= 12
