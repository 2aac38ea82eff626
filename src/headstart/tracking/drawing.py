"""Letters and colours for pictures drawn with Pillow alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from headstart.printable import show

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Pen = ImageDraw.ImageDraw

PAPER: Colour = (255, 255, 255)
INK: Colour = (31, 41, 51)
MUTED: Colour = (104, 117, 130)
FAINT: Colour = (226, 231, 236)
RIGHT: Colour = (11, 93, 122)
WRONG: Colour = (190, 58, 38)

#: Asked for in this order where Pillow's own font, which has little but ASCII, lacks a letter of a class name.
_OTHERS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "arial.ttf",
    "wqy-microhei.ttc",
)
_NO_LETTER = "\U0010ffff"


def canvas(width: int, height: int) -> tuple[Image.Image, Pen]:
    """An empty sheet and the pen for it."""
    sheet = Image.new("RGB", (width, height), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def mix(low: Colour, high: Colour, share: float) -> Colour:
    """The colour at `share` (0..1) of the way from `low` to `high`."""
    a, b, c = (round(x + (y - x) * share) for x, y in zip(low, high, strict=True))
    return a, b, c


def readable_on(colour: Colour) -> Colour:
    """Ink or paper, by the luminance of what is behind (ITU-R BT.601 weights)."""
    return INK if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 else PAPER


def font_for(text: str, size: int) -> Font:
    """Pillow's own font, or one of this machine's that has the letters it lacks; where none has, they are boxes."""
    return next((font for font in _fonts(size) if _covers(font, text)), _own(size))


def width_of(text: str, size: int) -> int:
    """Pixels that a line takes."""
    return round(font_for(text, size).getlength(text))


def shortened(text: str, size: int, width: int) -> str:
    """As much of a line as fits, the middle left out: both ends of a name tell. Accents go where no font has them."""
    text = " ".join(show(text).split())
    if not any(_covers(font, text) for font in _fonts(size)):
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    if width_of(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        front = text[: -(-kept // 2)].rstrip()
        back = text[len(text) - kept // 2 :].lstrip()
        if width_of(f"{front}..{back}", size) <= width:
            return f"{front}..{back}"
    return ".."


def write(pen: Pen, place: tuple[float, float], text: str, size: int, colour: Colour = INK, anchor: str = "la") -> None:
    """One line of text; `anchor` as Pillow names it."""
    pen.text(place, text, fill=colour, font=font_for(text, size), anchor=anchor)


def upwards(sheet: Image.Image, place: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
    """One line of text from the bottom up; `place` is the middle of its lower end."""
    length = max(width_of(text, size), 1)
    strip = Image.new("L", (length + 2, size * 3 // 2), 0)
    ImageDraw.Draw(strip).text((0, strip.height // 2), text, fill=255, font=font_for(text, size), anchor="lm")
    turned = strip.transpose(Image.Transpose.ROTATE_90)
    sheet.paste(colour, (place[0] - turned.width // 2, place[1] - turned.height), turned)


def _fonts(size: int) -> Iterator[Font]:
    yield _own(size)
    for name in _OTHERS:
        if (other := _installed(name, size)) is not None:
            yield other


@lru_cache(maxsize=32)
def _own(size: int) -> Font:
    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _installed(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _covers(font: Font, text: str) -> bool:
    return not any(_lacks(font, letter) for letter in set(text) if not letter.isascii())


@lru_cache(maxsize=4096)
def _lacks(font: Font, letter: str) -> bool:
    """A letter that a font lacks is drawn as the box that every such letter is drawn as."""
    return bytes(font.getmask(letter)) == bytes(font.getmask(_NO_LETTER))
