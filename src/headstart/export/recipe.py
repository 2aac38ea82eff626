"""How photos get in, in words and as a few lines for each language."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.backbones.card import Card


@dataclass(frozen=True)
class Recipe:
    """The same recipe in words and in four languages."""

    words: str
    python: str
    javascript: str
    swift: str
    kotlin: str


def recipe(card: Card) -> Recipe:
    """The recipe for a card's view."""
    return Recipe("", "", "", "", "")
