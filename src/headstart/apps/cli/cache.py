"""`headstart cache`: show, check and shrink the feature store."""

from __future__ import annotations

import click

from headstart.apps.cli.console import print_json, put
from headstart.apps.cli.grouping import Group, option
from headstart.apps.cli.options import as_json as json_option
from headstart.safety.printable import counted


@click.group(cls=Group, no_args_is_help=True)
def cache() -> None:
    """Show, check or shrink the feature store."""


@cache.command()
@json_option
def info(as_json: bool) -> None:
    """Show where the store is and what it holds."""
    from headstart.features.store import Store

    store = Store()
    shelves = store.shelves()
    vectors = sum(shelf.vectors for shelf in shelves)
    if as_json:
        contents = [
            {"key": s.key, "backbone": s.backbone, "view": s.view, "vectors": s.vectors, "bytes": s.bytes}
            for s in shelves
        ]
        print_json({"path": str(store.folder), "vectors": vectors, "bytes": store.size, "shelves": contents})
        return
    put(f"{store.folder}: {vectors:,} vectors, {store.size / 1e6:,.1f} MB (set HEADSTART_HOME to move it)")
    for shelf in shelves:
        put(f"  {shelf.backbone}, view {shelf.view}: {shelf.vectors:,} vectors, {shelf.bytes / 1e6:,.1f} MB")


@cache.command()
@json_option
def verify(as_json: bool) -> int:
    """Check every vector; exit with 1 if any is damaged.

    Damaged vectors are computed again when they are next needed.
    """
    from headstart.features.store import Store

    damaged = Store().verify()
    total = sum(damaged.values())
    if as_json:
        print_json({"damaged": total, "shelves": [{"key": key, "damaged": count} for key, count in damaged.items()]})
    elif total:
        print(f"{counted(total, 'damaged vector')}. Remove them: headstart cache prune")
    else:
        print("All vectors are sound.")
    return 1 if total else 0


@cache.command()
@option(
    "--days", type=click.FloatRange(0), metavar="N", default=90,
    help="Drop the vectors of backbones that were not used for this many days.",
)  # fmt: skip
@json_option
def prune(days: float, as_json: bool) -> None:
    """Drop damaged and long unused vectors."""
    from headstart.features.store import Store

    _print_freed(Store().prune(days), as_json)


@cache.command()
@json_option
def clear(as_json: bool) -> None:
    """Drop everything in the store.

    Photos and saved classifiers are not touched.
    """
    from headstart.features.store import Store

    store = Store()
    before = store.size
    store.clear()
    _print_freed(before - store.size, as_json)


def _print_freed(count: int, as_json: bool) -> None:
    if as_json:
        print_json({"freed": count})
    else:
        print(f"{count / 1e6:,.1f} MB freed.")
