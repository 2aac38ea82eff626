"""`headstart backbones probe`: find out the input range of a model that does not declare it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.apps.cli.options import as_json as json_option

if TYPE_CHECKING:
    from headstart.classifier.probe import ProbeResult


@click.command(cls=Command, examples=("backbones probe model.onnx photos",))
@argument("backbone", metavar="HANDLE", help="Handle or path of the model.")
@argument("photos", type=PATH, nargs=-1, required=True, help="Photos or folders of photos: 20 or more, varied.")
@option("--write/--no-write", default=True, help="Keep the result for all later runs.")
@json_option
def probe(backbone: str, photos: Sequence[Path], write: bool, as_json: bool) -> None:
    """Find out a model's input range and keep it.

    Tries each input range and order of colours on your photos.
    """
    from headstart.classifier.probe import probe as run

    with Bar() as bar:
        found = run(backbone, photos[0] if len(photos) == 1 else photos, bar, write)
    if as_json:
        print_json(found.to_json())
    else:
        show(found)
    if not found.sure:
        say(
            f"Uncertain: {found.candidates[0].feed.name} was the best in only {100 * found.wins:.0f} % of random "
            "halves of the photos, so nothing is kept. Give more photos of more different things, or set "
            "--input-range yourself."
        )
    elif not write:
        say("Not kept (--no-write).")


def show(found: ProbeResult) -> None:
    """Print the table and what it means."""
    print("input range      similarity   belief   agreement   accuracy")
    for one in found.candidates:
        figures = [one.similarity, one.belief, one.agreement, one.accuracy]
        cells = ["-" if figure is None else f"{figure:.3f}" for figure in figures]
        put(f"{one.feed.name:15}  {cells[0]:>10}  {cells[1]:>7}  {cells[2]:>10}  {cells[3]:>9}")
    print()
    criterion = (
        "the probability that it gives to the built-in model's predictions"
        if found.criterion == "belief"
        else "the similarity of its features to the built-in model's"
    )
    print(
        f"Best input range: {found.candidates[0].feed.name}, by {criterion}, on {found.photos} photos; also the best "
        f"in {100 * found.wins:.0f} % of random halves of them."
    )
    if found.card:
        put(f"Kept in {found.card}: later runs use it.")
