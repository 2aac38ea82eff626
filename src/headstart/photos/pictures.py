"""What users may give as photos -> one list: names of files, and pictures that are already in memory.

A picture in memory travels under a name, `<picture 1>`, so that everything that handles paths handles it too.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from PIL import Image

from headstart.errors import DataError
from headstart.safety.printable import show

#: One picture: a path, a file's bytes, an open binary file, a Pillow image or a uint8 array `(h, w)`, `(h, w, 3)` (RGB)
#: or `(h, w, 4)` (RGBA), `0..255`.
Picture = str | Path | bytes | bytearray | memoryview | BinaryIO | Image.Image | npt.NDArray[np.uint8]
#: One picture, or many: a list, a tuple, a pandas Series, an array `(n,)` or `(n, 1)`, a uint8 array `(n, h, w, 3|4)`.
Pictures = Picture | Iterable[Picture]

_EXPECTED = (
    "Expected a path, bytes, an open binary file, a PIL.Image, a uint8 array (h, w, 3), (h, w, 4) or (h, w), or a list "
    "of these."
)
_LOADING = threading.Lock()


@runtime_checkable
class _Readable(Protocol):
    def read(self) -> bytes: ...


@runtime_checkable
class _Table(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True, eq=False)
class Pixels:
    """A picture without a file. Its content is the pixels and what changes how they are shown."""

    image: Image.Image

    def digest(self) -> bytes:
        """SHA-256 of the content, of 32 bytes. It never equals the hash of a file."""
        image = self.loaded()
        orientation = image.getexif().get(0x0112, 1)
        palette = image.getpalette("RGBA") if image.mode in {"P", "PA"} else None
        facts = (image.mode, image.size, orientation, palette, image.info.get("transparency"))
        hasher = hashlib.sha256(f"pixels of headstart {facts!r} ".encode())
        hasher.update(image.info.get("icc_profile") or b"")
        hasher.update(image.tobytes())
        return hasher.digest()

    def loaded(self) -> Image.Image:
        """The image with its pixels; an image that Pillow has only opened is not safe to load in two threads."""
        with _LOADING:
            self.image.load()
        return self.image


class InMemory(str):
    """The name of a picture that is in memory, with the picture."""

    content: bytes | Pixels

    @classmethod
    def of(cls, name: str, content: bytes | Pixels) -> Self:
        """A named picture."""
        made = cls(name)
        made.content = content
        return made


def listed(pictures: Any) -> list[str]:
    """A path for each picture given; one for a picture in memory is an `InMemory`.

    Args:
        pictures: see `Pictures`.

    Raises:
        DataError: something is not a picture, or is an internet address.
    """
    given = [pictures] if is_one(pictures) else _items(pictures)
    return [_path(one, number) for number, one in enumerate(given, start=1)]


def is_one_photo(pictures: Any) -> bool:
    """Whether this is one photo, not a list or a folder of photos."""
    return is_one(pictures) and not (isinstance(pictures, (str, os.PathLike)) and os.path.isdir(pictures))


def is_one(pictures: Any) -> bool:
    """Whether this is one picture or one path, not a list of them."""
    if isinstance(pictures, np.ndarray):
        return pictures.dtype.kind not in "OUS" and pictures.ndim in (2, 3)
    return isinstance(pictures, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, _Readable))


def _items(pictures: Any) -> list[Any]:
    if isinstance(pictures, dict) or not isinstance(pictures, Iterable):
        raise DataError(f"Photos cannot be read from {_kind(pictures)}.\n{_EXPECTED}")
    if isinstance(pictures, (list, tuple)):
        return [one[0] if isinstance(one, (list, tuple)) and len(one) == 1 else one for one in pictures]
    if isinstance(pictures, _Table):  # to iterate over a pandas DataFrame would give the names of its columns
        table = pictures if isinstance(pictures, np.ndarray) else np.asarray(pictures, dtype=object)
        if table.ndim in (1, 4):
            return list(table)
        if table.ndim == 2 and table.shape[1] == 1:
            return list(table[:, 0])
        raise DataError(f"Photos cannot be read from a table of shape {table.shape}.\nExpected one column of photos.")
    return list(pictures)


def _path(picture: Any, number: int) -> str:
    if isinstance(picture, (str, os.PathLike)):
        return _checked(picture)
    return InMemory.of(f"<picture {number}>", _content(picture, number))


def _checked(path: str | os.PathLike[Any]) -> str:
    if isinstance(path, InMemory):
        return path
    text = os.fspath(path)
    if not isinstance(text, str):
        text = os.fsdecode(text)
    if text.lower().startswith(("http://", "https://")):
        name = text.split("?")[0].rstrip("/").rpartition("/")[2] or "photo.jpg"
        raise DataError(
            f"{show(text)} is an internet address.\nExpected a photo on this computer. Download it first:\n"
            f"  curl -L -o '{show(name)}' '{show(text)}'"
        )
    return text


def _content(picture: Any, number: int) -> bytes | Pixels:
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, Image.Image):
        return Pixels(picture)
    if isinstance(picture, np.ndarray):
        return Pixels(Image.fromarray(_array(picture, number)))
    if isinstance(picture, _Readable):
        return _rest_of(picture, number)
    raise DataError(f"Picture {number} is {_kind(picture)}.\n{_EXPECTED}")


def _rest_of(file: Any, number: int) -> bytes:
    """What an open file still holds; its position stays where it was, so that it can be read again."""
    try:
        position = file.tell() if file.seekable() else None
        data = file.read()
        if position is not None:
            file.seek(position)
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"Picture {number} cannot be read from its open file: {error}.") from error
    if not isinstance(data, bytes):
        raise DataError(f"Picture {number} is a file opened as text.\nExpected it to be opened with open(path, 'rb').")
    if not data:
        raise DataError(
            f"Picture {number} is an open file with nothing left to read.\nCall file.seek(0) before, if it was read."
        )
    return data


def _array(array: npt.NDArray[Any], number: int) -> npt.NDArray[np.uint8]:
    if array.dtype != np.uint8:
        advice = "Multiply values of 0..1 by 255 and convert them: (array * 255).round().astype('uint8')."
        raise DataError(
            f"Picture {number} is an array of {array.dtype}.\nExpected uint8, 0..255. "
            + (advice if array.dtype.kind == "f" else "Convert it: array.astype('uint8').")
        )
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise DataError(
            f"Picture {number} is an array of shape {array.shape}.\n"
            "Expected (height, width, 3) for RGB, (height, width, 4) for RGBA or (height, width) for grey."
        )
    return np.ascontiguousarray(array)


def _kind(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
