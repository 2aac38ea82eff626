"""Which kind of picture is it? Told by its first bytes, never by its name; and who opens it.

Opening by class instead of `PIL.Image.open` keeps Pillow's other plug-ins unloaded (`Image.init` costs 0.1 s)
and leaves its process-wide pixel limit alone: `images` checks its own, before anything is decoded.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import ImageFile

from headstart.errors import PhotoError


def sniff(head: bytes, name: str = "") -> str:
    """Name the kind of a picture from its first 32 bytes.

    Args:
        head: the first bytes of the file.
        name: its name; only camera raw files, which call themselves TIFF, are told by it.

    Returns:
        one of the keys `jpeg png gif bmp tiff webp pnm avif heif`.

    Raises:
        PhotoError: `empty`, `unsupported format` (a picture that we cannot read) or `not an image`.
    """
    if not head:
        raise PhotoError("empty", "the file has 0 bytes")
    if head[4:8] == b"ftyp":
        brands = {head[i : i + 4] for i in range(8, len(head), 4)}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}:
            return "heif"
        if b"crx " in brands:
            raise PhotoError("unsupported format", _RAW)
        raise PhotoError("not an image", "a film or sound file")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return "bmp"
    if head[:2] in {b"P5", b"P6"} and head[2:3].isspace():
        return "pnm"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            if kind == "tiff" and name.lower().endswith(_RAW_ENDINGS):
                raise PhotoError("unsupported format", _RAW)
            return kind
    for signature, what in _FOREIGN:
        if head.startswith(signature):
            raise PhotoError("unsupported format", what)
    raise PhotoError("not an image", "its first bytes are of no picture format known here")


def ends_early(kind: str, data: bytes) -> bool:
    """Does a HEIF or AVIF file end before the last box of its picture does?

    libheif shows what is left of such a file as if it were the picture. A box is a length (uint32, big endian;
    1: a uint64 follows the name; 0: up to the end) and a name (ISO/IEC 14496-12, section 4.2). What phones
    append behind the picture may be cut, or may be no box at all.
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
_FOREIGN = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"<svg", "SVG drawing"),
    *((start, _RAW) for start in (b"FUJIFILM", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb")),
)
_RAW_ENDINGS = (".dng", ".nef", ".cr2", ".arw", ".orf", ".rw2", ".pef", ".srw", ".3fr")


def _open_jpeg(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.JpegImagePlugin import JpegImageFile

    return JpegImageFile(file)


def _open_png(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.PngImagePlugin import PngImageFile

    return PngImageFile(file)


def _open_gif(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.GifImagePlugin import GifImageFile

    return GifImageFile(file)


def _open_bmp(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.BmpImagePlugin import BmpImageFile

    return BmpImageFile(file)


def _open_tiff(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.TiffImagePlugin import TiffImageFile

    return TiffImageFile(file)


def _open_webp(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(file)


def _open_pnm(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.PpmImagePlugin import PpmImageFile

    return PpmImageFile(file)


def _open_avif(file: io.BytesIO) -> ImageFile.ImageFile:
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(file)


def _open_heif(file: io.BytesIO) -> ImageFile.ImageFile:
    from pillow_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


#: kind -> opener; an opener reads the header only.
OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "jpeg": _open_jpeg,
    "png": _open_png,
    "gif": _open_gif,
    "bmp": _open_bmp,
    "tiff": _open_tiff,
    "webp": _open_webp,
    "pnm": _open_pnm,
    "avif": _open_avif,
    "heif": _open_heif,
}
