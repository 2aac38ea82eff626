"""Shared by all pictures: a sheet, colours, fonts. Drawn by matplotlib's objects: pyplot's state is global.

matplotlib is in the extra `headstart[plot]` and is loaded when something is drawn.
"""

from __future__ import annotations

import io
import unicodedata
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, Any

from PIL import Image

from headstart.safety.printable import show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER, INK, MUTED, FAINT = "#ffffff", "#1f2933", "#687582", "#e2e7ec"
RIGHT, WRONG = "#0b5d7a", "#be3a26"
TITLE, SMALL = 14.0, 10.0
_DPI = 100
_EDGE = 24
#: Fonts, if installed, in the order in which they are searched for characters that matplotlib's own font lacks.
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "WenQuanYi Micro Hei",
    "Malgun Gothic",
    "Nirmala UI",
    "Arial Unicode MS",
    "Arial",
)
_NO_LETTER = "\N{WHITE SQUARE}"


def sheet(width: float, height: float) -> Figure:
    """An empty sheet of this size in pixels. Drawings may lie outside it, such as the names beside a matrix."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def picture(figure: Figure, title: str, *lines: str) -> Image.Image:
    """Everything drawn, inside the sheet or outside, below a heading: RGB."""
    from matplotlib.transforms import Bbox

    box = figure.get_tightbbox()  # in inches
    wide, high = figure.get_size_inches()
    boxes = [box]
    heading = [(title, letters(TITLE)), *((line, letters(SMALL, MUTED)) for line in lines)]
    for place, (text, style) in enumerate(reversed(heading)):
        written = figure.text(box.x0 / wide, (box.y1 + (18 + 19 * place) / _DPI) / high, text, **style)
        boxes.append(Bbox(written.get_window_extent().get_points() / _DPI))
    packed = io.BytesIO()
    whole = Bbox.union(boxes).padded(_EDGE / _DPI)
    figure.savefig(packed, format="png", dpi=_DPI, facecolor=PAPER, transparent=False, bbox_inches=whole)
    return Image.open(packed).convert("RGB")


def points(pixels: float) -> float:
    """A height in pixels as the size of a font."""
    return pixels * 72 / _DPI


def mix(low: str, high: str, share: float) -> tuple[float, float, float]:
    """The colour, 0..1, at `share` (0..1) of the way from `low` to `high`."""
    from matplotlib.colors import to_rgb

    red, green, blue = (x + (y - x) * share for x, y in zip(to_rgb(low), to_rgb(high), strict=True))
    return red, green, blue


def readable_on(colour: tuple[float, float, float]) -> str:
    """Ink or paper, depending on the luminance of the background (ITU-R BT.601 weights)."""
    red, green, blue = colour
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else PAPER


def letters(size: float, colour: str = INK) -> dict[str, Any]:
    """Matplotlib's arguments for text; a `$` in a name does not start a formula."""
    return {"fontsize": size, "color": colour, "fontfamily": _families(), "parse_math": False}


def shortened(text: str, size: float, width: float) -> str:
    """Shorten a name in the middle until it fits into `width` pixels.

    Characters that no font on this machine has become a box; control characters are left out.
    """
    text = unicodedata.normalize("NFC", " ".join(show(text).split()))
    text = "".join(letter for letter in text if not unicodedata.category(letter).startswith("C"))
    text = "".join(letter if ord(letter) in _known() else _NO_LETTER for letter in text)
    written = sheet(1, 1).text(0, 0, text, **letters(size))

    def cut(kept: int) -> str:
        return f"{text[: -(-kept // 2)].rstrip()}..{text[len(text) - kept // 2 :].lstrip()}"

    def is_too_wide(shown: str) -> bool:
        written.set_text(shown)
        return bool(written.get_window_extent().width > width)

    if not is_too_wide(text):
        return text
    return cut(max(1, bisect_left(range(1, len(text)), True, key=lambda kept: is_too_wide(cut(kept)))))


@cache
def _families() -> list[str]:
    from matplotlib.font_manager import get_font_names

    return [name for name in _FAMILIES if name in get_font_names()]


@cache
def _known() -> frozenset[int]:
    """Code points that the fonts on this machine have; matplotlib warns of others."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset[int]().union(*(get_font(findfont(name)).get_charmap() for name in _families()))
