"""Bytes become an upright sRGB picture of the view's size, or one reason of the fixed list."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from beside import SHARED
from headstart.errors import PhotoError
from headstart.photos import images
from headstart.photos.images import REASONS, Images, View, content_hash, decode, load, read

shared = pytest.mark.usefixtures("shared")
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files on POSIX only")

ORIENTATION = 0x0112
RED, GREEN, BLUE, GREY, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (127, 127, 127), (255, 255, 255)
SIXTEEN = View(16, 16)


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(picture).save(file, **options)
    else:
        picture.save(file, kind, **options)
    return file.getvalue()


def plain(colour: tuple[int, ...] | int, mode: str = "RGB", size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.new(mode, size, colour)


def bands(*colours: tuple[int, int, int], each: int, other: int, upright: bool = True) -> Image.Image:
    """Bands of one colour, `each` pixels thick and `other` pixels long, side by side or (`not upright`) stacked."""
    row = np.repeat(np.array(colours, np.uint8), each, axis=0)
    picture = np.broadcast_to(row[None], (other, *row.shape))
    return Image.fromarray(np.ascontiguousarray(picture if upright else picture.transpose(1, 0, 2)))


def landscape(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """A smooth picture that no turn or mirror maps onto itself; uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [np.sin(rng.uniform(1, 4) * x + rng.uniform(1, 4) * y * y + rng.uniform(0, 6)) for _ in range(3)]
    return (np.stack(waves, -1) * 100 + 128).astype(np.uint8)


def outcome(data: bytes, view: View = SIXTEEN) -> str:
    try:
        picture = decode(data, view)
    except PhotoError as error:
        return REASONS[REASONS.index(error.reason)]
    assert picture.shape == (view.height, view.width, 3)
    assert picture.dtype == np.uint8
    return "used"


def refused(path: str | Path) -> str:
    with pytest.raises(PhotoError) as caught:
        read(path)
    assert caught.value.reason in REASONS
    return caught.value.reason


def difference(a: Images, b: Images) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).max())


def only(picture: Images, colour: tuple[int, int, int], tolerance: int = 0) -> bool:
    return picture.size > 0 and bool((np.abs(picture.astype(int) - colour) <= tolerance).all())


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write. `rows`: each with its filter byte."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# --- the result ---


def test_a_picture_is_uint8_of_the_views_size_writable_and_in_c_order() -> None:
    picture = decode(saved(Image.fromarray(landscape())), View(20, 30))
    assert picture.shape == (20, 30, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.writeable
    assert picture.flags.c_contiguous


def test_the_same_bytes_give_the_same_pixels_in_any_thread() -> None:
    data = [saved(Image.fromarray(landscape(200, 150, seed)), "JPEG", icc_profile=swapped()) for seed in range(8)]
    alone = [decode(d, SIXTEEN) for d in data]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda d: decode(d, SIXTEEN), data * 5))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 5, together, strict=True))


def test_load_is_read_and_decode(tmp_path: Path) -> None:
    data = saved(Image.fromarray(landscape()))
    (tmp_path / "a.jpg").write_bytes(data)
    assert np.array_equal(load(tmp_path / "a.jpg", SIXTEEN), decode(data, SIXTEEN))
    assert np.array_equal(load(str(tmp_path / "a.jpg"), SIXTEEN), decode(data, SIXTEEN))


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "jpeg"}, 12),
        ("PPM", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 100}, 20),
        ("JPEG", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "progressive": True}, 12),
        ("AVIF", {"quality": 95}, 12),
        ("HEIF", {"quality": 95}, 12),
        ("GIF", {}, 40),
    ],
)
def test_every_format_gives_the_picture(kind: str, options: dict[str, Any], tolerance: int) -> None:
    picture = landscape()
    assert difference(decode(saved(Image.fromarray(picture), kind, **options), View(64, 96)), picture) <= tolerance


# --- views ---


def test_squash_takes_the_whole_photo_and_ignores_its_aspect() -> None:
    picture = decode(saved(bands(RED, GREEN, BLUE, each=30, other=30)), View(30, 30, "squash"))
    assert only(picture[:, 1:8], RED, 3)
    assert only(picture[:, 12:18], GREEN, 3)
    assert only(picture[:, 22:29], BLUE, 3)


def test_squash_to_a_view_that_is_not_square() -> None:
    picture = decode(saved(bands(RED, BLUE, each=20, other=40, upright=False)), View(60, 10, "squash"))
    assert only(picture[:25], RED, 3)
    assert only(picture[35:], BLUE, 3)


def test_crop_takes_the_centre_of_a_wide_photo() -> None:
    picture = decode(saved(bands(RED, GREEN, BLUE, each=40, other=40)), View(20, 20, "crop"))
    assert only(picture[:, 2:-2], GREEN, 3)


