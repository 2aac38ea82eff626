"""The kind of a picture is told by its first bytes; what cannot be read says why."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from headstart.errors import PhotoError
from headstart.photos.formats import READERS, ends_early, open_header, sniff
from headstart.photos.images import View, decode

#: kind -> how Pillow is asked to write it
WRITABLE = {
    "jpeg": "JPEG",
    "png": "PNG",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "webp": "WEBP",
    "pnm": "PPM",
    "avif": "AVIF",
    "heif": "HEIF",
}


def photo_bytes(kind: str) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    picture = Image.new("RGB", (16, 8), (200, 100, 50))
    if kind == "heif":
        pillow_heif.from_pillow(picture).save(file)
    else:
        picture.save(file, WRITABLE[kind])
    return file.getvalue()


def refusal(head: bytes, name: str = "") -> str:
    with pytest.raises(PhotoError) as caught:
        sniff(head, name)
    return caught.value.reason


def box(name: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + name + body


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_kind_is_recognised_by_its_first_32_bytes(kind: str) -> None:
    assert sniff(photo_bytes(kind)[:32]) == kind


@pytest.mark.parametrize("kind", WRITABLE)
def test_the_size_is_read_from_the_header(kind: str) -> None:
    assert open_header(kind, io.BytesIO(photo_bytes(kind))).size == (16, 8)


def test_every_kind_has_a_reader_and_every_reader_a_test() -> None:
    assert set(READERS) == set(WRITABLE)


def test_the_name_of_a_photo_does_not_matter() -> None:
    assert sniff(photo_bytes("jpeg")[:32], "holiday.png") == "jpeg"
    assert sniff(photo_bytes("png")[:32], "holiday.dng") == "png"


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_tiff_is_known_in_both_byte_orders_and_both_sizes(start: bytes) -> None:
    assert sniff(start + bytes(28)) == "tiff"


@pytest.mark.parametrize("header", [12, 40, 52, 56, 64, 108, 124])
def test_bmp_is_known_by_the_length_of_its_header(header: int) -> None:
    assert sniff(b"BM" + bytes(12) + header.to_bytes(4, "little") + bytes(14)) == "bmp"


def test_a_text_that_begins_with_bm_is_not_a_picture() -> None:
    assert refusal(b"BMW is a maker of cars in Munich") == "not an image"


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"])
def test_heif_is_known_by_any_of_its_brands(brand: bytes) -> None:
    assert sniff(b"\0\0\0\x18ftyp" + brand + bytes(4) + b"abcdefgh") == "heif"
    assert sniff(b"\0\0\0\x18ftypabcd" + bytes(4) + brand + b"efgh") == "heif"


def test_avif_that_also_calls_itself_mif1_is_avif() -> None:
    assert sniff(b"\0\0\0\x1cftypmif1" + bytes(4) + b"mif1avifmiaf") == "avif"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "empty"),
        (b"\0\0\0\x18ftypisom" + bytes(20), "not an image"),
        (b"hello, world", "not an image"),
        (b"%PDF-1.7", "not an image"),
        (b"PK\3\4", "not an image"),
        (b"<html><body>not found</body></html>", "not an image"),
        (b"\0" * 32, "not an image"),
        (b"P5", "not an image"),
        (b"P500 notes", "not an image"),
        (b"\xff\x0a" + bytes(30), "unsupported format"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported format"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "unsupported format"),
        (b"\xff\x4f\xff\x51" + bytes(28), "unsupported format"),
        (b"8BPS\0\1", "unsupported format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported format"),
        (b"FUJIFILMCCD-RAW 0201", "unsupported format"),
        (b"IIU\0" + bytes(28), "unsupported format"),
        (b"IIRO" + bytes(28), "unsupported format"),
        (b"\0\0\0\x18ftypcrx " + bytes(20), "unsupported format"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_with_a_reason(head: bytes, reason: str) -> None:
    assert refusal(head[:32]) == reason


@pytest.mark.parametrize("ending", [".dng", ".NEF", ".cr2", ".Arw"])
def test_camera_raw_with_the_signature_of_tiff_is_recognised_by_its_extension(ending: str) -> None:
    assert refusal(b"II*\0" + bytes(28), "IMG_1" + ending) == "unsupported format"
    assert sniff(b"II*\0" + bytes(28), "IMG_1.tif") == "tiff"


@pytest.mark.parametrize("kind", ["avif", "heif"])
def test_a_whole_heif_or_avif_file_does_not_end_early(kind: str) -> None:
    assert not ends_early(kind, photo_bytes(kind))


@pytest.mark.parametrize("kind", ["avif", "heif"])
@pytest.mark.parametrize("lost", [1, 10])
def test_a_heif_or_avif_file_that_lost_its_last_bytes_ends_early(kind: str, lost: int) -> None:
    assert ends_early(kind, photo_bytes(kind)[:-lost])


def test_other_kinds_are_left_to_their_decoders() -> None:
    assert not ends_early("jpeg", photo_bytes("heif")[:-10])


def test_a_box_with_a_64_bit_length_is_followed() -> None:
    start = box(b"ftyp", b"heic" + bytes(12))
    long_box = (1).to_bytes(4, "big") + b"mdat" + (16 + 100).to_bytes(8, "big") + bytes(100)
    assert not ends_early("heif", start + long_box)
    assert ends_early("heif", start + long_box[:-1])


def test_a_box_that_goes_up_to_the_end_cannot_end_early() -> None:
    assert not ends_early("heif", box(b"ftyp", b"heic" + bytes(12)) + b"\0\0\0\0mdat" + bytes(50))


def test_what_a_phone_appends_behind_the_picture_may_be_cut() -> None:
    whole = photo_bytes("heif")
    assert not ends_early("heif", whole + box(b"mpvd", bytes(1000))[:-500])
    assert not ends_early("heif", whole + b"SEFH" + bytes(range(200)))
    assert not ends_early("heif", whole + bytes(100))


# --- pictures that we cannot read are no damaged ones ---


def test_bitmaps_and_heifs_of_other_makers_are_an_unsupported_format() -> None:
    for header in (16, 20, 48):
        assert refusal(b"BM" + bytes(12) + header.to_bytes(4, "little") + bytes(14)) == "unsupported format"
    assert refusal(b"BA" + bytes(12) + b"BM" + bytes(14)) == "unsupported format"
    assert refusal(b"BM, Karlsruhe, and its traffic lig") == "not an image"
    for brand in (b"avci", b"j2ki", b"vvic", b"jpeg"):
        assert refusal(b"\0\0\0\x18ftyp" + brand + bytes(16)) == "unsupported format"


@pytest.mark.parametrize("coding", [b"av01", b"vvc1", b"j2k1", b"unci", b"avc1", b"jpeg", b"evc1"])
def test_a_heif_of_another_coding_is_an_unsupported_format(coding: bytes) -> None:
    with pytest.raises(PhotoError) as caught:
        decode(photo_bytes("heif").replace(b"hvc1", coding), View(8, 8))
    assert caught.value.reason == "unsupported format"


def test_a_damaged_heif_is_still_corrupt() -> None:
    data = bytearray(photo_bytes("heif"))
    start = data.index(b"hvcC") + 8
    data[start : start + 40] = bytes(40)
    with pytest.raises(PhotoError, match="corrupt"):
        decode(bytes(data), View(8, 8))


@pytest.mark.parametrize(
    ("bits", "compression", "masks"),
    [
        (16, 3, (0xF, 0xF0, 0xF00)),
        (32, 3, (1, 2, 4)),
        (0, 4, ()),
        (0, 5, ()),
        (2, 0, ()),
        (24, 4, ()),
        (24, 3, (1, 2, 4)),
    ],
)
def test_an_unusual_bitmap_is_an_unsupported_format(bits: int, compression: int, masks: tuple[int, ...]) -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, bits, compression, 0, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 66) + header + struct.pack(f"<{len(masks)}I", *masks) + bytes(400)
    with pytest.raises(PhotoError) as caught:
        decode(data, View(8, 8))
    assert caught.value.reason == "unsupported format"
