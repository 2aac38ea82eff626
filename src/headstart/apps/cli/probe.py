"""`headstart backbones probe`: find out the input range of a network that does not tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, print_json, put, say

if TYPE_CHECKING:
    from headstart.classifier.probe import ProbeResult


def probe(
    network: Annotated[str, typer.Argument(help="Path or handle of the network.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of them: at least 20, as varied as can be.")],
    write: Annotated[bool, typer.Option("--write/--no-write", help="Keep what is found for all later runs.")] = True,
    as_json: options.Json = False,
) -> None:
    """Find out which input range and order of colours a network was trained with, and keep it."""
    from headstart.classifier.probe import probe as run

    with Bar() as bar:
        found = run(network, photos[0] if len(photos) == 1 else photos, bar, write)
    if as_json:
        print_json(found.to_json())
    else:
        show(found)
    if not found.sure:
        say(
            f"Doubtful: {found.candidates[0].feed.name} was the best in only {100 * found.wins:.0f} % of random halves "
            "of the photos, so nothing is kept. Give more photos, of more different things; or say --input-range "
            "yourself."
        )
    elif not write:
        say("Not kept (--no-write).")


def show(found: ProbeResult) -> None:
    """The table and what it means."""
    print("input range      similarity   belief   agreement   accuracy")
    for one in found.candidates:
        figures = [one.similarity, one.belief, one.agreement, one.accuracy]
        cells = ["-" if figure is None else f"{figure:.3f}" for figure in figures]
        put(f"{one.feed.name:15}  {cells[0]:>10}  {cells[1]:>7}  {cells[2]:>10}  {cells[3]:>9}")
    print()
    what = (
        "the probability it gives to what the built-in network sees"
        if found.criterion == "belief"
        else "how alike its features are to the built-in network's"
    )
    print(
        f"{found.candidates[0].feed.name} it is, by {what}, on {found.photos} photos; the best in "
        f"{100 * found.wins:.0f} % of random halves of them."
    )
    if found.card:
        put(f"Kept in {found.card}: later runs use it.")
