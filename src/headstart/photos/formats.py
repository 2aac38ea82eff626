"""Recognises the format of a picture by its first bytes, not by its name, and opens it.

Opening by class instead of `PIL.Image.open` keeps Pillow's other plug-ins unloaded (`Image.init` costs 0.1 s)
and leaves its process-wide pixel limit alone: `images` checks its own, before anything is decoded.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import BinaryIO

from PIL import ImageFile

from headstart.errors import PhotoError


def sniff(head: bytes, name: str = "") -> str:
    """The kind of a picture, from its first 32 bytes.

    Args:
        head: the first bytes of the file.
        name: its name; needed only for camera raw files, which look like TIFF.

    Returns:
        one of the keys `jpeg png gif bmp tiff webp pnm avif heif`.

    Raises:
        PhotoError: `empty`, `unsupported format` (a picture that headstart cannot read) or `not an image`.
    """
    if not head:
        raise PhotoError("empty", "the file has 0 bytes")
    if head[4:8] == b"ftyp":
        brands = {head[i : i + 4] for i in range(8, len(head), 4)}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}:
            return "heif"
        if brands & _FOREIGN_BRANDS:
            raise PhotoError("unsupported format", "HEIF with pictures that are not coded as HEVC")
        if b"crx " in brands:
            raise PhotoError("unsupported format", _RAW)
        raise PhotoError("not an image", "a video or audio file")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return "bmp"
    if (head[:2] == b"BM" and head[15:18] == b"\0\0\0" and 16 <= head[14] < 64) or (head[:2], head[14:16]) == _OS2:
        raise PhotoError("unsupported format", "an OS/2 bitmap")
    if head[:2] in {b"P5", b"P6"} and head[2:3].isspace():
        return "pnm"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            if kind == "tiff" and name.lower().endswith(_RAW_EXTENSIONS):
                raise PhotoError("unsupported format", _RAW)
            return kind
    for signature, what in _FOREIGN:
        if head.startswith(signature):
            raise PhotoError("unsupported format", what)
    raise PhotoError("not an image", "its first bytes match no known picture format")


def ends_early(kind: str, data: bytes) -> bool:
    """Whether a HEIF or AVIF file ends before the last box of its picture.

    libheif decodes the rest of such a file as if it were whole. A box is a length (uint32, big endian;
    1: a uint64 follows the name; 0: up to the end) and a name (ISO/IEC 14496-12, section 4.2). Data that phones
    append after the picture may be cut off, or may not be a box.
    """
    if kind not in {"heif", "avif"}:
        return False
    position = 0
    while position + 16 <= len(data):
        length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if length == 1:
            length = int.from_bytes(data[position + 8 : position + 16], "big")
        if length < 8:
            return False
        position += length
        if position > len(data):
            return name in {b"ftyp", b"meta", b"mdat", b"moov"}
    return False


def foreign_coding(kind: str, data: bytes) -> str | None:
    """The coding of the pictures of a HEIF; None if one is HEVC, the only coding that our libheif decodes."""
    items = set(_ITEM.findall(data[:_ITEMS_WITHIN])) if kind == "heif" else set()
    return None if b"hvc1" in items else next((name for item, name in _CODINGS.items() if item in items), None)


_ITEMS_WITHIN = 2**16
_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_RAW = "camera raw; export it as JPEG"
_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}
_OS2 = (b"BA", b"BM")
_FOREIGN_BRANDS = {b"avci", b"avcs", b"j2ki", b"j2is", b"jpeg", b"jpgs", b"vvic", b"vvis", b"evbi", b"evbs"}
#: An entry of a HEIF's list of items, up to its type (ISO/IEC 14496-12, section 8.11.6).
_ITEM = re.compile(rb"infe(?:\x02.{3}.{4}|\x03.{3}.{6})(\w{4})", re.DOTALL)
_CODINGS = {
    b"av01": "AV1",
    b"avc1": "AVC",
    b"evc1": "EVC",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "uncompressed pixels",
    b"vvc1": "VVC",
}
_FOREIGN = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"<svg", "SVG drawing"),
    *((start, _RAW) for start in (b"FUJIFILM", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb")),
)
_RAW_EXTENSIONS = (".dng", ".nef", ".cr2", ".arw", ".orf", ".rw2", ".pef", ".srw", ".3fr")
#: kind -> module and class that read it.
READERS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "pnm": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heif": ("pillow_heif", "HeifImageFile"),
}


def open_header(kind: str, file: BinaryIO) -> ImageFile.ImageFile:
    """Open a picture of one of the kinds of `READERS`; only its header is read."""
    module, reader = READERS[kind]
    image: ImageFile.ImageFile = getattr(import_module(module), reader)(file)
    return image
