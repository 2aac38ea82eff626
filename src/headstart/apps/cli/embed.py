"""`headstart embed` (feature vectors as a file) and `headstart similar` (the photos most like a photo)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli import at_scale, options
from headstart.apps.cli.console import Bar, print_json, put, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.classifier.similar import Similar


@click.command(
    cls=Command, examples=("embed photos -o vectors.npz", "embed s3://bucket/photos -o s3://bucket/vectors --on local")
)
@argument(
    "photos", type=at_scale.ANYWHERE, nargs=-1, required=True,
    help="Photos, folders of photos, or one CSV file; with --on also tables, archives and object stores.",
)  # fmt: skip
@option(
    "-o", "--output", group=options.OUTPUT, type=at_scale.ANYWHERE, metavar="FILE", required=True,
    help="File to write, replaced if it exists: .npz, .csv, or .parquet (needs headstart[parquet]); with --on, a "
    "folder.",
)  # fmt: skip
@options.joinable
@options.join
@options.view
@options.input_range
@options.layers
@at_scale.on
@at_scale.workers
@at_scale.address
@at_scale.column
@at_scale.numbers
@options.as_json
def embed(
    photos: Sequence[Path | str],
    output: Path | str,
    handles: Sequence[str],
    join: bool,
    view: str,
    input_range: str,
    layers: str,
    as_json: bool,
    numbers: str,
    column: str,
    **scale: Any,
) -> None:
    """Write the feature vectors of photos to a file, or with --on to a folder of Parquet files.

    If PHOTOS is one folder of class folders, or a CSV file, the file has a column of labels.
    """
    if scale["engine"] is not None:
        from headstart.scale.embedding import embed as run
        from headstart.scale.job import Network

        options.backbone_options(input_range, layers)
        backbone = options.joined_backbones(handles, join)
        if not isinstance(backbone, str):
            raise click.UsageError("--join and --on do not go together. Run the job once for each backbone.")
        with Bar() as bar:
            network = Network(backbone, view, input_range, layers)  # type: ignore[arg-type]
            found = run(
                photos, output, network=network, numbers=numbers, column=column,  # type: ignore[arg-type]
                engine=at_scale.engine(**scale, bar=bar), progress=bar,
            )  # fmt: skip
        if as_json:
            card = found.job.card
            print_json({"path": found.path, "backbone": card.handle, "dim": card.dim, **found.to_json()})
        else:
            at_scale.show(found)
        return
    at_scale.needs_engine(column=column, numbers=numbers != "float32", **scale)
    (target,) = at_scale.here([output])
    _embed(at_scale.here(photos), target, handles, join, view, input_range, layers, as_json)


def _embed(
    photos: Sequence[Path],
    output: Path,
    handles: Sequence[str],
    join: bool,
    view: str,
    input_range: str,
    layers: str,
    as_json: bool,
) -> None:
    from headstart.features import tables
    from headstart.features.embedder import load_backbone
    from headstart.photos.sources import find_files

    tables.check(output)
    backbone = options.joined_backbones(handles, join)
    labels = _labels(photos)
    with Bar() as bar:
        chosen = options.backbone_options(input_range, layers)
        loaded = load_backbone(backbone, view=view, options=chosen, progress=bar)  # type: ignore[arg-type]
        found = loaded.features(list(labels or find_files(list(photos))), bar)
    say_skipped(found.skipped)
    known = None if labels is None else [labels[path] for path in found.paths]
    tables.write(output, found, known, loaded.card.handle)
    if as_json:
        from headstart.evaluation.results import PhotoCounts

        counts = PhotoCounts.of(found.paths, found.skipped)
        facts = {"path": str(output), "backbone": loaded.card.handle, "dim": loaded.dim}
        print_json({**facts, "photos": counts.to_json(), "job": None})
    else:
        columns = "with labels" if known is not None else "without labels: PHOTOS has no classes"
        put(f"{counted(len(found.paths), 'vector')} of {loaded.dim:,} dimensions written to {output}, {columns}.")


@click.command(cls=Command, examples=("similar cat.jpg photos",))
@argument("photo", type=PATH, help="The photo to look for.")
@argument("photos", type=PATH, nargs=-1, required=True, help="Where to look: folders or photos.")
@option("--top", group=options.OUTPUT, type=click.IntRange(1), metavar="N", default=10, help="How many to show.")
@options.joinable
@options.join
@options.view
@options.input_range
@options.layers
@options.as_json
def similar(
    photo: Path,
    photos: Sequence[Path],
    top: int,
    handles: Sequence[str],
    join: bool,
    view: str,
    input_range: str,
    layers: str,
    as_json: bool,
) -> None:
    """Find the photos that look most like a photo."""
    from headstart.classifier.similar import similar as run

    backbone = options.joined_backbones(handles, join)
    with Bar() as bar:
        found = run(
            photo, list(photos), top=top, backbone=backbone, view=view,  # type: ignore[arg-type]
            options=options.backbone_options(input_range, layers), progress=bar,
        )  # fmt: skip
    say_skipped(found.skipped)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)


def _show(found: Similar) -> None:
    for one in found.neighbours:
        put(f"{one.similarity:6.3f}  {one.path}")
    say("1 is the same, 0 has nothing in common (cosine similarity of the feature vectors).")


def _labels(photos: Sequence[Path]) -> dict[str, str] | None:
    """Class name of each photo, if the one folder or CSV given has classes."""
    from headstart.errors import DataError
    from headstart.photos.folders import is_csv
    from headstart.photos.sources import open_source

    if len(photos) != 1 or not (os.path.isdir(photos[0]) or is_csv(photos[0])):
        return None
    try:
        source = open_source(photos[0])
    except DataError:
        if os.path.isdir(photos[0]):  # no classes; other trouble with it shows when its photos are listed
            return None
        raise
    for note in source.notes:
        say(note)
    return dict(zip(source.paths, source.labels, strict=True))