def test_crop_takes_the_centre_of_a_high_photo() -> None:
    picture = decode(saved(bands(RED, GREEN, BLUE, each=40, other=40, upright=False)), View(20, 20, "crop"))
    assert only(picture[2:-2], GREEN, 3)


def test_crop_keeps_its_fraction_of_the_shorter_side() -> None:
    photo = plain(RED, size=(120, 80))
    photo.paste(GREEN, (40, 20, 80, 60))
    picture = decode(saved(photo), View(20, 20, "crop", 0.5))
    assert only(picture[2:-2, 2:-2], GREEN, 3)
    wider = decode(saved(photo), View(20, 20, "crop", 0.75))
    assert only(wider[:, :2], RED, 8)
    assert only(wider[5:15, 5:15], GREEN, 3)


def test_crop_to_a_view_that_is_not_square_keeps_as_much_as_fits() -> None:
    """60 x 60 pixels into 30 x 10: the whole width and the middle third of the height."""
    photo = bands(RED, GREEN, BLUE, each=20, other=60, upright=False)
    assert only(decode(saved(photo), View(10, 30, "crop"))[2:-2], GREEN, 3)
    assert only(decode(saved(photo), View(30, 10, "crop"))[:8], RED, 3)


def test_pad_takes_the_whole_photo_and_fills_up_with_grey() -> None:
    picture = decode(saved(plain(RED, size=(60, 20))), View(30, 30, "pad"))
    assert only(picture[:10], GREY)
    assert only(picture[10:20], RED)
    assert only(picture[20:], GREY)


def test_pad_to_a_view_that_is_not_square() -> None:
    picture = decode(saved(plain(GREEN, size=(10, 10))), View(20, 10, "pad"))
    assert only(picture[:5], GREY)
    assert only(picture[5:15], GREEN)
    assert only(picture[15:], GREY)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "P", "1"])
def test_the_grey_of_pad_is_the_same_in_every_mode(mode: str) -> None:
    picture = decode(
        saved(plain(WHITE, size=(40, 20)).convert(mode), "TIFF" if mode == "CMYK" else "PNG"), View(40, 40, "pad")
    )
    assert only(picture[:10], GREY)
    assert only(picture[10:30], WHITE)
    assert only(picture[30:], GREY)


def test_a_photo_thinner_than_a_pixel_of_the_view_is_still_seen() -> None:
    picture = decode(saved(plain(RED, size=(1000, 1))), View(10, 10, "pad"))
    assert only(picture[4], RED)
    assert only(np.delete(picture, 4, axis=0), GREY)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5), (2000, 1500)])
def test_photos_of_any_shape_fit_into_any_view(fit: images.Fit, size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG"):
        assert outcome(saved(plain(RED, size=size), kind), View(24, 32, fit)) == "used"


# --- reduced size ---


@pytest.mark.parametrize(
    ("view", "reduced_to"),
    [
        (View(100, 100), (200, 150)),
        (View(100, 100, "crop", 0.875), (200, 150)),
        (View(64, 100, "pad"), (200, 150)),
        (View(100, 64), (200, 150)),
    ],
)
def test_a_jpeg_decoded_at_reduced_size_looks_like_the_full_one(
    view: View, reduced_to: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Image.fromarray(landscape(1600, 1200))
    sizes: list[tuple[int, int]] = []
    whole = ImageFile.ImageFile.load

    def spy(self: ImageFile.ImageFile) -> Any:
        sizes.append(self.size)
        return whole(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", spy)
    full = decode(saved(photo, "BMP"), view)
    reduced = decode(saved(photo, "JPEG", quality=95), view)
    assert sizes[0] == (1600, 1200)
    assert sizes[-1] == reduced_to
    difference = np.abs(full.astype(int) - reduced)
    assert difference.mean() < 1.5
    assert difference.max() < 16


def test_a_jpeg_is_never_decoded_smaller_than_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []
    whole = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: (sizes.append(self.size), whole(self))[1])
    for width, height in [(448, 448), (447, 900), (1793, 1795), (300, 2000), (225, 224)]:
        data = saved(plain(RED, size=(width, height)), "JPEG")
        decode(data, View(224, 224, "squash"))
        assert min(sizes[-1]) >= min(224, width, height)
        decode(data, View(224, 224, "crop", 0.875))
        assert min(sizes[-1]) * 0.875 >= min(224, 0.875 * min(width, height))
        decode(data, View(224, 224, "pad"))
        assert max(sizes[-1]) >= 224


# --- orientation ---

#: The picture as stored, by the definition of the tag (EXIF 3.0, 4.6.4.A): which side of the upright picture
#: row 0 and column 0 hold; 1: top left, 2: top right, 3: bottom right, 4: bottom left, 5: left top, ...
STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda u: u,
    2: lambda u: u[:, ::-1],
    3: lambda u: u[::-1, ::-1],
    4: lambda u: u[::-1],
    5: lambda u: u.transpose(1, 0, 2),
    6: lambda u: u[:, ::-1].transpose(1, 0, 2),
    7: lambda u: u[::-1, ::-1].transpose(1, 0, 2),
    8: lambda u: u[::-1].transpose(1, 0, 2),
}
VIEWS = [View(24, 32), View(32, 24, "crop", 0.9), View(31, 31, "pad"), View(20, 33, "pad"), View(64, 96)]


def turned(picture: np.ndarray, orientation: int, kind: str, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED.get(orientation, STORED[1])(picture)))
    return saved(stored, kind, exif=exif.tobytes() if kind == "HEIF" else exif, **options)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_rotated_photo_looks_like_the_upright_one(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = landscape()
    upright, data = saved(Image.fromarray(picture)), turned(picture, orientation, kind, **options)
    for view in VIEWS:
        assert difference(decode(data, view), decode(upright, view)) <= 1


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "HEIF"])
def test_a_rotated_photo_of_a_lossy_format_looks_like_the_upright_one(kind: str, orientation: int) -> None:
    """AVIF and HEIF keep the turn as a property of their own: it may not be applied twice."""
    picture = landscape(960, 640) if kind == "JPEG" else landscape(192, 128)
    upright = saved(Image.fromarray(picture), kind, quality=95)
    data = turned(picture, orientation, kind, quality=95)
    for view in VIEWS[1:3] if kind == "AVIF" else VIEWS:  # each AVIF is decoded in a process of its own
        assert difference(decode(data, view), decode(upright, view)) <= 10


