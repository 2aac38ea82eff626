"""SVG and small pieces of HTML from Python: text enters a page escaped and printable, or not at all."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from headstart.safety.printable import show, show_lines


def tag(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """An element.

    Args:
        name: of the element.
        content: text, which is escaped, and `Markup`, which is not.
        attributes: `class_` is `class`, `data_value` is `data-value`; None leaves one out. Numbers are rounded to a
            tenth, as places in a drawing are.
    """
    opening = escape(name)
    for key, value in attributes.items():
        if value is not None:
            written = value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
            opening += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), printable(written))
    return Markup("<{0}>{1}</{2}>").format(opening, inline(*content), name)


def inline(*content: str) -> Markup:
    """One after the other: text is escaped, `Markup` is not."""
    return Markup().join(printable(one) for one in content)


def printable(value: Any) -> Any:
    """Text with its control characters spelled; `Markup` and all else as it is. Templates apply it to every value."""
    return show_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def foreign(text: str) -> Markup:
    """A name that somebody else chose: isolated, so that right-to-left text does not move what stands beside it."""
    return Markup("<bdi>{}</bdi>").format(breakable(show(text)))


def breakable(text: str) -> Markup:
    """Text that may be broken behind `/` and `_` where a line is full, and so is not broken inside a word."""
    return Markup("<wbr>").join(printable(part) for part in re.findall(r"[^/_]*[/_]+|[^/_]+", text))
