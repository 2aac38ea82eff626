"""`headstart train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, command_line, print_json, put, say, say_skipped

if TYPE_CHECKING:
    from headstart.classifier.training import Training


def train(
    photos: Annotated[
        Path,
        typer.Argument(help="Folder of class folders, or of train and test with class folders, or a CSV."),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Save the classifier in this new folder.")
    ] = None,
    backbone: options.Backbone = options.DEFAULT_BACKBONE,
    input_range: options.InputRange = "",
    layers: options.Layers = options.LayersName.last,
    head: Annotated[str, typer.Option(help="logistic, ridge, centroid or knn.")] = "logistic",
    test: Annotated[Path | None, typer.Option(help="Folder or CSV to measure on.")] = None,
    fraction: Annotated[float | None, typer.Option(help="Train on this share of each class, such as 0.1.")] = None,
    view: options.View = options.ViewName.squash,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the share and of the folds.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a photo was skipped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a classifier saved there.")] = False,
    curve: Annotated[bool, options.LEARNING_CURVE] = False,
    report: Annotated[Path | None, options.REPORT] = None,
    logdir: Annotated[Path | None, typer.Option(help="Write a run for TensorBoard into this folder.")] = None,
    as_json: options.Json = False,
) -> int:
    """Train a classifier on your photos, measure it honestly, save it."""
    from headstart.classifier.training import train as run

    if report is not None:
        from headstart.report.html import check

        check(report)
    if logdir is not None:
        from headstart.report import tensorboard

        tensorboard.check(logdir)
    with Bar() as bar:
        result = run(
            photos,
            output=output,
            backbone=backbone,
            head=head,  # type: ignore[arg-type]  # an unknown name is the library's error
            view=view.value,
            options=options.network_options(input_range, layers),
            test=test,
            fraction=fraction,
            seed=seed,
            overwrite=overwrite,
            curve=curve or report is not None,
            command=command_line(),
            progress=bar,
        )
    document = {**result.to_json(), "tracked": None}
    if logdir is not None:
        folder = tensorboard.record(logdir, result)
        document["tracked"] = str(folder)
        say(f"Tracked in {folder}. Look at it: headstart board {logdir}")
    if report is not None:
        from datetime import date

        from headstart.report.html import of_training, write

        write(report, of_training(document, date.today()))
        say(f"Report: {report}")
    if as_json:
        print_json(document)
    else:
        show(result)
    return 1 if strict and result.skipped else 0


def show(result: Training) -> None:
    """What a person wants to know of a training."""
    from headstart.report.text.evaluation import curve_text, details, summary

    document = result.to_json()
    skipped = document["photos"]
    if skipped["skipped"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped["reasons"].items())
        say(f"{skipped['skipped']} of {skipped['found']:,} photos are not used: {reasons}.")
        say_skipped(result.skipped, most=5)
    print(details(document["evaluation"]))
    print()
    print(summary(document["evaluation"]))
    rate = document["features"]["photos_per_second"]
    head, seconds = document["head"], document["seconds"]
    chosen = f", l2 {head['l2']:.3g} by cross-validation" if head["l2"] is not None else ""
    speed = f" at {rate:,.0f} photos/s" if rate else ""
    print(
        f"Head: {head['kind']}{chosen}.  {result.computed:,} photos computed{speed}, {result.from_store:,} from the "
        f"store; {seconds['total']:.1f} s in all."
    )
    if document["learning_curve"]:
        put(curve_text(document["learning_curve"]))
    if result.model is None:
        say("Not saved: add -o NAME to keep the classifier.")
    else:
        put(f"Saved in {result.model}. Try it: headstart predict {result.model} PHOTO")
