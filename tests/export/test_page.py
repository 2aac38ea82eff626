"""The page, opened from disk in Chromium, gives headstart's answers, requests nothing, and knows when it is damaged."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import headstart
import toy_exports
import toys
from fakes import FakeBackbone
from headstart.backbones.card import Card
from headstart.errors import ExportError
from headstart.export.formats import page as writer
from headstart.export.graph.joined import INPUT, OUTPUT
from headstart.export.judges import chromium
from headstart.export.judges import page as judge
from headstart.export.known import FORMATS
from headstart.export.proof.child import ask
from headstart.export.subject import Subject
from headstart.photos.images import View, load
from toys import numbers, op

pytestmark = pytest.mark.skipif(chromium.found() is None, reason="there is no Chromium here: apt-get install chromium")
VIEW = View(toy_exports.SIZE, toy_exports.SIZE)
NASTY = ("</script><script>bad=1</script>", "crème \"brûlée\" & 'co'", "<b>pear</b> {{ words }} \u202eabc")


def resized(path: Path, height: int, width: int) -> np.ndarray:
    """A whole photo as Pillow resizes it; browsers, unlike the recipe, never decode a JPEG at reduced size."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((width, height), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class ToyPage(toy_exports.ToySubject):
    """A toy with a card and names of its own."""

    view: View = VIEW
    names: tuple[str, ...] = toy_exports.CLASSES

    @property
    def card(self) -> Card:
        return replace(FakeBackbone().card, view=self.view)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.names


def toy(name: str = "pools", view: View = VIEW, names: tuple[str, ...] = toy_exports.CLASSES) -> ToyPage:
    return ToyPage(None, build=toy_exports.subject(name).build, view=view, names=names)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a toy."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    writer.write(toy(), path)
    return path


@pytest.fixture
def opened() -> Iterator[Callable[[Path], judge.Judge]]:
    """Opens a page; its browser is ended after the test."""
    made = []

    def show(path: Path) -> judge.Judge:
        made.append(judge.Judge(path))
        return made[-1]

    yield show
    for one in made:
        one.browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Chromium]:
    """A browser with a simulated camera that shows a turning pie."""
    found = chromium.Chromium(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
    yield found
    found.close()


def test_the_browser_of_a_page_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tempfile.mkdtemp()  # paths of Chromium's sockets have to be short
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "page.html").write_text("<p id=check>Not a page of ours.")
    with pytest.raises(ExportError, match="It reports: Not a page of ours"):
        ask(FORMATS["page"], tmp_path / "page.html", np.zeros((1, 8, 8, 3), np.uint8), (), VIEW)
    until = time.monotonic() + 10
    while os.listdir(folder) and time.monotonic() < until:  # the browser ends a moment after its parent
        time.sleep(0.05)
    os.rmdir(folder)


def test_a_browser_that_is_closed_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tempfile.mkdtemp()
    monkeypatch.setenv("TMPDIR", folder)
    monkeypatch.setattr(tempfile, "tempdir", None)
    chromium.Chromium().close()
    os.rmdir(folder)


def shown(browser: chromium.Chromium, path: Path) -> Any:
    """What the page reports of itself."""
    browser.open(path.as_uri())
    browser.wait("location.protocol === 'file:' && document.readyState === 'complete'")
    return browser.evaluate("window.headstart && headstart.checked")


def text(browser: chromium.Chromium, name: str) -> str:
    return str(browser.evaluate(f"document.getElementById('{name}').textContent.trim()"))


def choose(browser: chromium.Chromium, photo: Path) -> None:
    """Give the page a file, as the dialog for files does, and wait for what it makes of it."""
    document = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    browser.evaluate("document.getElementById('spoken').textContent = ''")
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(photo)])
    browser.wait("spoken.textContent || !trouble.hidden")


def press(browser: chromium.Chromium, key: str, code: int) -> None:
    for kind in ("keyDown", "keyUp"):
        letters = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **letters)


# What it answers


