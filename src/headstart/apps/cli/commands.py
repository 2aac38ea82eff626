"""All commands, under their names."""

from __future__ import annotations

import typer

from headstart.apps.cli import backbones, board, cache, compare, demo, evaluate, models, predict, probe, samples, train

app = typer.Typer(
    name="headstart",
    help="From folders of photos to a classifier you can trust, on top of a frozen pre-trained network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(name="demo")(demo.demo)
app.command(name="classify")(predict.classify)
app.command(name="train")(train.train)
app.command(name="compare")(compare.compare)
app.command(name="evaluate")(evaluate.evaluate)
app.command(name="predict")(predict.predict)
app.command(name="board")(board.board)
app.command(name="models")(models.models)
app.add_typer(cache.app, name="cache")
backbones.app.command(name="probe")(probe.probe)
app.add_typer(backbones.app, name="backbones")
app.add_typer(samples.app, name="samples")
