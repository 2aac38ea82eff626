"""Small pictures of photos; for a photo that can no longer be read, a grey tile with a cross."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from headstart.errors import PhotoError
from headstart.photos import images
from headstart.photos.images import View
from headstart.photos.reading import readers


def squares(paths: Sequence[str], side: int) -> tuple[list[Image.Image], int]:
    """The centre of each photo, `side` x `side` pixels.

    Returns:
        pictures in the order of the paths, and the number of photos that could not be read.
    """
    return _all(paths, lambda path: Image.fromarray(images.load(path, View(side, side, "crop"))), side)


def wholes(paths: Sequence[str], side: int) -> tuple[list[Image.Image], int]:
    """Each photo whole, its longer side `side` pixels; otherwise as `squares`."""
    return _all(paths, lambda path: Image.fromarray(images.load(path, View(side, side, "pad"), fill=False)), side)


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