@pytest.mark.parametrize("name", ["convolutions", "attention", "reductions"])
def test_it_gives_the_same_answers(name: str, tmp_path: Path, opened: Callable[[Path], judge.Judge]) -> None:
    writer.write(toy(name), tmp_path / "page.html")
    found = opened(tmp_path / "page.html")
    assert np.abs(found.run(toy_exports.pictures()) - toy_exports.answers(name)).max() < 1e-5
    assert found.classes() == toy_exports.CLASSES
    assert found.browser.requests == [(tmp_path / "page.html").as_uri()]


def photo(folder: Path, size: tuple[int, int], turned: int = 1, mode: str = "RGB") -> Path:
    rng = np.random.default_rng(size[0] + turned)
    coarse = rng.integers(0, 256, (9, 7, len(mode)), dtype=np.uint8)
    image = Image.fromarray(coarse, mode).resize(size, Image.Resampling.BICUBIC)
    noise = rng.integers(-20, 20, (size[1], size[0], len(mode)))
    image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8), mode)
    exif = Image.Exif()
    exif[0x0112] = turned
    path = folder / f"photo{size[0]}x{size[1]}-{turned}-{mode}.png"
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    "view",
    [
        View(20, 31),
        View(31, 20, "crop", 0.875),
        View(24, 24, "crop"),
        View(31, 20, "pad"),
        View(20, 31, "pad"),
        View.stack([View(20, 31), View(24, 24, "crop", 0.875)]),
    ],
    ids=str,
)
def test_photos_are_fitted_as_headstart_does_it(
    view: View, tmp_path: Path, opened: Callable[[Path], judge.Judge]
) -> None:
    sized = writer.encoded(toy(view=view), [])
    (tmp_path / "page.html").write_text(sized, "utf-8")
    found = opened(tmp_path / "page.html")
    for size in ((90, 61), (50, 57), (21, 13), (5, 4)):  # less than three times: headstart takes no short cut
        path = photo(tmp_path, size)
        pixels = found.read(path, view.height, view.width)
        assert pixels is not None
        assert np.abs(pixels.astype(int) - load(path, view)).max() <= 1, size


@pytest.mark.parametrize("turned", range(1, 9))
def test_photos_are_turned(turned: int, target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    found = judge.Judge.__new__(judge.Judge)
    found.browser = browser
    path = photo(tmp_path, (600, 420), turned)
    pixels = found.read(path, VIEW.height, VIEW.width)
    assert pixels is not None
    assert np.abs(pixels.astype(int) - resized(path, VIEW.height, VIEW.width)).max() <= 1


def test_what_is_transparent_is_white(target: Path, tmp_path: Path, opened: Callable[[Path], judge.Judge]) -> None:
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "empty.png")
    pixels = opened(target).read(tmp_path / "empty.png", VIEW.height, VIEW.width)
    assert pixels is not None
    assert pixels.min() == 255


# What it knows of itself


def changed(path: Path, name: str, target: Path) -> None:
    """Write a page in which one letter of a block is another."""
    content = path.read_text("utf-8")
    start = content.index(">", content.index(f'id="{name}"')) + 1
    middle = (start + content.index("</script>", start)) // 2
    place = next(i for i in range(middle, len(content)) if content[i].isdigit())
    target.write_text(content[:place] + str((int(content[place]) + 1) % 10) + content[place + 1 :], "utf-8")


def test_the_check_is_green(target: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target) is True
    assert text(browser, "check") == "Checked: gives headstart’s answers."
    assert browser.evaluate("check.className") == "good"
    assert browser.evaluate("file.disabled || camera.disabled") is False
    assert browser.console == []


@pytest.mark.parametrize("name", ["weights", "wasm", "model", "given", "sums"])
def test_the_check_is_red_after_one_changed_byte(
    name: str, target: Path, tmp_path: Path, browser: chromium.Chromium
) -> None:
    changed(target, name, tmp_path / "page.html")
    assert shown(browser, tmp_path / "page.html") is False
    assert text(browser, "check").startswith("This file is damaged")
    assert browser.evaluate("check.className") == "bad"
    assert browser.evaluate("file.disabled && camera.disabled && document.querySelector('.desk').hidden") is True


