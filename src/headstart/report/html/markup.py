"""HTML and SVG from small functions: text from outside enters a page escaped, or not at all."""

from __future__ import annotations

import html

from headstart.safety.printable import show, show_lines

Attribute = str | int | float | bool | None

_VOID = {"meta", "img", "br"}


class Markup(str):
    """HTML or SVG in which everything that came from outside is escaped. Joined with plain text it is plain text."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        name: of the element.
        content: text, which is escaped, and `Markup`, which is not.
        attributes: `class_` is `class`, `data_value` is `data-value`; None and False leave one out, True gives it no
            value. Figures are rounded to a tenth, as places in a drawing are.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        words.append(written if value is True else f'{written}="{_attribute(value)}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening if name in _VOID else f"{opening}{inline(*content)}</{name}>")


def inline(*content: str) -> Markup:
    """One after the other: text is escaped, `Markup` is not."""
    return Markup("".join(one if isinstance(one, Markup) else html.escape(show_lines(one)) for one in content))


def foreign(text: str) -> Markup:
    """A name that somebody else chose: whichever way it is written, what stands beside it stays in its place."""
    return tag("bdi", show(text))


def _attribute(value: str | int | float) -> str:
    if isinstance(value, str):
        return html.escape(show_lines(value))
    return f"{value:.1f}".removesuffix(".0")
