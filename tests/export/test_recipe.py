"""The recipes in an export's README give the pixels that headstart reads."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart
from headstart.export.judges import chromium
from headstart.export.judges.base import pillow
from headstart.export.recipe import for_view, recipe
from headstart.photos.images import View, decode, read

VIEWS = [
    View(224, 224),
    View(160, 192),
    View(224, 224, "crop", 0.875),
    View(160, 192, "crop"),
    View(224, 224, "pad"),
    View(160, 193, "pad"),
    View.stack([View(224, 224), View(160, 192, "crop", 0.875)]),
]


def named(view: View) -> str:
    return f"{view.fit}-{view.width}x{view.height}"


def by_python(view: View, path: Path) -> np.ndarray:
    names: dict[str, object] = {}
    exec(compile(for_view(view).python, "README.md", "exec"), names)
    found: np.ndarray = names["read"](path)  # type: ignore[operator]
    assert (found.dtype, found.shape) == (np.uint8, (1, view.height, view.width, 3))
    return found[0].astype(int)


@pytest.mark.parametrize("view", VIEWS, ids=named)
def test_pillow_gives_the_same_pixels(view: View, shared: Path) -> None:
    photos = sorted((shared / "phone-fruit").rglob("*.jp*g"))[::9]
    photos += sorted((shared / "two-trees").rglob("*.jpg"))[::5]
    assert len(photos) == 9
    for photo in photos:
        expected = decode(read(photo), view)
        assert np.array_equal(by_python(view, photo), expected), photo
        for part in view.parts or (view,):
            alone = pillow(photo, part.height, part.width, part.fit, part.fraction)
            assert np.array_equal(alone, view.part(expected[None], part)[0]), photo


@pytest.mark.parametrize("name", ["Landscape_6.jpg", "Portrait_5.jpg", "icc_profile_big.jpg"])
def test_pillow_turns_photos_upright_and_converts_colours(name: str, shared: Path) -> None:
    photo, view = shared / "odd" / name, View(224, 224)
    assert np.abs(by_python(view, photo) - decode(read(photo), view)).mean() < 1


BROWSER = """
const raw = require("fs").readFileSync("photo.rgba");
globalThis.createImageBitmap = async () => ({ width: WIDTH, height: HEIGHT });
globalThis.OffscreenCanvas = class {
  getContext() {
    return { drawImage() {}, getImageData: () => ({ data: new Uint8ClampedArray(raw) }) };
  }
};
read(null).then((pixels) => require("fs").writeFileSync("pixels.rgb", pixels));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("view", VIEWS, ids=named)
def test_javascript_resizes_as_pillow_does(view: View, samples: dict[str, Path], tmp_path: Path) -> None:
    """In Node.js, with stand-ins for what the browser does: decoding, turning upright and sRGB.

    Both round between the two axes, and newer versions of Pillow begin with the axis that shrinks more.
    """
    photo = Image.open(samples["temple"]).convert("RGB").crop((0, 0, 333, 500))
    photo.save(tmp_path / "photo.png")
    (tmp_path / "photo.rgba").write_bytes(photo.convert("RGBA").tobytes())
    stand_ins = BROWSER.replace("WIDTH", "333").replace("HEIGHT", "500")
    (tmp_path / "read.js").write_text(for_view(view).javascript + stand_ins, "utf-8")
    result = subprocess.run(["node", "read.js"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = np.frombuffer((tmp_path / "pixels.rgb").read_bytes(), np.uint8).reshape(view.height, view.width, 3)
    apart = np.abs(by_python(view, tmp_path / "photo.png") - found)
    assert apart.mean() < 0.3
    assert apart.max() <= 8


@pytest.mark.skipif(chromium.found() is None, reason="needs Chromium")
@pytest.mark.parametrize("name", ["odd/Landscape_6.jpg", "phone-fruit/apple/IMG_20200229_164759.jpg"])
def test_javascript_reads_photos_in_a_browser(name: str, shared: Path) -> None:
    """Turned upright and converted to sRGB. Large JPEGs are decoded whole, other than in Pillow."""
    content = b64encode((shared / name).read_bytes()).decode()
    browser = chromium.Chromium()
    try:
        browser.evaluate(f"{for_view(View(224, 224)).javascript};0")
        script = f"fetch('data:image/jpeg;base64,{content}').then((found) => found.blob()).then(read)"
        pixels = browser.evaluate(f"{script}.then((pixels) => Array.from(pixels))")
    finally:
        browser.close()
    found = np.array(pixels).reshape(224, 224, 3)
    assert np.abs(by_python(View(224, 224), shared / name) - found).mean() < 4  # 13 without sRGB, 75 on its side


@pytest.mark.parametrize("view", VIEWS, ids=named)
def test_words_and_programs_have_the_sizes_of_the_view(view: View) -> None:
    found = for_view(view)
    assert f"{view.width} x {view.height}" in found.words
    assert f"shape (1, {view.height}, {view.width}, 3)" in found.words
    cut = any(part.fraction == 0.875 for part in view.parts or (view,))
    assert ("0.875" in found.words) == cut
    for text in (found.python, found.javascript, found.swift, found.kotlin):
        assert str(view.width) in text
        assert str(view.height) in text
        assert ("0.875" in text) == cut
        assert ("127" in text) == (view.fit == "pad")


def test_swift_and_kotlin_are_marked_as_not_run() -> None:
    found = for_view(View(224, 224))
    assert found.swift.startswith("// Not run by headstart.")
    assert found.kotlin.startswith("// Not run by headstart.")


def test_the_recipe_is_that_of_the_card() -> None:
    card = headstart.load_backbone().card
    assert recipe(card) == for_view(card.view)
