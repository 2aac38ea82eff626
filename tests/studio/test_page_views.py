"""Look, Try, Compare and Share, on a phone and on a desktop: a studio on a folder with everything that can be found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect
from visiting import PROGRAM, StudioProcess, Visitor

pytestmark = pytest.mark.slow
MARKUP = "<img src=x onerror=alert(1)>"  # the name of a class


@pytest.fixture(scope="module")
def toy_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean colour of a photo, as an OpenVINO file."""
    import openvino as ov

    from toys import model, op, pictures, pooled

    image = pictures(-1, 3, 8, 8)
    path = tmp_path_factory.mktemp("networks") / "colour.xml"
    ov.save_model(model({"features": op.concat([pooled(image)] * 50, 1)}, image), path, compress_to_fp16=False)
    return path


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, studio_home: Path, tiles: Path, toy_network: Path
) -> Iterator[StudioProcess]:
    """A studio on three classes, with a near copy, a photo in the wrong class, a cut one; two backbones are there."""
    folder = tmp_path_factory.mktemp("studio") / "things"
    shutil.copytree(tiles / "train" / "temple", folder / "temple")
    shutil.copytree(tiles / "train" / "flower", folder / "flower")
    (folder / MARKUP).mkdir()
    for path in sorted((tiles / "test" / "flower").iterdir()):
        with Image.open(path) as tile:
            tile.resize((6, 6)).resize(tile.size, Image.Resampling.NEAREST).save(folder / MARKUP / path.name)
    with Image.open(folder / "temple" / "05.png") as tile:
        tile.resize((tile.width * 3 // 4, tile.height * 3 // 4)).save(folder / "temple" / "smaller.png")
    shutil.copy(tiles / "test" / "temple" / "03.png", folder / "flower" / "wrong.png")
    whole = (tiles / "test" / "temple" / "04.png").read_bytes()
    (folder / "temple" / "cut.png").write_bytes(whole[: len(whole) // 2])
    known = [
        sys.executable,
        "-c",
        PROGRAM,
        "embed",
        str(folder),
        "--backbone",
        str(toy_network),
        "-o",
        str(studio_home / "known.npz"),
    ]
    subprocess.run(known, check=True, capture_output=True, env={**os.environ, "HEADSTART_HOME": str(studio_home)})
    server = StudioProcess(folder, studio_home)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=[390, 1280])
def visitor(browser: Any, server: StudioProcess, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    server.wait("ready")
    visitor = Visitor(browser, server.address, request.param)
    yield visitor
    visitor.close()


def part(visitor: Visitor, name: str) -> None:
    """To a part of Look."""
    visitor.go("Look")
    visitor.click(visitor.page.get_by_role("navigation", name="What to look at").get_by_role("link", name=name))


def test_photos_are_sorted_by_doubt_and_looked_at_large(visitor: Visitor, server: StudioProcess) -> None:
    page = visitor.page
    visitor.go("Look")
    page.get_by_label("Show").select_option("flower")
    photos = page.get_by_role("listbox", name="flower").get_by_role("option")
    expect(photos).to_have_count(13)
    sure = [int(text.split()[0]) for text in photos.locator(".caption").all_inner_texts()]
    assert sure == sorted(sure)
    doubtful = max((one for one in server.state()["photos"] if one["label"] == "flower"), key=lambda one: one["doubt"])
    photos.first.dblclick()
    expect(page.get_by_role("dialog")).to_contain_text(doubtful["name"])
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog")).to_contain_text("2 of 13")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_mistakes_are_shown_with_what_they_were_taken_for(visitor: Visitor, server: StudioProcess) -> None:
    part(visitor, "Mistakes")
    wrong = [one for one in server.state()["photos"] if one.get("predicted", one["label"]) != one["label"]]
    assert wrong
    expect(visitor.page.get_by_role("listbox", name="Mistakes").get_by_role("option").first).to_have_attribute(
        "aria-setsize", str(len(wrong))
    )
    table = visitor.page.locator("table.confusion")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(table.get_by_role("rowheader", name=MARKUP)).to_be_visible()


def test_findings_are_agreed_to_or_not(visitor: Visitor, server: StudioProcess) -> None:
    page = visitor.page
    part(visitor, "To check")
    copies = page.locator("section.group", has_text="Nearly the same").locator("li")
    expect(copies).to_have_count(1)
    visitor.click(copies.get_by_role("button", name="Keep the first only"))
    expect(copies).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(copies).to_have_count(1)
    expect(page.locator("section.group", has_text="Hard to see").locator("li").first).to_contain_text("This photo ")


def test_a_label_that_is_probably_wrong_is_changed_or_kept(visitor: Visitor, server: StudioProcess) -> None:
    """So few photos make none suspicious: the findings are made up, what is done with them is not."""
    page = visitor.page
    photos = [one for one in server.state()["photos"] if one["label"] == "flower"][:2]
    labels = [
        {"id": one["id"], "label": "flower", "suggested": "temple", "score": 0.9, "because": "", "like": []}
        for one in photos
    ]
    page.route(
        "**/api/findings",
        lambda route: route.fulfill(json={"labels": labels, "copies": [], "unusable": [], "looks": []}),
    )
    kept: list[Any] = []
    page.route("**/api/findings/keep", lambda route: (kept.append(route.request.post_data_json), route.continue_()))
    part(visitor, "To check")
    wrong = page.locator("section.group", has_text="In the wrong class?").locator("li", has_text="looks like temple")
    expect(wrong).to_have_count(2)
    visitor.click(wrong.first.get_by_role("button", name="Move to temple"))
    expect(page.get_by_text("1 photo moved to temple.")).to_be_visible()
    expect(wrong).to_have_count(1)
    visitor.click(wrong.first.get_by_role("button", name="It is flower"))
    expect(page.get_by_text("Nothing to check.")).to_be_visible()
    assert kept == [{"id": photos[1]["id"]}]
    page.keyboard.press("Control+z")
    expect(page.get_by_text("Undone: ")).to_be_visible()


def test_the_map_shows_a_photo_that_is_touched(visitor: Visitor) -> None:
    part(visitor, "Map")
    page = visitor.page
    canvas = page.get_by_role("img", name="Map of 38 photos")
    canvas.press("+")
    canvas.press("0")
    x, y = page.evaluate("fetch('/api/map').then((answer) => answer.json()).then(({points}) => points[0].slice(1))")
    box = canvas.bounding_box()
    canvas.click(position={"x": 30 + x * (box["width"] - 60), "y": 30 + y * (box["height"] - 60)})
    expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()


def test_files_that_could_not_be_used_are_listed_with_reasons(visitor: Visitor) -> None:
    part(visitor, "Not usable")
    expect(visitor.page.locator(".files li")).to_have_count(1)
    expect(visitor.page.locator(".files li")).to_contain_text("cut.png")
    expect(visitor.page.locator(".files li")).to_contain_text("truncated")


def test_a_photo_that_is_tried_can_teach(visitor: Visitor, server: StudioProcess, tiles: Path, tmp_path: Path) -> None:
    visitor.go("Try")
    before = len(server.state()["photos"])
    with Image.open(tiles / "train" / "temple" / "03.png") as tile:
        tile.save(tmp_path / "new.jpg")
    visitor.choose_files(visitor.button("Choose a photo"), tmp_path / "new.jpg")
    expect(visitor.page.locator(".verdict")).to_have_text("temple")
    expect(visitor.page.locator(".bars li")).to_have_count(3)
    expect(visitor.page.locator(".nearest li").first).to_contain_text("temple")
    visitor.page.get_by_label("What is it really?").select_option("temple")
    visitor.click(visitor.button("Add to class"))
    expect(visitor.page.get_by_text("Photo added to temple.")).to_be_visible()
    visitor.page.wait_for_function(
        "(n) => fetch('/api/state').then((answer) => answer.json()).then(({photos}) => photos.length === n)",
        arg=before + 1,
    )
    server.do("undo")


def test_the_camera_is_answered_again_and_again_and_may_show_something_unknown(visitor: Visitor) -> None:
    visitor.go("Try")
    answers: list[Any] = []
    visitor.page.on("response", lambda answer: answers.append(answer) if answer.url.endswith("/api/predict") else None)
    visitor.click(visitor.button("Webcam", exact=True))
    expect(visitor.page.locator(".verdict")).to_have_text("Something else?")  # the simulated camera shows a green board
    visitor.page.wait_for_function("document.querySelectorAll('.bars li').length === 3")
    while len(answers) < 5:
        visitor.page.wait_for_event("response")
    visitor.click(visitor.button("Stop"))
    expect(visitor.page.locator("video")).to_have_count(0)


def test_backbones_are_compared_and_one_is_taken(visitor: Visitor, server: StudioProcess) -> None:
    page = visitor.page
    visitor.go("Compare")
    visitor.click(visitor.button("Compare"))
    row = page.locator("table.ranking tbody tr", has_text="colour")
    expect(row).to_contain_text("photos a second", timeout=60_000)
    visitor.click(row.get_by_role("button", name="Use this"))
    expect(row).to_contain_text("in use")
    visitor.click(
        page.locator("table.ranking tbody tr", has_text="efficientnet").get_by_role("button", name="Use this")
    )
    expect(row).not_to_contain_text("in use")


def test_everything_is_taken_along_with_one_button_each(
    visitor: Visitor, server: StudioProcess, toy_network: Path
) -> None:
    page = visitor.page
    server.post("api/backbone", handle=str(toy_network))  # exported in a moment
    server.wait("ready")
    visitor.go("Share")
    for name, start in (("Get the report", b"<!doctype html"), ("Get the classifier", b"PK")):
        with page.expect_download() as download:
            visitor.click(page.get_by_role("link", name=name))
        assert download.value.path().read_bytes()[:20].lower().startswith(start.lower())
    expect(page.locator("pre")).to_contain_text("headstart serve")
    visitor.click(visitor.button("Make openvino", exact=True))
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="Get openvino").click(timeout=60_000)
    assert download.value.path().read_bytes().startswith(b"PK")
    server.post("api/backbone", handle="builtin:efficientnet-lite0")
