"""How photos get in, in words and as a few lines for each language: the templates in `templates/recipe/`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

from headstart.backbones.card import Card
from headstart.photos.images import View

_TEMPLATES = Path(__file__).parent / "templates" / "recipe"


@dataclass(frozen=True)
class Recipe:
    """The same recipe in words and in four languages.

    Attributes:
        words: numbered steps, Markdown.
        python: Pillow; defines `read(path)`, which returns uint8 `(1, height, width, 3)`.
        javascript: for browsers; defines `read(file)`.
        swift: UIKit; not run by any test.
        kotlin: Android; not run by any test.
    """

    words: str
    python: str
    javascript: str
    swift: str
    kotlin: str


def recipe(card: Card) -> Recipe:
    """The recipe for a card's view."""
    return for_view(card.view)


@cache
def for_view(view: View) -> Recipe:
    """The recipe for a view."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    cut = view.fit == "crop" and view.fraction < 1
    facts = {
        "view": view,
        "w": view.width,
        "h": view.height,
        "fraction": f"{view.fraction:g}",
        "times_fraction": f" * {view.fraction!r}" if cut else "",
        "by_fraction": f" / {view.fraction!r}" if cut else "",
        "decoded": ceil(max(view.width, view.height) / (view.fraction if view.fit == "crop" else 1)),
    }
    return Recipe(
        **{name: environment.get_template(f"{name}.j2").render(facts) for name in Recipe.__dataclass_fields__}
    )
