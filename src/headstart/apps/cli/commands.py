"""All commands, under their names."""

from __future__ import annotations

from collections.abc import Sequence

import click

from headstart import __version__
from headstart.apps.cli.backbones import backbones
from headstart.apps.cli.board import board
from headstart.apps.cli.cache import cache
from headstart.apps.cli.check import check
from headstart.apps.cli.compare import compare
from headstart.apps.cli.completion import completion
from headstart.apps.cli.demo import demo
from headstart.apps.cli.doctor import doctor
from headstart.apps.cli.embed import embed, similar
from headstart.apps.cli.evaluate import evaluate
from headstart.apps.cli.explain import explain
from headstart.apps.cli.export import export
from headstart.apps.cli.grouping import Group, argument
from headstart.apps.cli.label import label
from headstart.apps.cli.models import models
from headstart.apps.cli.plan import plan
from headstart.apps.cli.predict import classify, predict
from headstart.apps.cli.samples import samples
from headstart.apps.cli.serve import serve
from headstart.apps.cli.studio import studio
from headstart.apps.cli.train import train
from headstart.apps.cli.watch import watch

_SETTINGS = {"show_default": True, "max_content_width": 100, "help_option_names": ["-h", "--help"]}


@click.group(
    "headstart",
    cls=Group,
    no_args_is_help=True,
    context_settings=_SETTINGS,
    examples=("demo", "train photos -o trees", "predict trees new.jpg"),
)
@click.version_option(__version__, prog_name="headstart")
def app() -> None:
    """From folders of photos to a classifier you can trust, on top of a frozen pre-trained model."""


@app.command("help", examples=("help train", "help backbones get"))
@argument("words", metavar="[COMMAND...]", nargs=-1, help="Such as train, or backbones get.")
@click.pass_context
def help_(context: click.Context, words: Sequence[str]) -> None:
    """Show the help of a command."""
    context = context.find_root()
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"'{context.command_path}' has no commands of its own.", context)
        group.resolve_command(context, [word])  # refuses an unknown one, with a suggestion
        context = click.Context(group.commands[word], context, info_name=word)
    print(context.get_help())


for command in (
    demo, classify, check, train, compare, evaluate, predict, watch, label, explain, export, serve, studio, board,
    embed, plan, similar, models, backbones, samples, cache, doctor, completion,
):  # fmt: skip
    app.add_command(command)