def test_a_turned_photo_is_cropped_at_the_upright_sides() -> None:
    picture = np.asarray(bands(RED, GREEN, BLUE, each=40, other=40))
    for orientation in range(1, 9):
        assert only(decode(turned(picture, orientation, "PNG"), View(20, 20, "crop"))[:, 2:-2], GREEN, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("length", [0, 1, 7, 12, 40, 200])
def test_broken_exif_does_not_cost_the_photo(length: int) -> None:
    noise = random.Random(length).randbytes(length)
    for kind in ("JPEG", "PNG", "WEBP"):
        for exif in (b"Exif\0\0" + noise, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + noise, noise):
            assert only(decode(saved(plain(RED), kind, exif=exif), SIXTEEN), RED, 3)


@pytest.mark.filterwarnings("ignore")
def test_an_orientation_beside_broken_exif_counts() -> None:
    entries = struct.pack("<HHII", ORIENTATION, 3, 1, 6) + struct.pack("<HHII", 0x9999, 5, 1000, 0xFFFFFF)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4)
    picture = landscape()
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](picture)))
    assert difference(decode(saved(stored, "JPEG", exif=exif, quality=95), View(64, 96)), picture) <= 16


# --- modes ---


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    assert only(decode(saved(plain((0, 255, 255, 0), "CMYK"), kind), SIXTEEN), RED, 4)
    assert only(decode(saved(plain((0, 0, 0, 255), "CMYK"), kind), SIXTEEN), (0, 0, 0), 4)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_is_looked_up(kind: str) -> None:
    photo = bands(RED, BLUE, each=16, other=32).convert("P", palette=Image.Palette.ADAPTIVE)
    picture = decode(saved(photo, kind), View(32, 32))
    assert only(picture[:, :16], RED)
    assert only(picture[:, 16:], BLUE)


def test_a_transparent_colour_of_a_palette_is_laid_on_white() -> None:
    photo = bands(RED, BLUE, each=16, other=32).convert("P", palette=Image.Palette.ADAPTIVE)
    clear = photo.getpixel((0, 0))
    for kind in ("PNG", "GIF"):
        picture = decode(saved(photo, kind, transparency=clear), View(32, 32))
        assert only(picture[:, :16], WHITE)
        assert only(picture[:, 16:], BLUE)


