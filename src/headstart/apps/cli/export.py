"""`headstart export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli import options, terminal
from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.grouping import PATH, Choice, Command, argument, option
from headstart.report.text.layout import table
from headstart.safety.printable import file_size

if TYPE_CHECKING:
    from headstart.export.proof.verdict import Proof

_PROOF = "Proof"


@click.command(
    cls=Command,
    examples=(
        "export trees",
        "export trees --to onnx,tflite,page -o out --photos photos/test",
        "export --check out",
    ),
)
@argument("model", type=PATH, metavar="CLASSIFIER", required=False, help="Folder of a saved classifier.")
@option(
    "--to", "formats", metavar="FORMATS", multiple=True,
    help="Formats, separated by commas. Without it, they are listed.",
)  # fmt: skip
@option("-o", "--output", group=options.OUTPUT, type=PATH, metavar="FOLDER", help="Folder to write, such as out.")
@option("--overwrite", group=options.OUTPUT, is_flag=True, help="Replace an export that is there.")
@option(
    "--precision", type=Choice(["float32", "float16", "int8"]), default=None,
    help="Of the weights. float16 halves the files; page and tfjs use it unless told otherwise.",
)  # fmt: skip
@option(
    "--max-loss", type=click.FloatRange(0, 100), metavar="POINTS",
    help="Refuse int8 if it loses more: points of accuracy [2], or of agreement if photos have no class [5].",
)  # fmt: skip
@option("--with-resize", is_flag=True, help="Take photos of any size and resize them inside (openvino, onnx).")
@option(
    "--photos", group=_PROOF, type=PATH, multiple=True, metavar="PHOTOS",
    help="Photos to prove the files on, at most 200; else those that the classifier was measured on.",
)  # fmt: skip
@option("--check", "folder", group=_PROOF, type=PATH, metavar="FOLDER", help="Prove an export again.")
@options.moved_backbone
@options.may_fetch
@options.as_json
def export(
    model: Path | None,
    formats: Sequence[str],
    output: Path | None,
    overwrite: bool,
    precision: Any,
    max_loss: float | None,
    with_resize: bool,
    photos: Sequence[Path],
    folder: Path | None,
    backbone: str,
    fetch: bool,
    as_json: bool,
) -> int:
    """Write a classifier for other programs, and prove that it gives the same answers there.

    Each file is read back by its own runtime and compared with headstart. Without --to, the formats are listed.
    """
    writes = output is not None or overwrite or precision is not None or max_loss is not None or with_resize
    if folder is not None:
        if model is not None or formats or writes or backbone or fetch:
            raise click.UsageError("--check takes only --photos: the folder has everything else that it needs.")
        return _check(folder, photos, as_json)
    if model is None:
        raise click.UsageError("A classifier is missing: the folder of a saved one, such as trees.")
    names = [name.strip() for one in formats for name in one.split(",") if name.strip()]
    if not formats:
        if writes or photos:
            raise click.UsageError("--to is missing: the formats to write, such as --to onnx.")
        return _list(model, backbone, fetch, as_json)
    if output is None:
        raise click.UsageError("-o is missing: the folder to write, such as -o out.")
    from headstart.export.job import export as run
    from headstart.export.known import chosen

    chosen(names)  # before the classifier is loaded
    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        exported = run(
            classifier, output, names, photos=list(photos) or None, precision=precision, with_resize=with_resize,
            max_loss=max_loss, overwrite=overwrite, progress=bar,
        )  # fmt: skip
    if as_json:
        print_json(exported.to_json())
        return 0
    rows = [["format", "file", "size", "proof"]]
    for one in exported.written:
        told = _summary(one.proof) if one.proof else one.unproven
        rows.append([one.format.name, one.format.path, file_size(one.bytes), told])
    put(*table(rows, terminal.width(sys.stdout)).split("\n"))
    for note in dict.fromkeys(note for one in exported.written for note in one.notes):
        put(note)
    put(f"Written to {output}. How photos get in: {output / 'README.md'}. The figures: {output / 'proof.html'}.")
    return 0


def _summary(proof: Proof) -> str:
    """What a proof found, in a line."""
    main = proof.photos or proof.made_up
    of = "photos" if proof.photos else "made-up pictures"
    limit = "" if proof.limit.probability is None else f" (limit {proof.limit.probability:.1e})"
    return (
        f"same class for {main.same_class:,} of {main.pictures:,} {of}, largest difference {proof.largest:.1e}{limit}"
    )


def _list(model: Path, backbone: str, fetch: bool, as_json: bool) -> int:
    from headstart.export.possible import possible

    with Bar() as bar:
        classifier = options.open_model(model, backbone, fetch, bar)
        found = possible(classifier)
    if as_json:
        exports = [one.to_json() for one in found]
        print_json({"path": None, "proven_on": 0, "exports": exports, "notes": []})
        return 0
    rows = [["format", "what it is", "runs on", "size", "proof"]]
    for one in found:
        size = "–" if one.bytes is None else file_size(one.bytes)
        rows.append([one.format.name, one.format.title, one.format.runs_on, size, one.note])
    put(*table(rows, terminal.width(sys.stdout)).split("\n"))
    put("", f"Write one or more: headstart export {model} --to onnx,page -o out")
    return 0


def _check(folder: Path, photos: Sequence[Path], as_json: bool) -> int:
    from headstart.export.proof.again import check

    with Bar() as bar:
        found = check(folder, list(photos) or None, bar)
    if as_json:
        print_json(found.to_json())
    else:
        rows = [["format", "proof"]]
        for one in found.formats:
            told = one.unproven or "; ".join(one.faults) or (_summary(one.proof) if one.proof else "")
            rows.append([one.format.name, told])
        put(*table(rows, terminal.width(sys.stdout)).split("\n"))
    for fault in found.faults:
        say(f"Wrong: {fault}.")
    proven = any(one.proof is not None for one in found.formats)
    if not proven and not found.faults:
        say("Exit code 1: nothing could be proven on this machine.")
    return 0 if proven and not found.faults else 1
