"""`headstart check`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from headstart.apps.cli import options, terminal
from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.grouping import PATH, Command, option
from headstart.safety.printable import counted


@click.command(cls=Command, examples=("check photos", "check photos --report photos.html --write fixes.csv"))
@options.labelled_photos
@options.backbone
@options.input_range
@options.layers
@option("--test", group=options.MEASURING, type=PATH, help="Also look over the photos of this folder or CSV file.")
@options.unpack
@options.report
@options.paths
@option(
    "--write", group=options.OUTPUT, type=PATH, metavar="FILE",
    help="Write what may be left out or relabelled to this CSV file, for `headstart train --fixes`.",
)  # fmt: skip
@options.as_json
@options.strict
def check(
    photos: Path,
    backbone: str,
    input_range: str,
    layers: str,
    test: Path | None,
    unpack: bool,
    report: Path | None,
    paths: bool,
    write: Path | None,
    as_json: bool,
    strict: bool,
) -> int:
    """Look over your photos: damaged files, copies, wrong labels, poor photos."""
    from headstart.classifier.checking import check as run
    from headstart.report import html
    from headstart.report.text.check import text

    options.check_csv(write)
    if report is not None:
        html.check(report)
    with Bar() as bar:
        found = run(
            photos,
            backbone=backbone,
            options=options.backbone_options(input_range, layers),
            test=test,
            unpack=unpack,
            progress=bar,
        )
    if report is not None:
        html.write(report, html.of_check(found, paths=paths))
        say(f"Report: {report}")
    if write is not None:
        from headstart.photos import fixes

        with options.writing(write):
            fixes.write(write, found.fixes)
        words = ["headstart", "train", photos, *(["--test", test] if test else []), "--fixes", write]
        say(
            f"{counted(len(found.fixes), 'line')} written to {write}. Delete those that you do not agree with, then: "
            f"{shlex.join(map(str, words))}"
            if found.fixes
            else f"Nothing to leave out or to relabel: {write} has no lines but its header."
        )
    if as_json:
        print_json(found.to_json())
    else:
        put(*text(found, terminal.width(sys.stdout)).split("\n"))
    return options.exit_code(found.photos.skipped, strict)
