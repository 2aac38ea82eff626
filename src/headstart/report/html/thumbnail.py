"""Photos as small pictures in the page itself."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass

from PIL import Image

from headstart.photos.images import Images
from headstart.photos.thumbnails import wholes
from headstart.trust.explain.explanation import Explanation

_SIDE = 168
_QUALITY = 72


@dataclass(frozen=True)
class Thumbnail:
    """A small picture: the address that holds its bytes, and its sides in pixels."""

    source: str
    width: int
    height: int


def thumbnail(path: str, side: int = _SIDE) -> Thumbnail | None:
    """A photo, its longer side so many pixels; None if it can no longer be read."""
    (picture,), missing = wholes([path], side)
    if missing:
        return None
    return _packed(picture)


def plain(explanation: Explanation, side: int = _SIDE) -> Thumbnail:
    """The photo that is explained, its longer side at most so many pixels."""
    return _small(explanation.picture, side)


def heat(explanation: Explanation, side: int = _SIDE) -> Thumbnail:
    """The photo in grey with its heat map over it, its longer side at most so many pixels."""
    return _small(explanation.overlay, side)


def _small(pixels: Images, side: int) -> Thumbnail:
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    return _packed(picture)


def _packed(picture: Image.Image) -> Thumbnail:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_QUALITY, optimize=True)
    packed = base64.b64encode(data.getvalue()).decode("ascii")
    return Thumbnail(f"data:image/jpeg;base64,{packed}", picture.width, picture.height)


def file_name(path: str) -> str:
    """The last part of a path, whichever system it comes from."""
    return re.split(r"[/\\]", path)[-1]
