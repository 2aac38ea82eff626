"""Small pictures of photos; one that cannot be read any more is grey with a cross, and counted."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from headstart import images
from headstart.errors import PhotoError
from headstart.formats import OPENERS, sniff
from headstart.images import View
from headstart.reading import readers

_ORIENTATION = 0x0112


def squares(paths: Sequence[str], side: int) -> tuple[list[Image.Image], int]:
    """The centre of each photo, `side` x `side` pixels.

    Returns:
        pictures in the order of the paths, and how many of them could not be read.
    """
    return _all(paths, lambda path: Image.fromarray(images.load(path, View(side, side, "crop"))), side)


def wholes(paths: Sequence[str], side: int) -> tuple[list[Image.Image], int]:
    """Each photo whole, its longer side `side` pixels; otherwise as `squares`."""
    return _all(paths, lambda path: _whole(path, side), side)


def _whole(path: str, side: int) -> Image.Image:
    data = images.read(path)
    try:
        with OPENERS[sniff(data[:32])](io.BytesIO(data)) as header:
            width, height = header.size
            turned = header.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        raise PhotoError("corrupt", str(error)) from error
    if turned:
        width, height = height, width
    scale = side / max(width, height)
    view = View(max(round(height * scale), 1), max(round(width * scale), 1))
    return Image.fromarray(images.decode(data, view))


def _all(paths: Sequence[str], draw: Callable[[str], Image.Image], side: int) -> tuple[list[Image.Image], int]:
    def one(path: str) -> Image.Image | None:
        try:
            return draw(path)
        except PhotoError:
            return None

    with readers() as pool:
        drawn = list(pool.map(one, paths))
    return [picture or _missing(side) for picture in drawn], sum(picture is None for picture in drawn)


def _missing(side: int) -> Image.Image:
    tile = Image.new("RGB", (side, side), (200, 200, 200))
    pen = ImageDraw.Draw(tile)
    pen.line((0, 0, side, side), fill=(150, 150, 150), width=2)
    pen.line((0, side, side, 0), fill=(150, 150, 150), width=2)
    return tile
