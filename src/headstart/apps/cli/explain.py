"""`headstart explain`: what a classifier looks at in a photo."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli import options, terminal
from headstart.apps.cli.console import Bar, print_json, put, say_skipped
from headstart.apps.cli.grouping import PATH, Choice, Command, option
from headstart.errors import DataError, PhotoError
from headstart.report.text.layout import table
from headstart.safety.printable import percent, show

if TYPE_CHECKING:
    from headstart.trust.explain.explanation import Explanation, Method

_HEAT = "Heat map"


@click.command(
    cls=Command,
    examples=("explain trees new.jpg -o heat.png", "explain trees new.jpg -o heat.png --class cherry"),
)
@options.model
@options.photos
@options.moved_backbone
@options.may_fetch
@option("--class", "label", group=_HEAT, metavar="NAME", help="Explain this class; if not given, the predicted one.")
@option(
    "--method", group=_HEAT, type=Choice(["map", "occlusion"]),
    help="Leave out places of the backbone's last map (quick), or cover the photo with grey patches; if not given, the "
    "first where the backbone has such a map.",
)  # fmt: skip
@option(
    "-o", "--output", group=options.OUTPUT, type=PATH, metavar="FILE", required=True,
    help="PNG file to write, replaced if it exists; for several photos a folder.",
)  # fmt: skip
@options.as_json
@options.strict
def explain(
    model: Path,
    photos: Sequence[Path],
    backbone: str,
    fetch: bool,
    label: str | None,
    method: Method | None,
    output: Path,
    as_json: bool,
    strict: bool,
) -> int:
    """Show which places of a photo speak for its class.

    The photo and, beside it, the same with a heat map: orange places speak for the class, blue ones against it.
    """
    from headstart.evaluation.results import PhotoCounts
    from headstart.features.extraction import Skipped
    from headstart.photos.sources import find_files
    from headstart.trust.explain.explanation import explain as run

    paths = find_files(list(photos))
    targets = _targets(output, paths)
    written: list[tuple[Explanation, Path]] = []
    skipped: list[Skipped] = []
    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        if len(paths) > 1:
            bar.planned(len(paths), len(paths), 0)
        for path, target in zip(paths, targets, strict=True):
            try:
                found = run(classifier.backbone, classifier.head, classifier.classes, path, label, method)
            except PhotoError as error:
                skipped.append(Skipped(path, error.reason, error.detail))
            else:
                found.save(target)
                written.append((found, target))
            if len(paths) > 1:
                bar.advanced(len(written) + len(skipped))
    say_skipped(skipped)
    counts = PhotoCounts.of(written, tuple(skipped))
    if as_json:
        explained = [{**one.to_json(), "heat_map": str(target)} for one, target in written]
        print_json({"model": str(model), "explanations": explained, "photos": counts.to_json()})
    elif written:
        put(*table([_row(*one) for one in written], terminal.width(sys.stdout), header=False).split("\n"))
    return options.exit_code(skipped, strict, len(written))


def _targets(output: Path, paths: Sequence[str]) -> list[Path]:
    """The PNG of each photo: `output` itself for one photo, unless it is a folder; else files named after the photos.

    Raises:
        UsageError: there are several photos and `output` is a file; or a photo would be replaced.
        DataError: it cannot be written.
    """
    from headstart.photos.folders import PICTURES
    from headstart.trust.explain.explanation import check

    is_file = output.suffix.lower() in PICTURES and not output.is_dir()
    if is_file and output.suffix.lower() != ".png":
        raise click.UsageError(f"-o {show(str(output))}: heat maps are PNG files. Expected a name that ends in .png.")
    if is_file and len(paths) == 1:
        if os.path.realpath(output) == os.path.realpath(paths[0]):
            raise click.UsageError(f"-o {show(str(output))} is the photo itself. Expected another file.")
        check(output)
        return [output]
    if is_file or (os.path.lexists(output) and not output.is_dir()):
        raise click.UsageError(
            f"-o {show(str(output))}: expected a folder for {len(paths):,} photos, or a name that ends in .png for one."
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{output} cannot be made: {error.strerror}.\nExpected a folder for the heat maps.") from error
    taken = {os.path.realpath(path) for path in paths}  # a photo may be called so
    targets = []
    for path in paths:
        stem = Path(path).stem
        numbered = (f"{stem}-heat" if number == 1 else f"{stem}-heat ({number})" for number in itertools.count(1))
        named = (output / f"{name}.png" for name in numbered)
        targets.append(next(target for target in named if os.path.realpath(target) not in taken))
        taken.add(os.path.realpath(targets[-1]))
    return targets


def _row(found: Explanation, target: Path) -> list[str]:
    other = "" if found.label == found.predicted else f" (predicted: {found.predicted})"
    return [f"{found.label}{other}", percent(found.probability), found.path, str(target)]