def test_a_changed_script_does_not_run(target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    content = target.read_text("utf-8")
    (tmp_path / "page.html").write_text(content.replace("const BARS = 6", "const BARS = 7"), "utf-8")
    assert shown(browser, tmp_path / "page.html") is None
    assert "The file is damaged" in text(browser, "check")
    with pytest.raises(ExportError, match="does not work"):
        judge.Judge(tmp_path / "page.html")


def test_wrong_answers_are_seen(target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    subject = toy()
    ((pixels, found),) = writer.steadiest(subject, [toy_exports.pictures()[0]])
    writer.write(subject, tmp_path / "page.html", [(pixels, found[::-1].copy())])
    assert shown(browser, tmp_path / "page.html") is False
    assert text(browser, "check").startswith("This browser computes other answers")


def test_it_may_request_nothing(target: Path) -> None:
    content = target.read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', content)
    assert policy.startswith("default-src 'none'; ")
    assert set(re.findall(r"[\w-]+-src(?:-elem)?", policy)) == {"default-src", "script-src", "style-src"}
    assert "unsafe-inline" not in policy
    assert not re.findall(
        r"<(?:img|link|iframe|object|embed|base)\b|\bsrc=|\bhref=|url\(", content.split("<noscript>")[0]
    )


# What a person does


def test_a_chosen_photo_is_answered(target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    choose(browser, photo(tmp_path, (80, 60)))
    names = browser.evaluate("[...document.querySelectorAll('#bars bdi')].map((one) => one.textContent)")
    percents = browser.evaluate("[...document.querySelectorAll('#bars .number')].map((one) => one.textContent)")
    assert sorted(names) == sorted(toy_exports.CLASSES)
    assert text(browser, "answer") == names[0]
    assert text(browser, "spoken").endswith(("sure.", "%."))
    values = [float(re.findall(r"[\d.]+", one)[0]) for one in percents]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(100, abs=2)


def test_a_dropped_and_a_pasted_photo_are_answered(target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    content = list(photo(tmp_path, (80, 60)).read_bytes())
    for event, field in (("DragEvent('drop'", "dataTransfer"), ("ClipboardEvent('paste'", "clipboardData")):
        browser.evaluate("spoken.textContent = ''")
        browser.evaluate(
            "(() => { const data = new DataTransfer(); "
            f"data.items.add(new File([new Uint8Array({content})], 'a.png', {{type: 'image/png'}}));"
            f"document.dispatchEvent(new {event}, {{ {field}: data, bubbles: true, cancelable: true }})) }})()"
        )
        assert browser.wait("spoken.textContent")


def test_what_is_no_photo_is_an_error_in_plain_words(target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    (tmp_path / "letter.txt").write_text("hello")
    choose(browser, tmp_path / "letter.txt")
    assert text(browser, "trouble").startswith("“letter.txt” is not a photo")
    assert browser.evaluate("answer.hidden") is True
    browser.evaluate("document.dispatchEvent(new DragEvent('drop', { dataTransfer: new DataTransfer() }))")
    assert text(browser, "trouble").startswith("That was not a photo.")


def test_the_camera_is_answered_live_and_stops(target: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    browser.evaluate("camera.click()")
    browser.wait("camera.textContent === 'Stop the camera' && !answer.hidden")
    assert browser.evaluate("video.srcObject.getVideoTracks()[0].readyState") == "live"
    browser.evaluate("window.track = video.srcObject.getVideoTracks()[0]; camera.click()")
    browser.wait("camera.textContent === 'Use the camera' && !photo.hidden")
    assert browser.evaluate("window.track.readyState") == "ended"
    assert browser.requests == [target.as_uri()]


def test_everything_works_with_the_keyboard_alone(target: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    order = []
    for _ in range(3):
        press(browser, "Tab", 9)
        order.append(browser.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert order == ["file", "camera", "SUMMARY"]
    browser.evaluate("document.activeElement.blur()")
    assert browser.evaluate("getComputedStyle(frame).outlineStyle") == "none"
    browser.evaluate("file.focus()")
    assert browser.evaluate("getComputedStyle(frame).outlineStyle") == "solid"
    browser.evaluate("camera.focus()")
    press(browser, "Enter", 13)
    browser.wait("camera.textContent === 'Stop the camera' && !answer.hidden")
    press(browser, "Enter", 13)
    browser.wait("camera.textContent === 'Use the camera'")


def test_a_screen_reader_finds_names_and_news(target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    assert shown(browser, target)
    choose(browser, photo(tmp_path, (80, 60)))
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    seen = {(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes if not one["ignored"]}
    wanted = {"Choose a photo", "Choose another photo", "Use the camera"}
    assert {name for role, name in seen if role == "button"} >= wanted
    assert {("heading", "What is in your photo?"), ("region", "Answer"), ("image", "Your photo")} <= seen
    assert browser.evaluate("spoken.getAttribute('aria-live')") == "polite"
    assert browser.evaluate("check.getAttribute('role')") == "status"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(width: int, target: Path, tmp_path: Path, browser: chromium.Chromium) -> None:
    writer.write(toy(names=("a" * 80, "crème brûlée", "pear")), tmp_path / "page.html")
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    assert shown(browser, tmp_path / "page.html")
    choose(browser, photo(tmp_path, (80, 200)))
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_class_names_are_text(tmp_path: Path, browser: chromium.Chromium) -> None:
    writer.write(toy(names=NASTY), tmp_path / "page.html")
    assert shown(browser, tmp_path / "page.html") is True
    assert browser.evaluate("[...document.querySelectorAll('#bars bdi')].map((one) => one.textContent)") == list(NASTY)
    assert browser.evaluate("headstart.classes") == list(NASTY)
    assert browser.evaluate("typeof bad") == "undefined"


class Hundred(ToyPage):
    """A hundred classes by the mean colour."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"class {i}" for i in range(100))

    def graph(self) -> Any:
        parameter = toys.pictures(1, toy_exports.SIZE, toy_exports.SIZE, 3, kind="u8", name=INPUT)
        colour = op.reduce_mean(op.divide(op.convert(parameter, "f32"), np.float32(128)), np.array([1, 2]), False)
        result = op.result(op.softmax(op.matmul(colour, numbers(3, 100), False, False), 1))
        result.output(0).get_tensor().set_names({OUTPUT})
        return toys.ov.Model([result], [parameter], "hundred")


def test_of_many_classes_the_best_are_shown(tmp_path: Path, browser: chromium.Chromium) -> None:
    writer.write(Hundred(None), tmp_path / "page.html")  # type: ignore[arg-type]
    assert shown(browser, tmp_path / "page.html")
    assert browser.evaluate("document.querySelectorAll('#bars li').length") == 12
    assert text(browser, "rest") == "and 88 more"
    choose(browser, photo(tmp_path, (80, 60)))
    assert browser.evaluate("document.querySelectorAll('#bars li').length") == 6
    assert text(browser, "rest").startswith("94 others together: ")


@pytest.mark.slow
def test_twenty_photos_have_the_right_class(
    shared: Path, tmp_path: Path, opened: Callable[[Path], judge.Judge]
) -> None:
    folder = shared / "phone-fruit"
    classifier = headstart.train(folder, progress=False).classifier
    writer.write(Subject(classifier, "float16"), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size <= 16e6
    found = opened(tmp_path / "page.html")
    height, width = classifier.card.view.height, classifier.card.view.width
    for path in sorted(folder.rglob("*.jpg"))[::2][:20]:
        pixels = found.read(path, height, width)
        assert pixels is not None
        assert np.abs(pixels.astype(int) - resized(path, height, width)).max() <= 1
        choose(found.browser, path)
        assert text(found.browser, "answer") == path.parent.name
    assert found.browser.requests == [(tmp_path / "page.html").as_uri()]
