"""`headstart compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, command_line, print_json, put, say, say_skipped

if TYPE_CHECKING:
    from headstart.classifier.comparison import Comparison


def compare(
    photos: Annotated[
        Path,
        typer.Argument(help="Folder of class folders, or of train and test with class folders, or a CSV."),
    ],
    backbone: Annotated[
        list[str],
        typer.Option(
            "-b", "--backbone", help="A network, as in `train`; give -b several times, once for each network."
        ),
    ],
    head: Annotated[
        list[str] | None, typer.Option(help="logistic (the default), ridge, centroid or knn; may be given repeatedly.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Folder or CSV to measure on.")] = None,
    fraction: Annotated[float | None, typer.Option(help="Train on this share of each class, such as 0.1.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Rank on about 20 photos a class first; the best third goes on.")
    ] = False,
    curve: Annotated[bool, options.LEARNING_CURVE] = False,
    report: Annotated[Path | None, options.REPORT] = None,
    logdir: Annotated[Path | None, typer.Option(help="Write runs for TensorBoard into this folder.")] = None,
    input_range: options.InputRange = "",
    layers: options.Layers = options.LayersName.last,
    view: options.View = options.ViewName.squash,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the share and of the folds.")] = 0,
    as_json: options.Json = False,
) -> int:
    """Which network for your photos? Train and measure several, and say which differences are more than luck."""
    from headstart.classifier.comparing import compare as run

    if report is not None:
        from headstart.report.html import check

        check(report)
    runs: list[Path] = []
    if logdir is not None:
        from headstart.report import tensorboard

        tensorboard.check(logdir)
    with Bar() as bar:
        result = run(
            photos,
            networks=backbone,
            heads=head or ["logistic"],  # type: ignore[arg-type]  # an unknown name is the library's error
            view=view.value,
            options=options.network_options(input_range, layers),
            test=test,
            fraction=fraction,
            seed=seed,
            quick=quick,
            curve=curve or report is not None,
            each=None if logdir is None else lambda trained: runs.append(tensorboard.record(logdir, trained)),
            command=command_line(),
            progress=bar,
        )
    if runs:
        say(f"Tracked {len(runs)} runs in {logdir}. Look at them: headstart board {logdir}")
    document = result.to_json()
    if report is not None:
        from datetime import date

        from headstart.report.html import of_comparison, write

        write(report, of_comparison(document, date.today()))
        say(f"Report: {report}")
    if as_json:
        print_json(document)
    else:
        show(result)
    return 1 if result.failures else 0


def show(result: Comparison) -> None:
    """What a person wants to know of a comparison."""
    from headstart.report.text.comparison import cautions, comparison_table
    from headstart.report.text.evaluation import curve_text

    document = result.to_json()
    if document["files"]["skipped"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in document["files"]["reasons"].items())
        say(f"{document['files']['skipped']} of {result.found:,} photos are not used: {reasons}.")
        say_skipped(result.best.skipped, most=5)
    print(comparison_table(document))
    print()
    put(document["verdict"])
    if document["learning_curve"]:
        put(curve_text(document["learning_curve"]))
    print(cautions(document))
    if result.failures:
        names = ", ".join(failure.network for failure in result.failures)
        say(f"Not measured, for the reasons given above: {names}.")
