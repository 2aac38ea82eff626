"""Whatever users have at hand as photos is read; anything else gets our error, with what to do."""

from __future__ import annotations

import copy
import io
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from headstart.errors import DataError, PhotoError
from headstart.photos import images, reading
from headstart.photos.images import View
from headstart.photos.pictures import InMemory, Pixels, is_one, is_one_photo, listed
from headstart.photos.sources import find_files, from_lists

VIEW = View(16, 16)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)).save(path)
    return path


def pixels(picture: Any) -> np.ndarray[Any, Any]:
    (name,) = listed(picture)
    return images.load(name, VIEW)


def test_every_form_of_the_same_picture_gives_the_same_pixels(png: Path) -> None:
    data, expected = png.read_bytes(), images.load(png, VIEW)
    array = np.asarray(Image.open(png))
    forms = (str(png), png, data, bytearray(data), memoryview(data), io.BytesIO(data), Image.open(png), array)
    for form in forms:
        assert np.array_equal(pixels(form), expected), type(form)
        assert np.array_equal(pixels([form]), expected), type(form)
    with open(png, "rb") as file, tempfile.NamedTemporaryFile() as wrapped:
        assert np.array_equal(pixels(file), expected)
        wrapped.write(data)
        wrapped.seek(0)
        assert np.array_equal(pixels(wrapped), expected)


def test_bytes_in_memory_are_the_same_photo_as_the_file(png: Path) -> None:
    (name,) = listed(png.read_bytes())
    assert images.content_hash(images.read(name)) == images.content_hash(images.read(png))


def test_everything_that_changes_how_pixels_look_changes_their_hash() -> None:
    grey = Image.new("L", (4, 6), 7)
    turned = grey.copy()
    turned.getexif()[0x0112] = 6
    wide = Image.new("L", (6, 4), 7)
    seen = Image.new("P", (4, 6), 7)
    recoloured = seen.copy()
    recoloured.putpalette([255 - value for value in range(256) for _ in range(3)])
    clear = seen.copy()
    clear.info["transparency"] = 7
    profiled = grey.copy()
    profiled.info["icc_profile"] = b"a profile"
    made = [grey, turned, wide, seen, recoloured, clear, profiled, Image.new("L", (4, 6), 8)]
    assert len({Pixels(image).digest() for image in made}) == len(made)
    assert Pixels(grey).digest() == Pixels(grey.copy()).digest()


def test_grey_transparent_and_turned_pictures_look_as_their_files_do(tmp_path: Path) -> None:
    ramp = np.arange(24 * 40, dtype=np.uint8).reshape(24, 40)
    colours = np.dstack([ramp, ramp[::-1], ramp, ramp])
    for array in (ramp, colours):
        Image.fromarray(array).save(tmp_path / "saved.png")
        assert np.array_equal(pixels(array), images.load(tmp_path / "saved.png", VIEW))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(ramp).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(pixels(Image.open(tmp_path / "turned.png")), images.load(tmp_path / "turned.png", VIEW))
    assert not np.array_equal(pixels(Image.open(tmp_path / "turned.png")), pixels(ramp))


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        iter,
        lambda paths: np.array(paths),
        lambda paths: np.array(paths, dtype=object).reshape(-1, 1),
        pd.Series,
        lambda paths: pd.Series(paths, index=[7, 3]),
        lambda paths: pd.Series(paths, dtype="string"),
        lambda paths: pd.DataFrame({"path": paths}),
        lambda paths: [[path] for path in paths],
    ],
    ids=["list", "tuple", "iterator", "array", "column", "series", "index", "string series", "frame", "rows"],
)
def test_many_paths_in_any_container(wrap: Any) -> None:
    assert listed(wrap(["a.jpg", "b.jpg"])) == ["a.jpg", "b.jpg"]


