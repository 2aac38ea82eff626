"""All commands, under their names."""

from __future__ import annotations

import click

from headstart import __version__
from headstart.apps.cli.backbones import backbones
from headstart.apps.cli.board import board
from headstart.apps.cli.cache import cache
from headstart.apps.cli.compare import compare
from headstart.apps.cli.demo import demo
from headstart.apps.cli.embed import embed, similar
from headstart.apps.cli.evaluate import evaluate
from headstart.apps.cli.grouping import Group
from headstart.apps.cli.models import models
from headstart.apps.cli.predict import classify, predict
from headstart.apps.cli.samples import samples
from headstart.apps.cli.train import train


@click.group(
    "headstart", cls=Group, no_args_is_help=True, context_settings={"show_default": True, "max_content_width": 100}
)
@click.version_option(__version__, prog_name="headstart")
def app() -> None:
    """From folders of photos to a classifier you can trust, on top of a frozen pre-trained model."""


for command in (
    demo, classify, train, compare, evaluate, predict, board, embed, similar, models, backbones, samples, cache,
):  # fmt: skip
    app.add_command(command)
