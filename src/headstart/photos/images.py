"""A photo's file -> upright sRGB uint8 array in a `View`, and a content hash; every file that fails gets a reason.

The format is recognised by the first bytes (only camera raw, which looks like TIFF, by the name). The cost of decoding
is estimated from the header: a photo waits until there is enough memory, and one that may take long is decoded in a
child process, which can be killed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from headstart.errors import PhotoError
from headstart.photos.budget import Budget, cancel_event, check_cancelled
from headstart.photos.decode_cost import MAX_SCANNED_PIXELS, WEBP_BYTES, Cost, estimate, unusual, webp_pixels
from headstart.photos.formats import ends_early, foreign_coding, open_header, sniff
from headstart.photos.pictures import InMemory, Pixels
from headstart.photos.pixels import Fit, Images, View, reduce, render, stacked
from headstart.safety import child
from headstart.safety.untrusted import without_waiting

__all__ = ["MAX_BYTES", "MAX_PIXELS", "REASONS", "Data", "Fit", "Images", "View", "content_hash", "decode", "load"]

#: All outcomes of a file except `used`. `duplicate`, `conflicting labels` and `small class` come from later steps,
#: which compare files.
REASONS = (
    "not an image",
    "empty",
    "truncated",
    "corrupt",
    "too large",
    "unsupported format",
    "unreadable",
    "duplicate",
    "conflicting labels",
    "small class",
)

#: Increased whenever this module turns the same bytes into other pixels; part of every card's key.
READER_REVISION = 1

#: Maximum size of a file in bytes. Reading and hashing that takes a second or two.
MAX_BYTES = 2**29
#: Larger files are not held in memory, and are decoded in a child process.
HELD_BYTES = 2**26
#: Maximum number of pixels according to the header. 2**28 is enough for phones with 200 megapixels.
MAX_PIXELS = 2**28
#: Bytes for decoding, for all threads and their child processes together: a gigabyte less what an extraction itself
#: takes (210 MB), a file held for the next photo, `_STACKS`, what is not counted, and a reserve.
MEMORY = 520_000_000
#: Seconds to read a photo and decode it in a child process; one that takes longer is too large.
SECONDS = 8.0
#: Bytes that a child process uses from the start.
_CHILD = 36_000_000
#: Additional address space for the stacks of a decoder's threads.
_STACKS = 64_000_000
_AVIF_THREADS = 2
_CHUNK = 2**20
_BUDGET = Budget(MEMORY, free=2**24)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BUDGET.reset)


@dataclass(frozen=True)
class LargeFile:
    """A file that is not held in memory.

    Attributes:
        path: where it is.
        head: its first 32 bytes.
        digest: SHA-256 of its bytes.
        stamp: changes when the file does.
        seconds: time for reading it, which counts towards `SECONDS`.
    """

    path: str
    head: bytes
    digest: bytes
    stamp: tuple[int, ...]
    seconds: float


#: The result of `read`, for `decode`.
Data = bytes | LargeFile | Pixels


def read(path: str | Path) -> Data:
    """Read a photo's bytes; of a large file only a hash is kept. What is in memory is checked in the same way.

    Raises:
        PhotoError: `unreadable`, `empty`, `not an image`, `unsupported format` or `too large`; in the last
            three cases no more than the first bytes were read.
    """
    if isinstance(path, InMemory):
        if isinstance(path.content, bytes):
            if not path.content:
                raise PhotoError("empty", "it has 0 bytes")
            sniff(path.content[:32], path)
        return path.content
    try:
        with open(path, "rb", opener=without_waiting) as file:
            stamp = _stamp(file.fileno())
            head = file.read(32)
            if not head:
                raise PhotoError("empty", "the file has 0 bytes")
            sniff(head, str(path))
            if stamp[0] > MAX_BYTES:
                raise PhotoError("too large", f"{stamp[0]:,} bytes; at most {MAX_BYTES:,} are read")
            if stamp[0] > HELD_BYTES:
                began = time.monotonic()
                digest = _digest(file, head)
                return LargeFile(os.fspath(path), head, digest, stamp, time.monotonic() - began)
            data = head + file.read(HELD_BYTES)
            if len(data) > HELD_BYTES:
                raise PhotoError("unreadable", "it grew while it was read")
            return data
    except OSError as error:
        raise PhotoError("unreadable", error.strerror or str(error)) from error
    except ValueError as error:  # a path with a zero byte, from a damaged CSV
        raise PhotoError("unreadable", str(error)) from error


def _stamp(descriptor: int) -> tuple[int, ...]:
    """Size, times and identity of a file."""
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise PhotoError("unreadable", "not a regular file")
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_dev


def _digest(file: BinaryIO, head: bytes) -> bytes:
    digest, total = hashlib.sha256(head), len(head)
    while chunk := file.read(_CHUNK):
        check_cancelled()
        digest.update(chunk)
        total += len(chunk)
        if total > MAX_BYTES:
            raise PhotoError("unreadable", "it grew while it was read")
    return digest.digest()


def content_hash(data: Data) -> bytes:
    """SHA-256 of a file's bytes (32 bytes): a renamed or copied photo is the same photo, an edited one is not.

    Raises:
        PhotoError: only of a Pillow image that was opened but not yet loaded, and is damaged.
    """
    if isinstance(data, Pixels):
        with _outcomes("", b""):
            return data.digest()
    return data.digest if isinstance(data, LargeFile) else hashlib.sha256(data).digest()


def decode(data: Data, view: View, fill: bool = True, most: int = MAX_PIXELS) -> Images:
    """Turn a photo's bytes into an upright sRGB picture.

    EXIF orientation is applied; transparency becomes white; CMYK, palette, grey and 16-bit pictures become
    8-bit RGB; an ICC profile other than sRGB is applied (a broken one is ignored, as browsers do). Of
    animations the first frame is taken.

    All threads of the process together use at most `MEMORY` bytes; a thread waits until enough are free.

    Args:
        data: the result of `read`.
        view: the size, and how the photo is fitted to it.
        fill: False omits the grey of `pad`, for pictures in reports; the result is then smaller than the view.
        most: pixels that are accepted according to the header, at most `MAX_PIXELS`.

    Returns:
        uint8 `(view.height, view.width, 3)` `0..255`, sRGB, writable, C order.

    Raises:
        PhotoError: with one of `REASONS`.
        concurrent.futures.CancelledError: the `budget.ReadingPool` in whose thread it runs is being stopped.
    """
    check_cancelled()
    if view.parts:
        return stacked([decode(data, part, fill, most) for part in view.parts], view)
    if isinstance(data, LargeFile):
        return _decode_apart(data, view, fill, MEMORY, most)
    if isinstance(data, Pixels):
        width, height = data.image.size
        with _outcomes("", b""), _BUDGET.hold(min(4 * width * height, MEMORY)):
            return render(data.loaded(), view, fill)
    kind = sniff(data[:32])
    if ends_early(kind, data):
        raise PhotoError("truncated", "the file ends before its last part does")
    if unusual(kind, data):
        return _decode_apart(data, view, fill, MEMORY, most)
    canvas = webp_pixels(data) * WEBP_BYTES if kind == "webp" else 0
    if canvas > MEMORY:
        raise PhotoError("too large", f"decoding it takes {canvas:,} bytes; at most {MEMORY:,} are used")
    with _BUDGET.hold(canvas):
        with _outcomes(kind, data):
            image, cost = _open(kind, io.BytesIO(data), data, view, most)
        if not cost.apart:
            with _outcomes(kind, data), _BUDGET.hold(0 if canvas else cost.memory):
                return render(image, view, fill)
        del image
    return _decode_apart(data, view, fill, cost.memory, most)


def load(path: str | Path, view: View, fill: bool = True) -> Images:
    """`decode(read(path), view, fill)`: what training, prediction and serving all run.

    Raises:
        PhotoError: with one of `REASONS`.
    """
    return decode(read(path), view, fill)


def _open(kind: str, file: BinaryIO, data: bytes, view: View, most: int) -> tuple[Any, Cost]:
    """The picture with only its header read (a JPEG at reduced size), and the cost of decoding it."""
    image = open_header(kind, file)
    width, height = image.size
    if width * height > most:
        raise PhotoError("too large", f"{width:,} x {height:,} pixels; at most {most:,} pixels are read")
    reduce(image, view)
    cost = estimate(kind, image, data)
    if cost.memory > MEMORY:
        raise PhotoError(
            "too large",
            f"{width:,} x {height:,} pixels; decoding them takes {cost.memory:,} bytes, at most {MEMORY:,} are used",
        )
    if cost.scanned > MAX_SCANNED_PIXELS:
        scans = cost.scanned // (width * height)
        raise PhotoError("too large", f"{width:,} x {height:,} pixels in {scans:,} scans")
    return image, cost


_SIGNS = {
    "truncated": (
        "truncated",
        "unexpected end",
        "end of file",
        "end-of-file",
        "premature",
        "eof",
        "too small",
    ),
    "too large": ("too large", "out of memory", "too much memory"),
    "unsupported format": ("unsupported bmp", "not been built in"),
}


@contextmanager
def _outcomes(kind: str, data: bytes) -> Iterator[None]:
    """Turn whatever decoders raise on damaged bytes into a reason."""
    try:
        yield
    except (PhotoError, CancelledError):
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError("too large", str(error)) from error
    except MemoryError as error:
        raise PhotoError("too large", "not enough memory to decode it") from error
    except Exception as error:
        text = str(error).lower()
        reason = next((reason for reason, signs in _SIGNS.items() if any(sign in text for sign in signs)), "corrupt")
        if reason == "corrupt" and (coding := foreign_coding(kind, data)):
            raise PhotoError("unsupported format", f"its pixels are coded as {coding}") from error
        raise PhotoError(reason, str(error) or type(error).__name__) from error


# Decoding in a child process, which receives the view and the bytes or the path of the file, and returns pixels.


def _decode_apart(data: Data, view: View, fill: bool, memory: int, most: int) -> Images:
    """Decode in a child process that may use `memory` bytes, and take `SECONDS`."""
    held = data if isinstance(data, bytes) else b""
    request: dict[str, Any] = {"view": view.to_json(), "fill": fill, "most": most}
    seconds = SECONDS
    if isinstance(data, LargeFile):
        request["path"], request["stamp"] = os.fsencode(data.path).hex(), data.stamp
        seconds = max(SECONDS - data.seconds, 1.0)
    size = min(memory + len(held) + _CHILD, MEMORY)
    limit = size - _CHILD - len(held) + _STACKS
    with _BUDGET.hold(size):
        try:
            answer = child.call(
                "headstart.photos.images:answer",
                held,
                json.dumps(request),
                seconds=round(seconds, 1),
                megabytes=limit // 10**6,
                cancel=cancel_event(),
            )
        except child.ChildError as error:
            if error.reason == "cancelled":
                raise CancelledError from None
            reason = "too large" if error.reason in ("time", "memory") else "corrupt"
            raise PhotoError(reason, f"decoding it in a child process: {error}") from error
        except OSError as error:
            raise PhotoError("unreadable", f"the process to decode it cannot be started: {error}") from error
    if answer[:1] == b"{":
        found = json.loads(answer)
        raise PhotoError(found["reason"], found["detail"])
    height, width = struct.unpack_from(">II", answer, 1)
    return np.frombuffer(bytearray(answer[9:]), np.uint8).reshape(height, width, 3)


def answer(data: bytes, request: str) -> bytes:
    """Run in the child process. Returns a zero byte, height, width and pixels; or JSON with the reason of a failure."""
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = _AVIF_THREADS
    wanted = json.loads(request)
    view = View(**wanted["view"])
    try:
        if "path" not in wanted:
            return _packed(_decode_file(io.BytesIO(data), data, view, wanted["fill"], wanted["most"]))
        with open(bytes.fromhex(wanted["path"]), "rb", opener=without_waiting) as file:
            picture = _decode_file(file, b"", view, wanted["fill"], wanted["most"])
            if list(_stamp(file.fileno())) != wanted["stamp"]:
                raise PhotoError("unreadable", "it changed while it was read")
            return _packed(picture)
    except PhotoError as error:
        return json.dumps({"reason": error.reason, "detail": error.detail}).encode()
    except OSError as error:
        return json.dumps({"reason": "unreadable", "detail": error.strerror or str(error)}).encode()


def _packed(picture: Images) -> bytes:
    return b"\0" + struct.pack(">II", *picture.shape[:2]) + picture.tobytes()


def _decode_file(file: BinaryIO, data: bytes, view: View, fill: bool, most: int) -> Images:
    kind = sniff(file.read(32))
    file.seek(0)
    with _outcomes(kind, data):
        return render(_open(kind, file, data, view, most)[0], view, fill)
