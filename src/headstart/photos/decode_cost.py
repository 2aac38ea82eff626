"""The cost of decoding a photo, estimated from its header; it decides which photos are decoded in a child process.

The user's process decodes only what certainly takes little memory and about a second. The figures per pixel are
peaks measured with Pillow 13, libheif 1.23, libavif 1.4 and libwebp 1.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from PIL import Image, ImageFile

#: Limit for a JPEG with several scans, in pixels times scans. Ordinary progressive files have about ten scans.
MAX_SCANNED_PIXELS = 2**31

#: Most pixels (of a JPEG: times scans) that the user's process decodes itself: about a second on an ordinary processor.
#: None of AVIF, whose decoder may allocate more than the header claims.
_HERE = {"jpeg": 2**28, "png": 25 * 2**20, "heif": 25 * 2**20, "webp": 2**23, "avif": 0, "pnm": 2**25}
_HERE_OTHERS = 2**24
#: Bytes per pixel that a decoder needs in addition to the picture.
_DECODER = {"webp": 12, "avif": 6, "heif": 6}
_DEEP = {"heif": 3}
#: Bytes per pixel of a mode, 4 if not listed.
_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}

#: Files up to this size are read quickly, whatever their structure.
_SMALL = 2**20
#: Parts of a file (segments, chunks, blocks) before its pixels.
_PARTS = 1000
_TEXTS = 16
#: Bytes of numbers in the tags of a TIFF or of EXIF data; a strip or tile has 8 to 16 of them.
_TAG_BYTES = 2**17
_TAG_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SUB_FOLDERS = (34665, 34853, 40965)
_PNM = re.compile(rb"P[56](?:\s+|#[^\r\n]{0,200}[\r\n])+\d+\s+\d+\s+(255|65535)\s")
_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
_LONG_RUN = b"\xff" * 4096


@dataclass(frozen=True)
class Cost:
    """The cost of decoding a photo.

    Attributes:
        memory: bytes at the peak.
        apart: whether it must be decoded in a child process.
        scanned: pixels, for a JPEG with several scans times their number.
    """

    memory: int
    apart: bool
    scanned: int


def estimate(kind: str, image: ImageFile.ImageFile, data: bytes) -> Cost:
    """Estimate the cost of decoding an opened photo; a JPEG is already set to its reduced size.

    Args:
        kind: by `formats.sniff`.
        image: opened, not loaded.
        data: the bytes of its file.
    """
    pixels = image.width * image.height
    memory = pixels * (_rendering(image) + _DECODER.get(kind, 0)) + len(data)
    scanned = pixels
    if kind == "jpeg":
        header = _jpeg_header(data)
        memory += header.coefficients
        scanned = header.pixels * (_jpeg_scans(data) if header.several else 1)
    if kind == "heif" and image.info.get("bit_depth", 8) > 8:
        memory += pixels * _DEEP["heif"]
    if kind == "tiff":
        memory += _tiff_buffer(image)
    exif = image.info.get("exif")
    apart = scanned > _HERE.get(kind, _HERE_OTHERS) or (isinstance(exif, bytes) and not plain_tags(exif))
    return Cost(memory, apart, scanned)


def unusual(kind: str, data: bytes) -> bool:
    """Whether opening or decoding this file could take more time or memory than its header suggests.

    Much of Pillow's code for opening photos is Python that reads a file part by part; it can have millions of parts.
    """
    if kind == "tiff":
        return not plain_tags(data)
    look = {"jpeg": _jpeg, "png": _png, "gif": _gif, "bmp": _bmp, "pnm": _pnm}.get(kind)
    return look is not None and look(data)


def webp_pixels(data: bytes) -> int:
    """Pixels of a WebP, for which memory is allocated when it is opened; 0 if unknown."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return (int.from_bytes(data[24:27], "little") + 1) * (int.from_bytes(data[27:30], "little") + 1)
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack("<HH", data[26:30])
        return int(width & 0x3FFF) * int(height & 0x3FFF)
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    return 0


#: Bytes per pixel of a WebP: two canvases, the frame, the picture, its copy for resizing.
WEBP_BYTES = 20


