"""`headstart backbones`: download pre-trained models, keep them, check them, carry them to other machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli.console import Bar, print_json, put, say
from headstart.apps.cli.grouping import PATH, Group, argument, option
from headstart.apps.cli.options import as_json as json_option
from headstart.apps.cli.probe import probe
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.backbones.fetch import Kept
    from headstart.backbones.fetch.handles import Handle

_some_handles = argument(
    "handles",
    metavar="HANDLE...",
    nargs=-1,
    required=True,
    help="A name from `headstart models`, the address of a page or file, tfhub:..., kaggle:... or hf:...",
)


@click.group(cls=Group, no_args_is_help=True, examples=("backbones list",))
def backbones() -> None:
    """Download, list, check or pack pre-trained models."""


@backbones.command("list", examples=("backbones list",))
@json_option
def list_(as_json: bool) -> None:
    """List the models that are kept: size, date and origin."""
    from headstart.backbones import fetch

    kept = fetch.kept()
    damaged = sum(1 for one in fetch.verify() if one.problem)
    if damaged:
        say(f"{counted(damaged, 'damaged model')}. Which, and what to do: headstart backbones verify")
    if as_json:
        print_json({"backbones": [_document(entry) for entry in kept], "bytes": sum(entry.bytes for entry in kept)})
        return
    for entry in kept:
        put(f"{entry.handle}  {entry.bytes / 1e6:,.1f} MB  {entry.time[:10]}  {entry.source}")
    if not kept:
        say("No models are kept. Download one: headstart backbones get HANDLE")


@backbones.command(examples=("backbones get imagenet/mobilenet_v2_100_224/feature_vector",))
@_some_handles
@option("--refresh", is_flag=True, help="Ask the server for a newer version of models that are already here.")
@json_option
def get(handles: Sequence[str], refresh: bool, as_json: bool) -> None:
    """Download models that are not here yet, and show where they are."""
    from headstart.backbones import fetch

    wanted = list(map(_remote, handles))
    with Bar() as bar:
        found = [fetch.fetch(handle, bar, refresh) for handle in wanted]
    if as_json:
        print_json({"backbones": [{"backbone": str(one.handle), "path": str(one.path)} for one in found]})
        return
    for one in found:
        put(f"{one.handle}  {one.path}")


@backbones.command(examples=("backbones verify",))
@argument("handles", metavar="[HANDLE...]", nargs=-1, help="Which to check; all if none is given.")
@json_option
def verify(handles: Sequence[str], as_json: bool) -> int:
    """Check every byte of kept models; exit with 1 if any is damaged."""
    from headstart.backbones import fetch

    checked = fetch.verify(list(map(_kept, handles)))
    damaged = [one for one in checked if one.problem]
    if as_json:
        entries = [{"backbone": one.handle, "problem": one.problem or None} for one in checked]
        print_json({"backbones": entries, "damaged": len(damaged)})
    else:
        for one in damaged:
            put(f"{one.handle} is damaged: {one.problem}.")
        put(f"{len(checked) - len(damaged)} sound, {len(damaged)} damaged.")
        if damaged:
            say("Download again: headstart backbones get HANDLE. Or remove: headstart backbones remove HANDLE")
    return 1 if damaged else 0


@backbones.command(examples=("backbones remove imagenet/mobilenet_v2_100_224/feature_vector",))
@_some_handles
@json_option
def remove(handles: Sequence[str], as_json: bool) -> None:
    """Remove models; they are downloaded again when needed."""
    from headstart.backbones import fetch

    with Bar() as bar:
        removed = [fetch.remove(_kept(handle), bar) for handle in handles]
    if as_json:
        print_json({"backbones": [{"backbone": handle} for handle in removed]})
        return
    for handle in removed:
        put(f"{handle} is removed.")


@backbones.command(examples=("backbones pack imagenet/mobilenet_v2_100_224/feature_vector -o models.headstart",))
@_some_handles
@option("-o", "--output", type=PATH, metavar="FILE", required=True, help="The file to write.")
@json_option
def pack(handles: Sequence[str], output: Path, as_json: bool) -> None:
    """Pack models into one file for a machine that is offline.

    Models that are not here are downloaded first.
    """
    from headstart.backbones import fetch

    with Bar() as bar:
        packed = fetch.pack(list(map(_remote, handles)), output, bar)
    if as_json:
        print_json({"path": str(output), "backbones": [_document(entry) for entry in packed]})
        return
    put(f"{counted(len(packed), 'model')}, {sum(entry.bytes for entry in packed) / 1e6:,.1f} MB, packed in {output}.")
    put(f"On the other machine: headstart backbones unpack {output.name}")


@backbones.command(examples=("backbones unpack models.headstart",))
@argument("file", type=PATH, help="File that `headstart backbones pack` wrote.")
@json_option
def unpack(file: Path, as_json: bool) -> None:
    """Take the models from a packed file."""
    from headstart.backbones import fetch

    with Bar() as bar:
        found = fetch.unpack(file, bar)
    if as_json:
        print_json({"backbones": [{**_document(one.kept), "new": one.new} for one in found]})
        return
    for one in found:
        if one.new:
            put(f"{one.kept.handle}  {one.kept.path}")


backbones.add_command(probe)


def _remote(name: str) -> Handle:
    """The handle of a model that can be downloaded, whatever it was called.

    Raises:
        BackboneError: there is none, or it needs no download.
    """
    from headstart.backbones import locate
    from headstart.errors import BackboneError

    located = locate(name)
    if located.remote is None:
        what = {"builtin": "is part of headstart", "plugin": "comes from a plugin", "path": "is a path"}
        raise BackboneError(
            f"{name} {what[located.source]}: there is nothing to download.\nUse it with -b {name}, or give a name from "
            "headstart models."
        )
    return located.remote


def _kept(name: str) -> str:
    """The handle of a model that was downloaded; the name itself if it is that of a damaged entry."""
    from headstart.backbones import locate
    from headstart.errors import BackboneError

    try:
        return locate(name).handle
    except BackboneError:
        return name


def _document(entry: Kept) -> dict[str, Any]:
    return {
        "backbone": str(entry.handle),
        "origin": entry.source,
        "time": entry.time,
        "bytes": entry.bytes,
        "file_count": len(entry.files),
        "path": str(entry.path),
    }
