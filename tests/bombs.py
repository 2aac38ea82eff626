"""Photos that cost far more than their size tells: each made by hand, small on disk, some of them sparse."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

#: Larger ones where the test may take its time; those of Python loops then run into the limit of seconds.
SCALE = 5 if os.environ.get("HEADSTART_STRESS") == "1" else 1

#: name -> what is written, and the size that the file is stretched to with a hole (0: not).
Bomb = tuple[bytes, int]


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def zeros(size: int) -> bytes:
    """`size` zero bytes in zlib's format; a deflated mebibyte is repeated (RFC 1950 and 1951)."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    mebi = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    rest = squeeze.compress(bytes(size % 2**20)) + squeeze.flush()
    return b"\x78\xda" + mebi * (size >> 20) + rest + struct.pack(">HH", size % 65_521, 1)


# --- PNG ---


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(side: int, depth: int, colours: int, *chunks: bytes, interlaced: int = 0, idat: bytes | None = None) -> bytes:
    """A black square; colour types: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    rows = zeros(side * (1 + (side * depth * channels + 7) // 8)) if idat is None else idat
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colours, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND")


def pngs() -> Iterator[tuple[str, Bomb]]:
    palette = chunk(b"PLTE", bytes(768))
    clear = chunk(b"tRNS", bytes(256))
    for name, data in {
        "grey-alpha": png(11_000, 8, 4),
        "grey-alpha-fits": png(6_500, 8, 4),
        "rgba": png(11_000, 8, 6),
        "rgba-fits": png(8_000, 8, 6),
        "rgb": png(11_000, 8, 2),
        "rgb-16": png(8_000, 16, 2),
        "rgba-16": png(9_000, 16, 6),
        "grey-16": png(9_000, 16, 0),
        "grey-16-large": png(14_000, 16, 0),
        "palette-clear": png(14_000, 8, 3, palette, clear),
        "palette-clear-fits": png(7_500, 8, 3, palette, clear),
        "one-bit-clear": png(16_000, 1, 0, chunk(b"tRNS", b"\0\0")),
        "interlaced": png(9_000, 8, 2, interlaced=1),
        "texts": png(64, 8, 2, *[chunk(b"zTXt", b"a%d\0\0" % i + zeros(2**20 - 1)) for i in range(70)]),
        "profile": png(64, 8, 2, chunk(b"iCCP", b"a\0\0" + zeros(2**28))),
        "profile-exif": png(64, 8, 2, chunk(b"eXIf", exif_bomb(9_000, 2**21))),
    }.items():
        yield f"{name}.png", (data, 0)
    pixels = zeros(2_000 * 6_001)
    split = b"".join(chunk(b"IDAT", pixels[i : i + 1]) for i in range(len(pixels)))
    empty = chunk(b"IDAT") * 150_000 * SCALE
    whole = png(2_000, 8, 2, split + empty, idat=b"")
    yield "million-parts.png", (whole, 0)


# --- EXIF and TIFF ---


def exif_bomb(tags: int, length: int) -> bytes:
    """Each tag claims the same bytes; `length` bytes in all."""
    body = struct.pack("<H", tags) + b"".join(
        struct.pack("<HHII", 0xA000 + i if i % 2 else 0x1000 + i, 7, length - 8 - 12 * tags, 8 + 12 * tags)
        for i in range(tags)
    )
    return (b"II*\0\x08\0\0\0" + body).ljust(length, b"\1")


def tiff(entries: dict[int, tuple[int, list[int]]], data: bytes = b"", following: int = 0) -> bytes:
    """A TIFF: tag -> type (3: uint16, 4: uint32) and values; `data` begins at byte 8."""
    code = {3: "H", 4: "I"}
    start = 8 + len(data)
    folder, beyond = b"", b""
    after = start + 2 + 12 * len(entries) + 4
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}{code[kind]}", *values)
        if len(packed) > 4:
            packed, beyond = struct.pack("<I", after + len(beyond)), beyond + packed
        folder += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return (
        b"II*\0"
        + struct.pack("<I", start)
        + data
        + struct.pack("<H", len(entries))
        + folder
        + struct.pack("<I", following)
        + beyond
    )


def strips(
    side: int, bits: list[int], compression: int, data: bytes, **more: tuple[int, list[int]]
) -> dict[int, tuple[int, list[int]]]:
    return {
        256: (4, [side]),
        257: (4, [side]),
        258: (3, bits),
        259: (3, [compression]),
        262: (3, [2 if len(bits) > 2 else 1]),
        273: (4, [8]),
        277: (3, [len(bits)]),
        278: (4, [side]),
        279: (4, [len(data)]),
        **{int(tag[1:]): value for tag, value in more.items()},
    }


def tiffs() -> Iterator[tuple[str, Bomb]]:
    def deflated(side: int, bits: list[int], **more: tuple[int, list[int]]) -> bytes:
        data = zeros(side * side * sum(bits) // 8)
        return tiff(strips(side, bits, 8, data, **more), data)

    yield "int32.tif", (deflated(9_000, [32], t339=(3, [2])), 0)
    yield "int32-fits.tif", (deflated(4_500, [32], t339=(3, [2])), 0)
    yield "grey-alpha.tif", (deflated(9_000, [8, 8], t338=(3, [2])), 0)
    yield "rgb.tif", (deflated(9_000, [8] * 3), 0)
    yield "rgb-16.tif", (deflated(6_000, [16] * 3), 0)
    yield "turned.tif", (deflated(8_500, [8] * 3, t274=(3, [6])), 0)
    side = 400 * SCALE
    small = {tag: strips(side, [8], 1, b"")[tag] for tag in (256, 257, 258, 259, 262, 277)}
    for name, compression, data in (("tiles", 1, b"\0"), ("tiles-deflated", 8, zeros(256))):
        tile = 1 if compression == 1 else 16
        count = (side // tile) ** 2
        tiles = {322: (4, [tile]), 323: (4, [tile]), 324: (4, [8] * count), 325: (4, [len(data)] * count)}
        yield f"{name}.tif", (tiff({**small, 259: (3, [compression]), **tiles}, data), 0)
    giant = {322: (4, [65_520]), 323: (4, [65_520]), 324: (4, [8]), 325: (4, [9])}
    yield "giant-tile.tif", (tiff({**small, 256: (4, [64]), 257: (4, [64]), 259: (3, [8]), **giant}, zeros(9)), 0)
    many = {tag: (4, [8] * 20_000) for tag in range(40_000, 40_100)}
    yield "tags.tif", (tiff({**strips(16, [8], 1, b""), **many}), 0)
    yield "loop.tif", (tiff(strips(16, [8], 1, bytes(256)), bytes(256), following=264), 0)
    below = exif_bomb(3_000, 2**20)
    folder = tiff({**strips(16, [8], 1, bytes(256)), 34665: (4, [8])}, below[8:])
    yield "exif.tif", (folder, 0)
    raw = tiff({**strips(11_000, [8] * 3, 1, b""), 273: (4, [4096]), 279: (4, [363_000_000])})
    yield "raw.tif", (raw, 363_004_096)


# --- JPEG ---


def segment(marker: int, body: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_of(data: bytes, width: int, height: int) -> bytes:
    found = re.search(rb"\xff[\xc0\xc2]\0\x11\x08", data)
    assert found
    return data[: found.end()] + struct.pack(">HH", height, width) + data[found.end() + 4 :]


def jpegs() -> Iterator[tuple[str, Bomb]]:
    picture = Image.new("RGB", (64, 64), (9, 99, 200))
    plain, rich = saved(picture, "JPEG"), saved(picture, "JPEG", progressive=True, subsampling=0)
    grey = saved(picture.convert("L"), "JPEG")
    first = plain.index(b"\xff\xda") + 14
    last = rich.rindex(b"\xff\xda")
    scan = rich[last : last + 2 + struct.unpack(">H", rich[last + 2 : last + 4])[0]]
    for size in (2**24, 2**26 - 1, 2**27, 2**29 - 1, 2**30):
        yield f"sparse-{size >> 20}.jpg", (plain, size)
    yield "sparse-high.jpg", (jpeg_of(plain, 16_000, 16_000), 2**25)
    yield "sparse-grey.jpg", (grey, 2**25)
    for side, scans in ((4_000, 60), (4_000, 1_000), (12_000, 10), (12_000, 300), (7_000, 40)):
        yield f"scans-{side}-{scans}.jpg", (jpeg_of(rich[:-2], side, side) + scan * scans + b"\xff\xd9", 0)
    yield "scans-empty.jpg", (jpeg_of(rich[:-2], 8_000, 8_000) + scan * 200_000 + b"\xff\xd9", 0)
    yield "coefficients.jpg", (jpeg_of(rich, 9_400, 9_400), 0)
    yield "fill-head.jpg", (plain[:2] + b"\xff" * 4_000_000 * SCALE + plain[2:], 0)
    yield "fill-scan.jpg", (plain[:first] + b"\xff" * 40_000_000 + plain[first:], 0)
    yield "junk.jpg", (plain[:2] + bytes(30_000_000) + plain[2:], 0)
    yield "segments.jpg", (plain[:2] + segment(0xFE) * 300_000 * SCALE + plain[2:], 0)
    yield "restarts.jpg", (plain[:first] + b"\xff\xd0" * 2_000_000 + plain[first:], 0)
    for count in (1, 8):
        parts = segment(0xE1, b"Exif\0\0" + exif_bomb(5_000, 65_000)) * count
        yield f"exif-{count}.jpg", (plain[:2] + parts + plain[20:], 0)
    profile = b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 250]) + bytes(65_000)) for i in range(1, 251))
    yield "profile.jpg", (plain[:2] + profile + plain[2:], 0)
    arithmetic = jpeg_of(plain, 9_000, 9_000).replace(b"\xff\xc0", b"\xff\xc9")
    yield "arithmetic.jpg", (arithmetic, 2**25)


# --- the others ---


def webp(canvas: int) -> bytes:
    """An animation whose only frame is tiny."""
    frame = saved(Image.new("RGB", (16, 16)), "WEBP", lossless=True)[12:]
    side = (canvas - 1).to_bytes(3, "little")
    anmf = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4) + frame
    body = b"VP8X" + struct.pack("<I", 10) + b"\x12\0\0\0" + side * 2 + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    body += (b"ANMF" + struct.pack("<I", len(anmf)) + anmf) * 1_000
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def gif(side: int, *before: bytes, clear: bool = False, after: bytes = b"") -> bytes:
    """A canvas with one small picture on it."""
    data = saved(Image.new("P", (16, 16)), "GIF")
    start = data.index(b",", 13 + (3 << (data[10] & 7) + 1))
    control = b"!\xf9\x04\x01\0\0\0\0" if clear else b""
    head = data[:6] + struct.pack("<HH", side, side) + data[10 : 13 + (3 << (data[10] & 7) + 1)]
    return head + b"".join(before) + control + data[start:-1] + after + b";"


def others() -> Iterator[tuple[str, Bomb]]:
    yield "canvas.webp", (webp(16_000), 0)
    yield "canvas-fits.webp", (webp(5_000), 0)
    yield "canvas.gif", (gif(16_000), 0)
    yield "canvas-clear.gif", (gif(15_000, clear=True), 0)
    yield "canvas-clear-fits.gif", (gif(7_500, clear=True), 0)
    yield "comments.gif", (gif(64, b"!\xfe" + b"\1a" * 1_500_000 * SCALE + b"\0"), 0)
    yield "frames.gif", (gif(4_000, after=gif(64)[gif(64).index(b",") : -1] * 100_000), 0)
    yield "raw.ppm", (b"P6 11000 11000 255\n", 363_000_019)
    yield "depth.ppm", (b"P6 1500 1500 254\n" if SCALE == 1 else b"P6 4500 4500 254\n", 60_750_017)
    yield "depth.pgm", (b"P5 9000 9000 65534\n", 162_000_019)
    yield "comment.ppm", (b"P6 #" + b"a" * 8_000_000 * SCALE, 0)
    header = struct.pack("<IiiHHIIiiII", 40, 15_000, 15_000, 1, 8, 1, 0, 0, 0, 256, 0)
    runs = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(range(256)) * 4 + b"\xff\1" * 900_000
    yield "runs.bmp", (runs, 0)
    raw = struct.pack("<IiiHHIIiiII", 40, 11_000, 11_000, 1, 24, 0, 0, 0, 0, 0, 0)
    yield "raw.bmp", (b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + raw, 363_000_054)
    small = saved(Image.new("RGB", (2_000, 2_000)), "AVIF", speed=10)
    for name, side in (("lies-small", 16), ("lies-large", 12_000)):
        sizes = re.sub(rb"ispe\0{4}.{8}", b"ispe" + bytes(4) + struct.pack(">II", side, side), small, flags=re.DOTALL)
        yield f"{name}.avif", (sizes, 0)
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (1_024, 1_024))).save(file)
    for name, side in (("lies-small", 16), ("lies-large", 12_000)):
        sizes = re.sub(
            rb"ispe\0{4}.{8}", b"ispe" + bytes(4) + struct.pack(">II", side, side), file.getvalue(), flags=re.DOTALL
        )
        yield f"{name}.heic", (sizes, 0)


MAKERS: tuple[Callable[[], Iterator[tuple[str, Bomb]]], ...] = (jpegs, pngs, tiffs, others)
#: Those that cost most without limits; four of each lie side by side.
COPIES = 4 if os.environ.get("HEADSTART_STRESS") == "1" else 2
DEAREST = ("sparse-128.jpg", "grey-alpha-fits.png", "rgb.tif", "canvas-fits.webp", "int32-fits.tif")


def write(folder: Path) -> list[Path]:
    """Write all bombs into a folder; returns their paths, copies of the dearest ones side by side, for two threads."""
    paths = []
    for make in MAKERS:
        for name, (data, size) in make():
            for copy in range(COPIES if name in DEAREST else 1):
                path = folder / f"{name.partition('.')[0]}-{copy}{Path(name).suffix}"
                with path.open("wb") as file:
                    file.write(data)
                    if size:
                        file.truncate(size)
                    file.seek(0, io.SEEK_END)
                    file.write(bytes(copy))  # another content, the same picture
                paths.append(path)
    return paths
