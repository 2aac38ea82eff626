"""The page when things go wrong, with two tabs, with names that are code, by keyboard alone, and judged by axe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from visiting import StudioProcess, Visitor

from headstart.apps.studio.phones import address_in_network
from headstart.errors import DataError

pytestmark = pytest.mark.slow
CODE = "<script>document.title='broken'</script>"
#: A row at each of 60 frames.
SCROLL = """async () => {
    for (let i = 0; i < 60; i++) {
        document.querySelector(".grid").scrollTop -= 132;
        await new Promise(requestAnimationFrame);
    }
}"""
VIEWS = ("make", "look/photos", "look/mistakes", "look/check", "look/map", "look/unusable", "try", "compare", "share")


def in_network() -> bool:
    try:
        return bool(address_in_network())
    except DataError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, studio_home: Path, tiles: Path) -> Iterator[StudioProcess]:
    """A studio on two classes of ten photos."""
    folder = tmp_path_factory.mktemp("studio") / "things"
    for name in ("temple", "flower"):
        (folder / name).mkdir(parents=True)
        for photo in sorted((tiles / "train" / name).iterdir())[:10]:
            shutil.copy(photo, folder / name)
    (folder / "temple" / "notes.png").write_text("no photo")
    server = StudioProcess(folder, studio_home, options=("--lan",) if in_network() else ())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def visitor(browser: Any, server: StudioProcess) -> Iterator[Visitor]:
    server.wait("ready")
    visitor = Visitor(browser, server.address)
    yield visitor
    visitor.close()


def test_two_tabs_agree(visitor: Visitor) -> None:
    other = visitor.open()
    visitor.page.get_by_label("Name").fill("third")
    visitor.click(visitor.button("Add class"))
    expect(other.get_by_role("region", name="Class third")).to_be_visible()
    other.keyboard.press("Control+z")
    expect(visitor.region("third")).to_have_count(0)


def test_a_window_stays_while_the_page_changes_behind_it(visitor: Visitor, server: StudioProcess) -> None:
    page = visitor.page
    photo = visitor.region("temple").get_by_role("option").first
    for open_it in (
        photo.dblclick,
        visitor.button("temple Edit class").click,
        visitor.button("Webcam to temple").click,
    ):
        open_it()
        close = page.get_by_role("dialog").get_by_role("button", name="Close")
        close.focus()
        server.do("add_class", name="third")
        expect(page.locator("section.class[aria-label='Class third']")).to_be_attached()
        server.do("undo")
        expect(page.locator("section.class[aria-label='Class third']")).to_have_count(0)
        expect(close).to_be_focused()
        assert page.locator("dialog").evaluate("(box) => box.matches(':modal')")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_names_that_are_code_are_text(visitor: Visitor, server: StudioProcess) -> None:
    server.do("rename_class", name="flower", to="<b onclick=alert(1)>{{7*7}}${7*7}")
    expect(visitor.page.get_by_role("heading", name="<b onclick=alert(1)>{{7*7}}${7*7}")).to_be_visible()
    assert visitor.page.locator("b").count() == 0
    server.do("undo")
    expect(visitor.page.get_by_role("heading", name="flower")).to_be_visible()


def test_a_server_that_dies_during_an_upload_loses_nothing(
    browser: Any, server: StudioProcess, tiles: Path, tmp_path: Path
) -> None:
    """No half file is left, the page offers to send again, finds the new server by itself and sends only what lacks."""
    visitor = Visitor(browser, server.address)
    page = visitor.page
    files = []
    for i, tile in enumerate(sorted((tiles / "test" / "temple").iterdir())):
        files.append(tmp_path / f"new-{i:02}.png")
        files[-1].write_bytes(tile.read_bytes() + bytes(3_000_000))
    before = {path: path.read_bytes() for path in server.folder.rglob("*.png")}
    page.route("**/api/photos?*", lambda route: (server.kill(), route.continue_()))
    visitor.choose_files(visitor.button("Add photos to temple"), files)
    expect(
        page.get_by_text("The connection broke: 12 photos may not have arrived. They are still here.")
    ).to_be_visible()
    expect(page.get_by_text("Looking for the Studio")).to_be_visible()
    assert {path: path.read_bytes() for path in server.folder.rglob("*.png")} == before
    page.unroute_all()
    server.start()
    expect(page.get_by_text("Looking for the Studio")).to_have_count(0)
    visitor.click(visitor.button("Send again"))
    expect(visitor.region("temple")).to_contain_text("22 photos")
    assert sorted(path.stat().st_size for path in server.folder.glob("temple/new-*")) == sorted(
        path.stat().st_size for path in files
    )
    server.do("undo")
    visitor.context.close()  # what the browser logged of the broken connection is no fault of the page


def test_a_phone_sends_photos(
    browser: Any, visitor: Visitor, server: StudioProcess, tiles: Path, tmp_path: Path
) -> None:
    """The code on the page leads one phone, and only one, to a page that takes photos."""
    if not server.options:
        pytest.skip("this machine is in no network")
    visitor.click(visitor.button("Use a phone to temple"))
    code = visitor.page.get_by_alt_text("QR code of the address below")
    expect(code).to_be_visible()
    assert code.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    address = visitor.page.get_by_role("dialog").get_by_role("link").get_attribute("href")
    visitor.page.keyboard.press("Escape")
    assert address is not None
    phone, other = (browser.new_context(viewport={"width": 390, "height": 844}).new_page() for _ in range(2))
    phone.goto(address)
    expect(phone.get_by_label("Class")).to_have_value("temple")
    (tmp_path / "text.png").write_text("no photo")
    with phone.expect_file_chooser() as chooser:
        phone.get_by_role("button", name="Choose from the phone").click()
    chooser.value.set_files([tiles / "test" / "temple" / "01.png", tmp_path / "text.png"])
    expect(phone.get_by_text("text.png")).to_be_visible()
    expect(visitor.region("temple")).to_contain_text("11 photos")
    other.goto(address)
    expect(other.get_by_role("alert")).to_contain_text("used by another device")
    server.do("undo")
    phone.context.close()
    other.context.close()


def test_everything_is_reached_by_keyboard_alone(visitor: Visitor) -> None:
    page, press = visitor.page, visitor.page.keyboard.press
    page.evaluate("document.activeElement.blur()")
    press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press("Enter")
    press("Tab")
    expect(visitor.button("flower Edit class")).to_be_focused()
    press("Tab")
    photos = visitor.region("flower").get_by_role("option")
    expect(photos.first).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    press("ArrowRight")
    press("Space")
    press("Shift+ArrowRight")
    expect(page.get_by_text("2 photos chosen")).to_be_visible()
    press("m")
    expect(page.get_by_label("Move to")).to_be_focused()
    press("t")
    press("Tab")
    press("Enter")
    expect(visitor.region("temple")).to_contain_text("12 photos")
    expect(page.get_by_text("2 photos chosen")).to_have_count(0)  # the step is done, not only shown
    expect(photos.nth(2)).to_be_focused()
    expect(page.get_by_role("banner").get_by_role("button", name="Undo: ")).to_be_enabled()
    press("Control+z")
    expect(visitor.region("temple")).to_contain_text("10 photos")
    press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press("Delete")
    expect(visitor.region("flower")).to_contain_text("9 photos")
    assert page.evaluate("document.activeElement.role") == "option"
    press("Control+z")
    expect(visitor.region("flower")).to_contain_text("10 photos")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_axe_finds_no_serious_fault(browser: Any, server: StudioProcess, width: int, dark: bool) -> None:
    server.wait("ready")
    visitor = Visitor(browser, server.address, width, dark)
    for view in VIEWS:
        visitor.page.evaluate(f"location.hash = '#{view}'")
        expect(visitor.page.get_by_text("One moment")).to_have_count(0)
        assert faults(visitor) == [], view
        assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{view} is too wide"
    visitor.page.evaluate("location.hash = '#make'")
    visitor.click(visitor.region("temple").get_by_role("option").first)
    assert faults(visitor) == [], "chosen photos"
    visitor.click(visitor.button("temple Edit class"))
    assert faults(visitor) == [], "a window"
    visitor.close()


def faults(visitor: Visitor) -> list[str]:
    """What axe-core calls serious or critical."""
    found = Axe().run(visitor.page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_five_thousand_photos_keep_the_page_small(browser: Any, server: StudioProcess) -> None:
    """Only what is in sight is in the page, wherever one scrolls. The photos are made up: the server has none."""
    visitor = Visitor(browser, server.address)
    state = server.state()
    photos = [{**state["photos"][i % 20], "id": f"copy{i}"} for i in range(5000)]
    visitor.page.route("**/api/state", lambda route: route.fulfill(json={**state, "photos": photos}))
    visitor.page.goto(visitor.address + "?again#look/photos")
    grid = visitor.page.get_by_role("listbox", name="All classes")
    expect(grid.get_by_role("option").first).to_have_attribute("aria-setsize", "5000")
    grid.get_by_role("option").first.focus()
    visitor.page.keyboard.press("End")
    expect(grid.get_by_role("option").last).to_be_focused()
    expect(grid.get_by_role("option").last).to_have_attribute("aria-posinset", "5000")
    assert grid.get_by_role("option").count() < 150
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # time of the processor, whatever else runs

    def busy() -> float:
        return next(
            one["value"] for one in devtools.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration"
        )

    before = busy()
    visitor.page.evaluate(SCROLL)
    assert (busy() - before) / 60 < 4 / 60, "seconds of work for each frame: far less than all photos would take"
    visitor.context.close()