def plain_tags(data: bytes) -> bool:
    """Whether EXIF data or a TIFF has few tags. Thousands of tags could each refer to the same megabytes."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    if not order:
        return True
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        first = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
        return _tag_bytes(data, first, order, big, 2) <= _TAG_BYTES
    except struct.error:
        return True  # truncated: Pillow also stops here


def _tag_bytes(data: bytes, start: int, order: str, big: bool, depth: int) -> int:
    """Bytes of the numbers in a directory of tags and its subdirectories; texts and blobs are fast and count less."""
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    start += 8 if big else 2
    total = 0
    for position in range(start, min(start + count * entry.size, len(data) - entry.size + 1), entry.size):
        tag, kind, number, value = entry.unpack_from(data, position)
        total += number * _TAG_TYPES.get(kind, 0) // (64 if kind in (1, 2, 6, 7) else 1) + 1
        if total > _TAG_BYTES:
            break
        if tag in _SUB_FOLDERS and depth and number == 1:
            below = int.from_bytes(value, "little" if order == "<" else "big")
            if below + 2 <= len(data):
                total += _tag_bytes(data, below, order, big, depth - 1)
    return total


def _rendering(image: Image.Image) -> int:
    """Bytes per pixel of the picture and its copies, see `pixels.render`."""
    mode = image.mode
    own = _PIXEL.get(mode, 4)
    if mode == "RGBA":
        return own + 4
    if mode in {"LA", "PA", "La", "RGBa"} or (mode in {"1", "L", "P", "RGB"} and "transparency" in image.info):
        return own + 8
    if mode in {"L", "RGB", "CMYK"}:
        return own
    if mode == "I":
        return own + 14
    return own + 6 if mode.startswith("I;16") else own + 4


def _tiff_buffer(image: ImageFile.ImageFile) -> int:
    """Bytes of a strip or tile, which may be larger than the picture, and of the copy if the picture is rotated."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    turned = image.width * image.height * _PIXEL.get(image.mode, 4) if tags.get(274, 1) != 1 else 0
    if image.tile and image.tile[0][0] == "raw":
        return turned  # read row by row
    width = tags.get(322) or image.width
    height = tags.get(323) or min(tags.get(278) or image.height, image.height)
    bits = tags.get(258) or (8,)
    return int(width) * int(height) * len(bits) * max(bits) // 8 + turned


@dataclass(frozen=True)
class _Jpeg:
    """The header of a JPEG, up to its first scan.

    Attributes:
        pixels: at full size.
        several: whether it has several scans. If so, all coefficients are kept: `coefficients` bytes.
        rare: whether its coding is rare: arithmetic, lossless or hierarchical.
        gaps: bytes between its segments; normally 0.
        exif: its EXIF data.
        whole: whether there is a first scan, after no more than `_PARTS` segments.
    """

    pixels: int = 0
    several: bool = False
    coefficients: int = 0
    rare: bool = False
    gaps: int = 0
    exif: bytes = b""
    whole: bool = False


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """For each segment of a JPEG: its marker, the position of its length, and the stray bytes before it."""
    position = 2
    while match := _MARKER.search(data, position):
        marker = data[match.start() + 1]
        yield marker, match.end(), match.start() - position
        position = match.end()
        if marker not in (0x01, 0xD8, 0xD9):
            position += int.from_bytes(data[position : position + 2], "big")


def _jpeg_header(data: bytes) -> _Jpeg:
    width = height = gaps = 0
    exif = frame = b""
    for marker, position, gap in islice(_segments(data), _PARTS):
        gaps += gap
        body = data[position + 2 : position + int.from_bytes(data[position : position + 2], "big")]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
            frame, coding = body, marker
            height, width = struct.unpack_from(">HH", frame, 1)
        elif marker == 0xE1 and body[:6] == b"Exif\0\0":
            exif += body if not exif else body[6:]
        elif marker == 0xDA and frame:
            layers = [(byte >> 4, byte & 15) for byte in frame[7::3]]
            several = coding in (0xC2, 0xCA) or body[:1] < frame[5:6]
            most = max(max(h for h, _ in layers) * max(v for _, v in layers), 1) if layers else 1
            coefficients = 2 * width * height * sum(h * v for h, v in layers) // most if several else 0
            return _Jpeg(width * height, several, coefficients, coding > 0xC2, gaps, exif, True)
    return _Jpeg(width * height, gaps=gaps, exif=exif)


def _jpeg_scans(data: bytes) -> int:
    """Number of scans of the first picture in the file."""
    markers = (marker for marker, _, _ in islice(_segments(data), 50 * _PARTS))
    return max(sum(marker == 0xDA for marker in takewhile(lambda marker: marker != 0xD9, markers)), 1)


def _jpeg(data: bytes) -> bool:
    header = _jpeg_header(data)
    odd = not header.whole or header.gaps > 0 or _LONG_RUN in data
    return header.rare or not plain_tags(header.exif) or (odd and len(data) > _SMALL)


def _png(data: bytes) -> bool:
    position = 8
    texts = parts = 0
    while position + 8 <= len(data):
        name = data[position + 4 : position + 8]
        texts += name in (b"tEXt", b"zTXt", b"iTXt")
        parts += 1
        if texts > _TEXTS or parts > 50 * _PARTS:
            return True
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False


def _gif(data: bytes) -> bool:
    """Many blocks before the first picture, which Pillow reads one by one."""
    if len(data) <= _SMALL:
        return False
    position = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0)
    for _ in range(_PARTS):
        kind = data[position : position + 1]
        if kind == b",":
            return False
        position += 2
        if kind != b"!":
            return True
        while position < len(data) and data[position]:
            if data[position] < 16:
                return True
            position += 1 + data[position]
        position += 1
    return True


def _bmp(data: bytes) -> bool:
    """Pillow decodes run lengths in Python."""
    return len(data) > 2**16 and data[30:34] in (b"\1\0\0\0", b"\2\0\0\0")


def _pnm(data: bytes) -> bool:
    """Pillow decodes comments, and everything but plain bytes, in Python."""
    match = _PNM.match(data[:1024])
    return len(data) > 2**16 and (match is None or (match[1] == b"65535" and data[:2] == b"P6"))
