"""Make, walked through in a browser by someone who has read nothing: on a phone and on a desktop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from visiting import StudioProcess, Visitor

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


def make(visitor: Visitor, name: str, photos: list[Path]) -> None:
    """A class with photos."""
    visitor.page.get_by_label("Name").fill(name)
    visitor.click(visitor.button("Add class"))
    visitor.choose_files(visitor.button(f"Add photos to {name}"), photos)
    expect(visitor.region(name)).to_contain_text(f"{len(photos)} photos")


def photos_of(visitor: Visitor, name: str) -> Any:
    return visitor.region(name).get_by_role("option")


def test_two_classes_of_ten_photos_are_made_judged_and_tried(visitor: Visitor, tiles: Path) -> None:
    """Six clicks and two typed names, where three minutes would allow for one each 20 seconds."""
    page = visitor.page
    expect(page.get_by_text("Teach the computer to tell things apart")).to_be_visible()
    make(visitor, "temple", some(tiles, "temple", 10))
    make(visitor, "flower", some(tiles, "flower", 10))
    expect(page.locator(".figure")).to_contain_text("%")
    visitor.click(page.get_by_role("link", name="Try it"))
    visitor.choose_files(visitor.button("Choose a photo"), sorted((tiles / "test" / "flower").iterdir())[0])
    expect(page.locator(".verdict")).to_have_text("flower")
    expect(page.locator(".nearest li")).to_have_count(3)
    assert visitor.clicks == 6


def test_folders_a_zip_and_loose_photos_become_classes(visitor: Visitor, tiles: Path, tmp_path: Path) -> None:
    new = visitor.page.get_by_role("region", name="New class")
    for name in ("temple", "flower"):
        (tmp_path / "both" / name).mkdir(parents=True)
        for photo in some(tiles, name, 4):
            shutil.copy(photo, tmp_path / "both" / name)
    visitor.drop(new, [tmp_path / "both"])
    expect(visitor.region("temple")).to_contain_text("4 photos")
    expect(visitor.region("flower")).to_contain_text("4 photos")

    packed = shutil.make_archive(str(tmp_path / "more"), "zip", tiles / "test", "temple")
    visitor.drop(visitor.region("temple"), [Path(packed)])
    expect(visitor.region("temple")).to_contain_text("16 photos")

    visitor.drop(new, some(tiles, "flower", 6))  # four of them are known
    expect(visitor.region("Class 1")).to_contain_text("2 photos")
    expect(visitor.page.get_by_text("4 files could not be used.")).to_be_visible()
    visitor.click(visitor.button("Why?"))
    expect(visitor.page.get_by_text("already in class flower")).to_have_count(4)


def test_the_webcam_takes_photos_as_long_as_the_button_is_held(visitor: Visitor) -> None:
    visitor.page.get_by_label("Name").fill("me")
    visitor.click(visitor.button("Add class"))
    visitor.click(visitor.button("Webcam to me"))
    shutter = visitor.button("Hold to take photos")
    expect(shutter).to_be_enabled()
    shutter.hover()
    visitor.page.mouse.down()
    visitor.page.locator("dialog .strip img").nth(3).wait_for()
    visitor.page.mouse.up()
    taken = int(visitor.page.get_by_text(" photos taken").inner_text().split()[0])
    visitor.click(visitor.button("Close").first)
    expect(visitor.region("me")).to_contain_text(f"{taken} photos")
    visitor.page.keyboard.press("Control+z")
    expect(visitor.region("me")).to_contain_text("0 photos")


def test_classes_are_renamed_merged_and_taken_out_and_each_step_is_undone(visitor: Visitor, tiles: Path) -> None:
    page = visitor.page
    make(visitor, "temple", some(tiles, "temple", 3))
    make(visitor, "flower", some(tiles, "flower", 2))
    visitor.click(visitor.button("temple Edit class"))
    page.get_by_role("dialog").get_by_label("Name").fill("house")
    visitor.click(visitor.button("Rename"))
    expect(visitor.region("house")).to_contain_text("3 photos")
    page.keyboard.press("Control+z")
    expect(visitor.region("temple")).to_contain_text("3 photos")
    visitor.click(visitor.button("temple Edit class"))
    visitor.click(visitor.button("Merge"))
    expect(visitor.region("flower")).to_contain_text("5 photos")
    expect(visitor.region("temple")).to_have_count(0)
    visitor.click(visitor.button("Undo: "))
    expect(visitor.region("temple")).to_contain_text("3 photos")
    visitor.click(visitor.button("Redo: "))
    expect(visitor.region("temple")).to_have_count(0)
    page.keyboard.press("Control+z")
    visitor.click(visitor.button("flower Edit class"))
    visitor.click(visitor.button("Take out the class and its 2 photos"))
    expect(visitor.region("flower")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(visitor.region("flower")).to_contain_text("2 photos")


def test_photos_are_moved_by_drag_and_by_choosing(visitor: Visitor, tiles: Path) -> None:
    make(visitor, "temple", some(tiles, "temple", 4))
    make(visitor, "flower", some(tiles, "flower", 4))
    photos_of(visitor, "temple").first.drag_to(visitor.region("flower"))
    expect(visitor.region("flower")).to_contain_text("5 photos")
    for i in range(2):
        visitor.click(photos_of(visitor, "flower").nth(i))
    expect(visitor.page.get_by_text("2 photos chosen")).to_be_visible()
    visitor.page.get_by_label("Move to").select_option("temple")
    visitor.click(visitor.button("Move", exact=True))
    expect(visitor.region("temple")).to_contain_text("5 photos")
    visitor.click(photos_of(visitor, "temple").first)
    visitor.click(visitor.button("Take out"))
    expect(visitor.region("temple")).to_contain_text("4 photos")
    visitor.click(visitor.page.get_by_role("status").get_by_role("button", name="Undo").last)
    expect(visitor.region("temple")).to_contain_text("5 photos")