def test_a_palette_with_partial_transparency_is_laid_on_white() -> None:
    photo = Image.new("P", (16, 16), 1)
    photo.putpalette([0, 0, 0, 255, 0, 0])
    assert only(decode(saved(photo, transparency=bytes([255, 51])), SIXTEEN), (255, 204, 204), 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_transparency_is_laid_on_white(kind: str) -> None:
    options = {"WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 100}, "HEIF": {"quality": 100}}
    tolerance = 4 if kind in {"AVIF", "HEIF"} else 1
    for alpha, seen in [(0, (255, 255, 255)), (51, (204, 204, 255)), (255, (0, 0, 255))]:
        data = saved(plain((0, 0, 255, alpha), "RGBA"), kind, **options.get(kind, {}))
        assert only(decode(data, SIXTEEN), seen, tolerance)


def test_grey_with_transparency_is_laid_on_white() -> None:
    assert only(decode(saved(plain((0, 51), "LA")), SIXTEEN), (204, 204, 204), 1)
    assert only(decode(png(16, 16, 16, 4, (b"\0" + b"\0\0\x33\x33" * 16) * 16), SIXTEEN), (204, 204, 204), 1)


def test_the_colour_behind_full_transparency_does_not_shine_through_at_the_edge() -> None:
    photo = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    photo.paste((255, 255, 255, 255), (0, 0, 15, 32))
    assert only(decode(saved(photo), View(8, 8)), WHITE, 1)


@pytest.mark.parametrize(("mode", "colour"), [("1", 1), ("L", 200), ("RGB", (200, 100, 50))])
def test_one_transparent_colour_without_a_palette_is_laid_on_white(mode: str, colour: Any) -> None:
    clear = 255 if mode == "1" else colour
    assert only(decode(saved(plain(colour, mode), transparency=clear), SIXTEEN), WHITE)
    assert only(decode(saved(plain(0, mode), transparency=clear), SIXTEEN), (0, 0, 0))


def test_one_bit_pictures_are_black_and_white() -> None:
    photo = bands((0, 0, 0), WHITE, each=16, other=32).convert("1")
    for kind in ("PNG", "TIFF", "BMP"):
        picture = decode(saved(photo, kind), View(32, 32))
        assert only(picture[:, :16], (0, 0, 0))
        assert only(picture[:, 16:], WHITE)
        stripes = bands(*[(0, 0, 0), WHITE] * 80, each=1, other=160).convert("1")
        assert only(decode(saved(stripes, kind), SIXTEEN)[:, 2:-2], (127, 127, 127), 2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "PPM", "BMP"])
def test_grey_is_the_same_in_all_three_colours(kind: str) -> None:
    assert only(decode(saved(plain(90, "L"), kind), SIXTEEN), (90, 90, 90), 1)


@pytest.mark.parametrize(("value", "seen"), [(0, 0), (0x0100, 1), (0x80FF, 128), (0xFFFF, 255)])
def test_sixteen_bit_grey_keeps_its_upper_half(value: int, seen: int) -> None:
    grey = Image.fromarray(np.full((16, 16), value, np.uint16))
    for data in (
        saved(grey),
        saved(grey, "TIFF"),
        saved(grey, "PPM"),
        saved(Image.frombytes("I;16B", (16, 16), value.to_bytes(2, "big") * 256), "TIFF"),
    ):
        assert only(decode(data, SIXTEEN), (seen, seen, seen))


def test_sixteen_bit_colours_keep_their_upper_half() -> None:
    row = b"\0" + b"\xc8\xff\x64\x00\x32\x80" * 16
    assert only(decode(png(16, 16, 16, 2, row * 16), SIXTEEN), (200, 100, 50), 1)


@pytest.mark.parametrize(
    "photo",
    [
        Image.fromarray(np.full((16, 16), 0.5, np.float32)),
        Image.fromarray(np.full((16, 16), 70_000, np.int32)),
        Image.fromarray(np.full((16, 16), -1, np.int32)),
        Image.new("LAB", (16, 16)),
    ],
    ids=["float", "32 bit", "negative", "lab"],
)
def test_pixels_of_unknown_meaning_are_an_unsupported_format(photo: Image.Image) -> None:
    assert outcome(saved(photo, "TIFF")) == "unsupported format"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_an_animation_the_first_picture_is_taken(kind: str) -> None:
    data = saved(plain(RED), kind, save_all=True, append_images=[plain(GREEN), plain(BLUE)])
    assert only(decode(data, SIXTEEN), RED, 6)


# --- profiles ---


def swapped() -> bytes:
    """SRGB's own profile with the primaries of red and blue exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for a, b in [(b"rXYZ", b"????"), (b"bXYZ", b"rXYZ"), (b"????", b"bXYZ")]:
        assert profile.count(a) == 1
        profile = profile.replace(a, b)
    return profile.replace("sRGB".encode("utf-16-be"), "sBGR".encode("utf-16-be")).replace(b"sRGB", b"sBGR")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_a_profile_is_honoured(kind: str) -> None:
    assert only(decode(saved(plain(RED), kind, icc_profile=swapped()), SIXTEEN), BLUE, 6)
    assert only(decode(saved(plain(GREEN), kind, icc_profile=swapped()), SIXTEEN), GREEN, 6)


def test_a_profile_is_applied_with_transparency_and_with_a_palette() -> None:
    clear = plain((255, 0, 0, 51), "RGBA")
    assert only(decode(saved(clear, icc_profile=swapped()), SIXTEEN), (204, 204, 255), 2)
    palette = plain(RED).convert("P", palette=Image.Palette.ADAPTIVE)
    assert only(decode(saved(palette, icc_profile=swapped()), SIXTEEN), BLUE, 2)


def test_a_profile_does_not_change_the_grey_of_pad() -> None:
    gamma = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gamma = gamma.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")).replace(b"sRGB", b"test")
    start = gamma.index(b"para\0\0\0\0") + 12
    gamma = gamma[:start] + struct.pack(">i", 1 << 16) + gamma[start + 4 :]  # exponent 1 for 2.4
    data = saved(plain((127, 127, 127), size=(40, 20)), icc_profile=gamma)
    picture = decode(data, View(40, 40, "pad"))
    assert not only(picture[10:30], GREY, 10), "the profile changes this grey"
    assert only(picture[:10], GREY)
    assert only(picture[30:], GREY)


def test_a_picture_tagged_srgb_is_left_as_it_is() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = landscape()
    data = saved(Image.fromarray(picture))
    assert np.array_equal(decode(saved(Image.fromarray(picture), icc_profile=profile), SIXTEEN), decode(data, SIXTEEN))
    assert np.array_equal(decode(saved(Image.fromarray(picture), icc_profile=profile), View(64, 96)), picture)


@pytest.mark.parametrize("profile", [b"", b"nonsense", bytes(128), bytes(4000), swapped()[:200], swapped()[:-100]])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    for kind in ("PNG", "JPEG"):
        assert only(decode(saved(plain(RED), kind, icc_profile=profile), SIXTEEN), RED, 3)


def test_a_profile_of_another_kind_of_picture_is_ignored() -> None:
    assert only(decode(saved(plain((0, 255, 255, 0), "CMYK"), "TIFF", icc_profile=swapped()), SIXTEEN), RED, 4)
    assert only(decode(saved(plain(90, "L"), icc_profile=swapped()), SIXTEEN), (90, 90, 90), 1)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert only(decode(saved(plain(RED), icc_profile=lab), SIXTEEN), RED)


# --- what cannot be used ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "AVIF", "HEIF", "PPM"])
def test_a_photo_that_ends_in_the_middle_is_truncated(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))
    data = saved(noise, kind)
    assert outcome(data) == "used"
    assert outcome(data[: len(data) * 2 // 3]) == "truncated"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "HEIF"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_photo_is_never_used(kind: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))
    data = saved(noise, kind)
    # These libraries do not say of a file that it is cut; of the others ours does.
    corrupt = kind == "WEBP" or (kind, part) in {("GIF", 0.02), ("AVIF", 0.02)}
    assert outcome(data[: int(len(data) * part)]) == ("corrupt" if corrupt else "truncated")


def test_a_photo_with_damaged_bytes_is_corrupt() -> None:
    data = bytearray(saved(Image.fromarray(landscape())))
    middle = data.index(b"IDAT") + 100
    data[middle : middle + 8] = b"damaged!"
    assert outcome(bytes(data)) == "corrupt"


def test_empty_files_texts_and_videos_are_not_photos() -> None:
    assert outcome(b"") == "empty"
    assert outcome(b"this is a shopping list: apples, pears") == "not an image"
    assert outcome(b"\0\0\0\x18ftypmp42" + bytes(100)) == "not an image"
    assert outcome(b"8BPS\0\1" + bytes(100)) == "unsupported format"


WHOLE = {
    kind: saved(Image.fromarray(landscape(40, 30)), kind)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "HEIF")
}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    damage=st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=6)), max_size=4),
    end=st.floats(0, 1),
    fit=st.sampled_from(["squash", "crop", "pad"]),
)
def test_whatever_the_damage_there_is_an_outcome(
    kind: str, damage: list[tuple[float, bytes]], end: float, fit: images.Fit
) -> None:
    data = bytearray(WHOLE[kind])
    for place, noise in damage:
        start = int(place * len(data))
        data[start : start + len(noise)] = noise
    outcome(bytes(data[: int(end * len(data))]), View(16, 24, fit))


# --- bombs ---


def header_only(kind: str, width: int, height: int) -> bytes:
    """The first bytes of a picture that would be this large."""
    if kind == "PNG":
        return png(width, height, 8, 2, b"")
    if kind == "PPM":
        return b"P6 %d %d 255\n" % (width, height)
    if kind == "GIF":
        data = saved(plain(RED, size=(16, 8)), "GIF")
        assert data.count(struct.pack("<HH", 16, 8)) == 2, "the canvas and the picture on it"
        return data.replace(struct.pack("<HH", 16, 8), struct.pack("<HH", width, height))
    if kind == "BMP":
        return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    if kind == "TIFF":
        data = saved(plain(RED, size=(16, 8)), "TIFF")
        for tag, old, new in [(256, 16, width), (257, 8, height)]:
            entries = [struct.pack("<HHII", tag, type_, 1, old) for type_ in (3, 4)]
            assert sum(data.count(entry) for entry in entries) == 1
            for entry in entries:
                data = data.replace(entry, struct.pack("<HHII", tag, 4, 1, new))
        return data
    data = saved(plain(RED, size=(16, 8)), "JPEG", progressive=kind == "progressive", subsampling=0)
    return jpeg_of(data, width, height)


def jpeg_of(data: bytes, width: int, height: int) -> bytes:
    start = max(data.find(b"\xff\xc0\0\x11\x08"), data.find(b"\xff\xc2\0\x11\x08")) + 5
    return data[:start] + struct.pack(">HH", height, width) + data[start + 4 :]


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding anything fails, with a reason that no bomb is expected to have."""

    def load(*_: object) -> None:
        raise PhotoError("duplicate", "this picture was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    monkeypatch.setattr(images, "_decode_apart", load)


@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize("kind", ["PNG", "PPM", "GIF", "BMP", "TIFF", "JPEG", "progressive"])
def test_a_bomb_is_refused_by_its_header(kind: str) -> None:
    assert outcome(header_only(kind, 16, 8)) == "duplicate", "a small picture is decoded"
    assert outcome(header_only(kind, 60_000, 60_000)) == "too large"


@pytest.mark.usefixtures("no_decoding")
def test_a_large_jpeg_is_used_because_it_is_decoded_at_a_reduced_size() -> None:
    assert outcome(header_only("JPEG", 16_384, 16_384)) == "duplicate"
    assert outcome(header_only("JPEG", 16_385, 16_384)) == "too large"
    assert outcome(header_only("JPEG", 16_384, 16_384), View(16_000, 16_000)) == "too large"
    assert outcome(header_only("PNG", 16_384, 16_384)) == "too large"


@pytest.mark.usefixtures("no_decoding")
def test_a_progressive_jpeg_is_measured_by_the_coefficients_that_decoding_it_keeps() -> None:
    assert outcome(header_only("JPEG", 9_000, 9_000)) == "duplicate"
    assert outcome(header_only("progressive", 8_000, 8_000)) == "duplicate"
    assert outcome(header_only("progressive", 11_000, 11_000)) == "too large"
    halved = saved(plain(RED, size=(16, 16)), "JPEG", progressive=True, subsampling=2)
    assert outcome(jpeg_of(halved, 11_000, 11_000)) == "duplicate"
    assert outcome(jpeg_of(saved(plain(90, "L"), "JPEG", progressive=True), 60, 60)) == "duplicate"


def test_running_out_of_memory_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert outcome(saved(plain(RED))) == "too large"


# --- files ---


def test_reading_gives_the_bytes_and_leaves_the_file_alone(tmp_path: Path) -> None:
    data = saved(Image.fromarray(landscape()))
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    before = (path.stat().st_mtime_ns, path.stat().st_ctime_ns)
    assert read(path) == read(str(path)) == data
    assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns) == before


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert refused(tmp_path / "a.jpg") == "empty"


def test_a_file_that_is_not_a_photo_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("a shopping list")
    assert refused(tmp_path / "a.jpg") == "not an image"
    (tmp_path / "a.dng").write_bytes(b"II*\0" + bytes(100))
    assert refused(tmp_path / "a.dng") == "unsupported format"


def test_a_file_that_is_gone_a_folder_or_impossible_is_unreadable(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.jpg") == "unreadable"
    assert refused(tmp_path) == "unreadable"
    assert refused(tmp_path / ("x" * 300)) == "unreadable"
    assert refused("zero\0byte.jpg") == "unreadable"


@posix
def test_links_that_lead_nowhere_or_to_themselves_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("no such photo")
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / "gone") == "unreadable"
    assert refused(tmp_path / "loop") == "unreadable"


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(plain(RED)))

    def denied(*args: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(PhotoError, match="unreadable: Permission denied"):
        read(tmp_path / "a.jpg")


def within(seconds: float, path: str | Path) -> str:
    """The refusal of a path, or a failure if it takes too long."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(refused(path)), daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else "still waiting"


@posix
def test_a_pipe_is_unreadable_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert within(10, tmp_path / "pipe.jpg") == "unreadable"


@posix
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_unreadable(device: str) -> None:
    assert within(10, device) == "unreadable"


@posix
def test_a_socket_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may have about 100 bytes only
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
        assert within(10, "s.jpg") == "unreadable"


def sparse(path: Path, start: bytes, size: int) -> Path:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


def test_a_file_above_the_limit_is_too_large_and_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 2**20)
    start = saved(plain(RED))
    assert len(read(sparse(tmp_path / "a.png", start, 2**20))) == 2**20
    assert refused(sparse(tmp_path / "b.png", start, 2**20 + 1)) == "too large"
    assert refused(sparse(tmp_path / "c.png", b"text", 2**20 + 1)) == "not an image"
    monkeypatch.undo()
    assert images.MAX_BYTES == 2**29
    assert refused(sparse(tmp_path / "d.png", start, 2**34)) == "too large"


def test_a_large_file_is_not_held_and_gives_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "PPM", "GIF", "HEIF", "AVIF"):
        data = saved(Image.fromarray(landscape(200, 150)), kind)
        (tmp_path / "a b.jpg").write_bytes(data)
        held = load(tmp_path / "a b.jpg", VIEWS[1])
        with monkeypatch.context() as patch:
            patch.setattr(images, "HELD_BYTES", 100)
            large = read(tmp_path / "a b.jpg")
            assert isinstance(large, images.LargeFile)
            assert content_hash(large) == content_hash(data)
            assert np.array_equal(decode(large, VIEWS[1]), held)


def test_a_large_file_that_changes_before_it_is_decoded_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "HELD_BYTES", 50)
    path = tmp_path / "a.png"
    path.write_bytes(saved(plain(RED)))
    os.utime(path, (1_600_000_000, 1_600_000_000))  # a file that is large in earnest is hashed longer than a tick
    before = read(path)
    assert isinstance(before, images.LargeFile)
    path.write_bytes(saved(plain(BLUE)))
    for change in (lambda: None, path.unlink):
        change()
        with pytest.raises(PhotoError, match="unreadable"):
            decode(before, SIXTEEN)


def test_a_file_that_grows_while_it_is_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(saved(plain(RED)).ljust(1_000, b"\0"))
    stamp = images._stamp
    for limit in ("HELD_BYTES", "MAX_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(images, "HELD_BYTES", 500)
            patch.setattr(images, limit, 500)
            size = 400 if limit == "HELD_BYTES" else 500
            patch.setattr(images, "_stamp", lambda descriptor, size=size: (size, *stamp(descriptor)[1:]))
            if limit == "MAX_BYTES":
                patch.setattr(images, "HELD_BYTES", 450)
            with pytest.raises(PhotoError, match="it grew"):
                read(path)


def test_a_photo_decoded_in_a_child_process_has_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [saved(Image.fromarray(landscape(300, 200)), kind) for kind in ("JPEG", "PNG", "WEBP", "HEIF")]
    data += [turned(landscape(), 6, "TIFF"), saved(plain((0, 51), "LA"))]
    here = [decode(one, view) for one in data for view in (SIXTEEN, VIEWS[2])]
    monkeypatch.setattr(images, "unusual", lambda *_: True)
    apart = [decode(one, view) for one in data for view in (SIXTEEN, VIEWS[2])]
    assert all(np.array_equal(a, b) and b.flags.writeable for a, b in zip(here, apart, strict=True))


def test_a_photo_that_takes_too_long_in_a_child_process_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "unusual", lambda *_: True)
    monkeypatch.setattr(images, "SECONDS", 0.01)
    with pytest.raises(PhotoError, match=r"too large: .*more than 0 seconds"):
        decode(saved(plain(RED)), SIXTEEN)


def test_a_decoding_process_that_cannot_start_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "unusual", lambda *_: True)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(PhotoError, match="unreadable: the process to decode it cannot be started"):
        decode(saved(plain(RED)), SIXTEEN)


# --- identity ---


def test_a_renamed_or_copied_photo_is_the_same_and_an_edited_one_is_not(tmp_path: Path) -> None:
    data = saved(Image.fromarray(landscape()), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    (tmp_path / "b.png").write_bytes(data)
    assert content_hash(read(tmp_path / "a.jpg")) == content_hash(read(tmp_path / "b.png"))
    assert content_hash(data) == hashlib.sha256(data).digest()
    assert content_hash(data) != content_hash(data + b"\0")
    assert content_hash(data) != content_hash(saved(Image.fromarray(landscape()), "JPEG", comment="a comment"))


# --- what people's folders really hold ---

REFUSED = {
    "65536-uint32-limit.png": "too large",
    "broken.png": "corrupt",
    "broken_data_stream.png": "corrupt",
    "corrupt-header.jpg": "truncated",
    "corrupted.heic": "corrupt",
    "decompression_bomb.gif": "too large",
    "empty.heic": "empty",
    "giant-image.jpg": "too large",
    "png_decompression_dos.png": "too large",
    "truncated.heic": "truncated",
    "truncated.jpg": "truncated",
    "truncated.png": "truncated",
    "truncated_image.png": "truncated",
    "truncated_jpeg.jpg": "truncated",
}
# fmt: off
USED = [
    "1.heic", "16-bit-grey-alpha.png", "16bit.cropped.tif", "2.heic", "3.heic", "4.heic",
    "Channel_digital_image_CMYK_color.jpg", "Crash_test.gif", "Flag_of_the_Netherlands-16bit.png",
    "Landscape_3.jpg", "Landscape_6.jpg", "Portrait_5.jpg", "Portrait_8.jpg", "animated-loop-3.gif",
    "animated-loop-3.webp", "apng.png", "arrow.heic", "big-height.webp", "chi.gif", "dispose_bgnd.gif",
    "hopper.avif", "hopper.bmp", "hopper.gif", "hopper.tif", "hopper.webp", "hopper_16bit.pgm", "hopper_gray.jpg",
    "hopper_orientation_2.jpg", "hopper_orientation_3.jpg", "hopper_orientation_6.jpg", "hopper_orientation_6.webp",
    "hopper_orientation_8.jpg", "icc_profile_big.jpg", "l_trns.png", "orientation_rectangle.jpg",
    "p_trns_single.png", "pil_sample_cmyk.jpg", "pug.heic", "tiff_16bit_RGB.tiff", "truncated_app14.jpg",
]
# fmt: on
BOMBS = ["65536-uint32-limit.png", "decompression_bomb.gif", "giant-image.jpg", "png_decompression_dos.png"]

ODD = """
import json, os, resource, sys
from concurrent.futures import ThreadPoolExecutor
from headstart.errors import PhotoError
from headstart.photos.images import View, load

folder, bombs = sys.argv[1], json.loads(sys.argv[2])

def outcome(name):
    try:
        load(os.path.join(folder, name), View(224, 224))
    except PhotoError as error:
        return error.reason
    return "used"

def peak():
    # ru_maxrss would hand down the peak of the process that started this one.
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // (1024 if sys.platform == "darwin" else 1)

outcome("hopper_gray.jpg")
before = peak()
for name in bombs:
    outcome(name)
after = peak()
names = sorted(os.listdir(folder))
with ThreadPoolExecutor(4) as pool:
    outcomes = dict(zip(names, pool.map(outcome, names)))
print(json.dumps({"bombs": after - before, "peak": peak(), "outcomes": outcomes}))
"""


@shared
@posix
def test_every_odd_file_has_its_outcome_within_a_gigabyte_and_the_bombs_cost_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ODD, SHARED / "odd", json.dumps(BOMBS)], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["outcomes"] == {**REFUSED, **dict.fromkeys(USED, "used")}
    assert answer["peak"] <= 1e9
    assert answer["bombs"] <= 20e6


@shared
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted([*REFUSED, *USED]))
def test_an_odd_file_has_the_same_outcome_in_another_view(name: str) -> None:
    view = View(48, 64, "crop", 0.875)
    if name in REFUSED:
        with pytest.raises(PhotoError, match=REFUSED[name]):
            load(SHARED / "odd" / name, view)
    else:
        of_one_colour = load(SHARED / "odd" / name, view).std() <= 1
        assert of_one_colour == (name in {"16bit.cropped.tif", "big-height.webp"})


@shared
@pytest.mark.usefixtures("no_decoding")
@pytest.mark.parametrize("name", BOMBS)
def test_the_real_bombs_are_refused_without_being_decoded(name: str) -> None:
    with pytest.raises(PhotoError, match="too large"):
        load(SHARED / "odd" / name, SIXTEEN)


@shared
@pytest.mark.parametrize("number", [2, 3, 6, 8])
def test_the_rotated_hoppers_look_like_the_upright_hopper(number: int) -> None:
    view = View(64, 64)
    upright = load(SHARED / "odd" / "hopper.bmp", view).astype(int)
    assert np.abs(load(SHARED / "odd" / f"hopper_orientation_{number}.jpg", view) - upright).mean() < 12


@shared
@pytest.mark.parametrize("name", ["hopper.avif", "hopper.webp", "hopper.tif", "hopper_orientation_6.webp"])
def test_hopper_is_hopper_in_every_format(name: str) -> None:
    view = View(64, 64)
    upright = load(SHARED / "odd" / "hopper.bmp", view).astype(int)
    assert np.abs(load(SHARED / "odd" / name, view) - upright).mean() < 12
