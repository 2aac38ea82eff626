"""`headstart cache`: what is kept, is it sound, make room."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.apps.cli.console import print_json, put

app = typer.Typer(help="The feature store: what is kept, is it sound, make room.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def info(as_json: Json = False) -> None:
    """Say where the store is and what it holds."""
    from headstart.features.store import Store

    store = Store()
    shelves = store.shelves()
    cards = [
        {"key": s.key, "backbone": s.backbone, "view": s.view, "vectors": s.vectors, "bytes": s.bytes} for s in shelves
    ]
    vectors = sum(s.vectors for s in shelves)
    if as_json:
        print_json({"path": str(store.folder), "vectors": vectors, "bytes": store.size, "cards": cards})
        return
    put(f"{store.folder}: {vectors:,} vectors, {store.size / 1e6:,.1f} MB (set HEADSTART_HOME to move it)")
    for shelf in shelves:
        put(f"  {shelf.backbone}, view {shelf.view}: {shelf.vectors:,} vectors, {shelf.bytes / 1e6:,.1f} MB")


@app.command()
def verify(as_json: Json = False) -> int:
    """Check every vector; exits with 1 if any is damaged (they are computed again when next needed)."""
    from headstart.features.store import Store

    damaged = Store().verify()
    total = sum(damaged.values())
    if as_json:
        print_json({"damaged": total, "cards": damaged})
    else:
        print(
            "All vectors are sound." if not total else f"{total} vectors are damaged. Drop them: headstart cache prune"
        )
    return 1 if total else 0


@app.command()
def prune(
    days: Annotated[float, typer.Option(min=0, help="Drop networks that were not used for so many days.")] = 90,
    as_json: Json = False,
) -> None:
    """Drop damaged vectors and those of networks that were not used for long."""
    from headstart.features.store import Store

    freed = Store().prune(days)
    print_json({"freed": freed}) if as_json else print(f"{freed / 1e6:,.1f} MB freed.")


@app.command()
def clear(as_json: Json = False) -> None:
    """Drop everything in the store. Photos and saved classifiers are not touched."""
    from headstart.features.store import Store

    store = Store()
    freed = store.size
    store.clear()
    print_json({"freed": freed - store.size}) if as_json else print(f"{(freed - store.size) / 1e6:,.1f} MB freed.")
