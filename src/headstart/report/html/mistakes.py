"""The mistakes it was most sure of, with their photos as small pictures in the page itself."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from headstart.photos.thumbnails import wholes
from headstart.report.html import figures
from headstart.report.html.markup import Markup, foreign, inline, tag

_SHOWN = 24
_SIDE = 168
_QUALITY = 72


def gallery(mistakes: Sequence[Mapping[str, Any]], wrong: int) -> Markup:
    """Photos, what they are and what they were taken for.

    Args:
        mistakes: the most confident first, as an evaluation lists them.
        wrong: how many there are in all.
    """
    shown = mistakes[:_SHOWN]
    if not shown:
        return tag("p", "None: every photo was taken for what it is.")
    which = "All of them" if wrong <= len(shown) else f"The {len(shown)} that it was most sure of, of {wrong:,}"
    return inline(
        tag("p", f"{which}. Some labels may be what is wrong.", class_="quiet"),
        tag("ul", *(_mistake(one) for one in shown), class_="photos"),
    )


def _mistake(one: Mapping[str, Any]) -> Markup:
    name = re.split(r"[/\\]", one["path"])[-1]
    return tag(
        "li",
        _tile(one["path"], f"A photo of {one['label']}, taken for {one['predicted']}"),
        "called ",
        tag("span", foreign(one["predicted"]), class_="said"),
        ", ",
        figures.percent(one["probability"]),
        tag("br"),
        "labelled ",
        foreign(one["label"]),
        tag("span", foreign(name), class_="under"),
    )


def _tile(path: str, said: str) -> Markup:
    pictures, missing = wholes([path], _SIDE)
    if missing:
        return tag("span", "The photo cannot be read any more", class_="tile gone")
    picture = pictures[0]
    size = {"width": str(picture.width), "height": str(picture.height)}
    return tag("span", tag("img", src=_inlined(picture), alt=said, **size), class_="tile")


def _inlined(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")
