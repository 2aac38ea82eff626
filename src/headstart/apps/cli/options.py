"""Options that several commands take, and what they stand for in the library."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart import backbones
from headstart.apps.cli.console import Bar, agreed, say

if TYPE_CHECKING:
    from headstart.backbones import Options
    from headstart.classifier.classifier import Classifier

DEFAULT_BACKBONE = backbones.DEFAULT


class LayersName(StrEnum):
    """Which layers make the vector."""

    last = "last"
    several = "several"


class ViewName(StrEnum):
    """How photos become the network's input size."""

    squash = "squash"
    crop = "crop"
    pad = "pad"


Backbone = Annotated[
    str,
    typer.Option(
        "-b", "--backbone", help="Network: a name or handle that `headstart models` shows, an address, or a path."
    ),
]
InputRange = Annotated[
    str,
    typer.Option(help="Of a network that does not tell: 0..1, -1..1, 0..255 or imagenet; with ',BGR' for blue first."),
]
Layers = Annotated[LayersName, typer.Option(help="The last, or several stages pooled and joined.")]
View = Annotated[ViewName, typer.Option(help="The whole photo squashed, its centre, or the whole padded.")]
LEARNING_CURVE = typer.Option(
    "--learning-curve", help="Would more photos help, and of which class? (With --report always.)"
)
REPORT = typer.Option("--report", help="Write all of it into one HTML file.")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Model = Annotated[Path, typer.Argument(help="Folder of a saved classifier.")]
Elsewhere = Annotated[
    str, typer.Option("-b", "--backbone", help="Where its network lies now, if not where it was trained.")
]
Fetch = Annotated[
    bool,
    typer.Option(
        "--fetch", help="Download its network from where the classifier says, if it is not here. No token is sent."
    ),
]


def network_options(input_range: str, layers: LayersName = LayersName.last) -> Options:
    """What the user said of the network."""
    from headstart.backbones import Options

    return Options(input_range, layers.value)


def open_model(model: Path, backbone: str, fetch: bool, bar: Bar) -> Classifier:
    """A saved classifier; what the user should know of it is said, and whether its network may be fetched is asked."""
    from headstart.classifier.classifier import Classifier
    from headstart.errors import NotFetchedError

    try:
        classifier = Classifier.load(model, backbone=backbone, progress=bar, fetch=fetch)
    except NotFetchedError as error:
        if not agreed(f"This classifier wants to download {error.source}. Download it?"):
            raise
        classifier = Classifier.load(model, backbone=backbone, progress=bar, fetch=True)
    for note in classifier.notes_:
        say(note)
    return classifier
