"""`headstart backbones`: networks from elsewhere, fetched, kept, checked and carried to other machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.apps.cli.console import Bar, print_json, put, say

if TYPE_CHECKING:
    from headstart.backbones.fetch import Kept

app = typer.Typer(help="Networks from elsewhere: fetch, list, check, carry to another machine.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Handles = Annotated[list[str], typer.Argument(metavar="HANDLE...", help="https://..., tfhub:..., kaggle:... or hf:...")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Say which networks are kept, how large they are, since when, and where they came from."""
    from headstart.backbones import fetch

    kept = fetch.kept()
    damaged = sum(1 for one in fetch.verify() if one.problem)
    if damaged:
        say(f"{damaged} more damaged. Which, and what to do: headstart backbones verify")
    if as_json:
        print_json({"networks": [_document(entry) for entry in kept], "bytes": sum(entry.bytes for entry in kept)})
        return
    for entry in kept:
        put(f"{entry.handle}  {entry.bytes / 1e6:,.1f} MB  {entry.time[:10]}  {entry.source}")
    if not kept:
        say("No networks are kept. Fetch one: headstart backbones get HANDLE")


@app.command()
def get(
    handles: Handles,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the server again, also for what is here: is there a newer one?")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch networks that are not here yet, and say where their files are."""
    from headstart.backbones import fetch

    with Bar() as bar:
        found = [fetch.fetch(handle, bar, refresh) for handle in handles]
    if as_json:
        print_json({"networks": [{"handle": one.handle, "path": str(one.path)} for one in found]})
        return
    for one in found:
        put(f"{one.handle}  {one.path}")


@app.command()
def verify(
    handles: Annotated[list[str] | None, typer.Argument(metavar="[HANDLE...]", help="Of which; all if none.")] = None,
    as_json: Json = False,
) -> int:
    """Compare every byte with what was kept; exits with 1 if a network is damaged."""
    from headstart.backbones import fetch

    checked = fetch.verify(handles or ())
    damaged = [one for one in checked if one.problem]
    if as_json:
        print_json(
            {
                "sound": len(checked) - len(damaged),
                "damaged": [{"handle": one.handle, "problem": one.problem} for one in damaged],
            }
        )
    else:
        for one in damaged:
            put(f"{one.handle} is damaged: {one.problem}.")
        put(f"{len(checked) - len(damaged)} sound, {len(damaged)} damaged.")
        if damaged:
            say("Fetch them again: headstart backbones get HANDLE. Or drop them: headstart backbones remove HANDLE")
    return 1 if damaged else 0


@app.command()
def remove(handles: Handles, as_json: Json = False) -> None:
    """Drop networks; they are fetched again when they are next needed."""
    from headstart.backbones import fetch

    with Bar() as bar:
        removed = [fetch.remove(handle, bar) for handle in handles]
    if as_json:
        print_json({"removed": removed})
        return
    for handle in removed:
        put(f"{handle} is removed.")


@app.command()
def pack(
    handles: Handles,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")],
    as_json: Json = False,
) -> None:
    """Write networks into one file, for a machine without a network; what is not here is fetched."""
    from headstart.backbones import fetch

    with Bar() as bar:
        packed = fetch.pack(handles, output, bar)
    if as_json:
        print_json({"file": str(output), "networks": [_document(entry) for entry in packed]})
        return
    count = "1 network" if len(packed) == 1 else f"{len(packed)} networks"
    put(f"{count}, {sum(entry.bytes for entry in packed) / 1e6:,.1f} MB, packed in {output}.")
    put(f"On the other machine: headstart backbones unpack {output.name}")


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="That `headstart backbones pack` wrote.")],
    as_json: Json = False,
) -> None:
    """Take the networks from a file that `pack` wrote."""
    from headstart.backbones import fetch

    with Bar() as bar:
        found = fetch.unpack(file, bar)
    if as_json:
        print_json({"networks": [{**_document(one.kept), "new": one.new} for one in found]})
        return
    for one in found:
        if one.new:
            put(f"{one.kept.handle}  {one.kept.path}")


def _document(entry: Kept) -> dict[str, Any]:
    return {
        "handle": entry.handle,
        "source": entry.source,
        "time": entry.time,
        "bytes": entry.bytes,
        "files": len(entry.files),
        "path": str(entry.path),
    }