def test_arrays_of_pictures() -> None:
    batch = np.zeros((3, 8, 6, 3), np.uint8)
    assert listed(batch) == listed(list(batch)) == ["<picture 1>", "<picture 2>", "<picture 3>"]
    assert [one.content.image.size for one in listed(batch) if isinstance(one, InMemory)] == [(6, 8)] * 3  # type: ignore[union-attr]
    assert len(listed(pd.Series([batch[0], batch[1]]))) == 2
    assert len(listed(np.array([Image.new("L", (2, 2)), "a.jpg"], dtype=object))) == 2


def test_one_picture_or_many(tmp_path: Path) -> None:
    for one in ("a.jpg", Path("a.jpg"), b"x", io.BytesIO(b"x"), Image.new("L", (2, 2)), np.zeros((4, 4, 3), np.uint8)):
        assert is_one(one), one
    for many in (["a.jpg"], ("a.jpg",), np.array(["a.jpg"]), pd.Series(["a.jpg"]), np.zeros((2, 4, 4, 3), np.uint8)):
        assert not is_one(many), many
    assert is_one_photo(tmp_path / "a.jpg")
    assert not is_one_photo(tmp_path)


def test_an_open_file_can_be_read_again(png: Path) -> None:
    with open(png, "rb") as file:
        assert np.array_equal(pixels(file), pixels(file))
        file.read()
        with pytest.raises(DataError, match=r"nothing left to read.*\n.*seek\(0\)"):
            listed(file)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "from None"),
        (7, "type int"),
        ({"a.jpg": 1}, "type dict"),
        ([None], "Picture 1 is None"),
        (["a.jpg", 3.5], "Picture 2 is an object of type float"),
        (pd.Series(["a.jpg", float("nan")]), "Picture 2 is an object of type float"),
        (np.zeros((4, 4, 3)), r"array of float64.*\n.*\* 255"),
        (np.zeros((4, 4, 3), np.int64), r"array of int64.*\n.*astype"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros((1, 1, 1, 1, 3), np.uint8), r"shape \(1, 1, 1, 1, 3\)"),
        (np.array(["a.jpg"] * 4).reshape(2, 2), r"shape \(2, 2\).*\n.*one column"),
        (pd.DataFrame({"path": ["a.jpg"], "label": ["x"]}), r"shape \(1, 2\)"),
        (io.StringIO("x"), "opened as text"),
        ("https://example.org/cat.jpg?size=9", r"internet address.*\n.*\n.*curl -L -o 'cat.jpg'"),
        ([Path("a.jpg"), "HTTP://example.org/"], "internet address"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        listed(given)


def test_unusable_content_has_the_reasons_of_files() -> None:
    damaged = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(damaged, "JPEG")
    opened = Image.open(io.BytesIO(damaged.getvalue()[:-200]))
    for picture, reason in (
        (b"", "empty"),
        (b"not a picture at all, just text", "not an image"),
        (opened, "truncated"),
    ):
        with pytest.raises(PhotoError) as caught:
            pixels(picture)
        assert caught.value.reason == reason
    with pytest.raises(PhotoError) as caught:
        pixels(Image.new("F", (4, 4)))
    assert caught.value.reason == "unsupported format"
    with pytest.raises(PhotoError):
        images.content_hash(images.read(listed(Image.open(io.BytesIO(damaged.getvalue()[:-200])))[0]))


def test_a_picture_in_memory_is_never_taken_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("<picture 1>").write_bytes(b"x")
    monkeypatch.setattr(reading, "_RACY_SECONDS", -1.0)
    assert reading.fingerprint("<picture 1>") is not None
    (name,) = listed(b"y")
    assert images.read(listed(Image.new("L", (2, 2)))[0])
    assert reading.fingerprint(name) is None
    assert find_files(b"y") == [name]


def test_a_named_picture_can_be_copied_and_pickled() -> None:
    (name,) = listed(np.full((4, 4, 3), 9, np.uint8))
    for copied in (copy.deepcopy(name), pickle.loads(pickle.dumps(name))):
        assert copied == name
        assert np.array_equal(images.load(copied, VIEW), images.load(name, VIEW))
    assert from_lists([name, "a.jpg"], ["x", "y"]).paths == (name, "a.jpg")
