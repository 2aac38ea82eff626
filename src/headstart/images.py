"""Bytes of a photo -> upright sRGB uint8 array in a `View`; a content hash; one reason for every file that fails.

The order of the work is chosen for speed and memory: the kind of file is told by its first bytes (only camera raw,
which calls itself TIFF, by its name), the size is checked before anything is decoded, JPEG is decoded at a reduced
size, the picture is brought to its final size first and turned upright and into sRGB afterwards, on few pixels.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from headstart.errors import PhotoError
from headstart.formats import OPENERS, ends_early, sniff

Images = npt.NDArray[np.uint8]
Fit = Literal["squash", "crop", "pad"]

#: Every outcome but `used` that a file can have. `duplicate` and `conflicting labels` are told by later
#: steps, which see more than one file.
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
)

#: Changes whenever this module would turn the same bytes into other pixels; part of every card's key.
READER_REVISION = 1

MAX_BYTES = 2**30
#: Pixels by the header. 2**28 lets 200-megapixel phones in and keeps bombs out.
MAX_PIXELS = 2**28
#: Pixels that are really decoded, JPEG's reduction counted; 2**27 RGB pixels are 400 MB.
MAX_DECODED_PIXELS = 2**27
#: Larger pictures are decoded one at a time, so that memory does not grow with the number of threads.
_LARGE_PIXELS = 2**24
_LARGE = threading.Lock()
_PAD_GREY = 127

#: How a profile that needs no transform names itself, in Latin-1 or in the UTF-16 of newer profiles.
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class View:
    """How a photo becomes the network's input size.

    Attributes:
        height, width: pixels of the result.
        fit: `squash` takes the whole photo and ignores its aspect (as Keras' `target_size` does), `crop`
            takes the centre, `pad` takes the whole photo and fills up with grey (127).
        fraction: `crop` only: share of the photo's shorter side that is kept, in (0, 1].
    """

    height: int
    width: int
    fit: Fit = "squash"
    fraction: float = 1.0


def read(path: str | Path) -> bytes:
    """Read a photo's bytes.

    Raises:
        PhotoError: `unreadable`, `empty`, `not an image`, `unsupported format` or `too large`; in the last
            three cases no more than the first bytes were read.
    """
    try:
        with open(path, "rb", opener=_opener) as file:
            size = _size(file.fileno())
            head = file.read(32)
            if not head:
                raise PhotoError("empty", "the file has 0 bytes")
            sniff(head, str(path))
            if size > MAX_BYTES:
                raise PhotoError("too large", f"{size:,} bytes; at most {MAX_BYTES:,} are read")
            return head + file.read()
    except OSError as error:
        raise PhotoError("unreadable", error.strerror or str(error)) from error
    except ValueError as error:  # a path with a zero byte, from a damaged CSV
        raise PhotoError("unreadable", str(error)) from error


def _opener(path: str, flags: int) -> int:
    """Opening a pipe that nobody writes to would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _size(descriptor: int) -> int:
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise PhotoError("unreadable", "not a regular file")
    return info.st_size


def content_hash(data: bytes) -> bytes:
    """SHA-256 of a file's bytes (32 bytes): a renamed or copied photo is the same photo, an edited one is not."""
    return hashlib.sha256(data).digest()


def decode(data: bytes, view: View) -> Images:
    """Turn a photo's bytes into an upright sRGB picture.

    EXIF orientation is applied; transparency is laid on white; CMYK, palette, grey and 16-bit pictures become
    8-bit RGB; an ICC profile other than sRGB is honoured (a broken one is ignored, as browsers do). Of
    animations the first frame is taken.

    Returns:
        uint8 `(view.height, view.width, 3)`, `0..255`, sRGB, writable, C order.

    Raises:
        PhotoError: with one of `REASONS`.
    """
    kind = sniff(data[:32])
    if ends_early(kind, data):
        raise PhotoError("truncated", "the file ends before its last part does")
    try:
        image = OPENERS[kind](io.BytesIO(data))
        needed = _prepare(image, view)
        if needed <= _LARGE_PIXELS:
            return _render(image, view)
        with _LARGE:
            return _render(image, view)
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError("too large", str(error)) from error
    except MemoryError as error:
        raise PhotoError("too large", "not enough memory to decode it") from error
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        text = str(error).lower()
        signs = {"truncated": _TRUNCATION_SIGNS, "too large": ("too large",)}
        reason = next((reason for reason in signs if any(sign in text for sign in signs[reason])), "corrupt")
        raise PhotoError(reason, str(error) or type(error).__name__) from error


def load(path: str | Path, view: View) -> Images:
    """`decode(read(path), view)`: what training, prediction and serving all run.

    Raises:
        PhotoError: with one of `REASONS`.
    """
    return decode(read(path), view)


_TRUNCATION_SIGNS = (
    "truncated",
    "unexpected end",
    "end of file",
    "end-of-file",
    "premature",
    "eof",
    "too small",
)


def _prepare(image: ImageFile.ImageFile, view: View) -> int:
    """Check the size by the header, ask JPEG for a reduced one; returns the pixels that decoding will make."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError("too large", f"{width:,} x {height:,} pixels; at most {MAX_PIXELS:,} pixels are read")
    if image.format == "JPEG":
        # Smallest of the sizes 1/1, 1/2, 1/4, 1/8 that still has a pixel for each pixel of the view.
        target = max(view.height, view.width)
        scale = (width, height)
        left = (min if view.fit == "crop" else max)(scale) * (view.fraction if view.fit == "crop" else 1.0)
        if view.fit == "squash":
            left = min(scale)
        factor = next((f for f in (8, 4, 2) if left / f >= target), 1)
        if factor > 1:
            image.draft(None, (max(width // factor, 1), max(height // factor, 1)))
    decoded = image.size[0] * image.size[1]
    if "progressive" in image.info:
        # All coefficients are kept until the last pass, at full size, 2 bytes each; a pixel has 3 bytes.
        sampling = [(h, v) for _, h, v, _ in getattr(image, "layer", ())] or [(1, 1)] * 3
        per_pixel = sum(h * v for h, v in sampling) / (max(h for h, _ in sampling) * max(v for _, v in sampling))
        decoded += int(width * height * per_pixel * 2 / 3)
    if decoded > MAX_DECODED_PIXELS:
        raise PhotoError("too large", f"{width:,} x {height:,} pixels; at most {MAX_DECODED_PIXELS:,} are decoded")
    return decoded


def _render(image: ImageFile.ImageFile, view: View) -> Images:
    image.load()
    orientation = _orientation(image)
    turned = orientation >= 5
    profile = image.info.get("icc_profile")
    plain = _resizable(image)
    small = _fit(plain, view, (view.height, view.width) if turned else (view.width, view.height))
    rgb = _to_srgb(small, profile)
    if orientation in _TRANSPOSE:
        rgb = rgb.transpose(_TRANSPOSE[orientation])
    if view.fit == "pad":  # last, so that a profile does not change the grey nor a turn where the odd pixel goes
        canvas = Image.new("RGB", (view.width, view.height), (_PAD_GREY, _PAD_GREY, _PAD_GREY))
        canvas.paste(rgb, ((view.width - rgb.width) // 2, (view.height - rgb.height) // 2))
        rgb = canvas
    return np.array(rgb, dtype=np.uint8)


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation 1 to 8; anything else (0 is frequent) and unreadable EXIF count as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF must not cost the photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _resizable(image: Image.Image) -> Image.Image:
    """A mode in which neighbouring pixels can be averaged: L, RGB, RGBA or CMYK."""
    mode = image.mode
    if mode in {"LA", "PA", "La", "RGBa"} or (mode in {"1", "L", "P", "RGB"} and "transparency" in image.info):
        return image.convert("RGBA")
    if mode in {"L", "RGB", "RGBA", "CMYK"}:
        return image
    if mode == "1":
        return image.convert("L")
    if mode == "I" or mode.startswith("I;16"):
        # 16 bits a sample; Pillow's own conversion would cut everything above 255 off.
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise PhotoError("unsupported format", "pixels are whole numbers of more than 16 bits")
        return Image.fromarray((values // 256).astype(np.uint8))
    if mode == "F":
        raise PhotoError("unsupported format", "pixels are floating point numbers of unknown range")
    if mode == "LAB":
        raise PhotoError("unsupported format", "pixels are L*a*b* colours")
    return image.convert("RGB")


def _fit(image: Image.Image, view: View, size: tuple[int, int]) -> Image.Image:
    """Resize to `size` (width, height), `pad` to what fits into it, in the orientation the file is stored in."""
    width, height = image.size
    if view.fit == "squash":
        return _resize(image, size, (0, 0, width, height))
    if view.fit == "crop":
        scale = min(width / size[0], height / size[1]) * view.fraction
        w, h = size[0] * scale, size[1] * scale
        left, top = (width - w) / 2, (height - h) / 2
        return _resize(image, size, (left, top, left + w, top + h))
    scale = min(size[0] / width, size[1] / height)
    inner = (max(round(width * scale), 1), max(round(height * scale), 1))
    return _resize(image, inner, (0, 0, width, height))


def _resize(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    """Antialiased bicubic; pictures more than three times too large are first reduced by a whole factor."""
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    if profile and not any(name in profile for name in _SRGB):
        transform = _transform(profile, image.mode)
        if transform is not None:
            converted: Image.Image | None = transform.apply(image)
            if converted is not None:
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> Any:
    """The colour transform from an ICC profile to sRGB, or None where the profile does not fit the picture."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ImageCms.PyCMSError, ValueError):
        return None
