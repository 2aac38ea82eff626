"""How photos get in, in words and as a few lines for each language: the templates in `templates/recipe/`."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """The recipe for a view; for several at once, one for each, and how they are put together."""
    if not view.parts:
        return _rendered(view)
    recipes = [_rendered(part, f"read{number}") for number, part in enumerate(view.parts, start=1)]
    titled = [replace(one, words=f"**View {number}**\n\n{one.words}") for number, one in enumerate(recipes, start=1)]
    whole = [*titled, _rendered(view, template="stack_")]
    return Recipe(**{name: "\n\n".join(getattr(one, name) for one in whole) for name in Recipe.__dataclass_fields__})


def _rendered(view: View, name: str = "read", template: str = "") -> Recipe:
    """The recipe for a single view, as a function of this name; helpers stand beside the first one."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    cut = view.fit == "crop" and view.fraction < 1
    facts = {
        "view": view,
        "name": name,
        "first": name in ("read", "read1"),
        "w": view.width,
        "h": view.height,
        "fraction": f"{view.fraction:g}",
        "times_fraction": f" * {view.fraction!r}" if cut else "",
        "by_fraction": f" / {view.fraction!r}" if cut else "",
        "decoded": ceil(max(view.width, view.height) / (view.fraction if view.fit == "crop" else 1)),
    }
    return Recipe(
        **{
            language: environment.get_template(f"{template}{language}.j2").render(facts).strip("\n")
            for language in Recipe.__dataclass_fields__
        }
    )
