"""`headstart cache`: show, check and empty the folder where headstart keeps what it computed and downloaded."""

from __future__ import annotations

import click

from headstart.apps.cli.console import print_json, put
from headstart.apps.cli.grouping import Group, option
from headstart.apps.cli.options import as_json as json_option
from headstart.safety.printable import counted


@click.group(cls=Group, no_args_is_help=True, examples=("cache info",))
def cache() -> None:
    """Show, check or empty the folder of what headstart computed and downloaded."""


@cache.command(examples=("cache info",))
@json_option
def info(as_json: bool) -> None:
    """Show where the folder is, and what is in it."""
    from headstart.disk.home import PARTS, contents
    from headstart.features.store import Store

    store = Store()
    shelves, parts = store.shelves(), contents()
    vectors, total = sum(shelf.vectors for shelf in shelves), sum(parts.values())
    if as_json:
        stored = [
            {"key": s.key, "backbone": s.backbone, "view": s.view, "vectors": s.vectors, "bytes": s.bytes}
            for s in shelves
        ]
        print_json({"path": str(store.folder), "vectors": vectors, "bytes": total, "parts": parts, "shelves": stored})
        return
    put(f"{store.folder}: {total / 1e6:,.1f} MB (HEADSTART_HOME moves it)")
    for name, count in sorted(parts.items(), key=lambda part: -part[1]):
        put(f"  {count / 1e6:8,.1f} MB  {PARTS.get(name, 'other files')}")
    put(f"{vectors:,} feature vectors{':' if shelves else '.'}")
    for shelf in shelves:
        put(f"  {shelf.bytes / 1e6:8,.1f} MB  {shelf.vectors:,} of {shelf.backbone}, view {shelf.view}")


@cache.command(examples=("cache verify",))
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


@cache.command(examples=("cache prune --days 30",))
@option(
    "--days", type=click.FloatRange(0), metavar="N", default=90,
    help="Remove the vectors of backbones that were not used for this many days.",
)  # fmt: skip
@json_option
def prune(days: float, as_json: bool) -> None:
    """Remove damaged and long unused vectors."""
    from headstart.features.store import Store

    _print_freed(Store().prune(days), as_json)


@cache.command(examples=("cache clear --all",))
@option(
    "--all", "everything", is_flag=True,
    help="Remove downloaded models, too, and whatever else headstart keeps there: as before the installation.",
)  # fmt: skip
@json_option
def clear(everything: bool, as_json: bool) -> None:
    """Remove feature vectors and compiled graphs.

    Photos and saved classifiers are not touched.
    """
    from headstart.disk import home
    from headstart.errors import StoreError
    from headstart.features.store import Store

    before = sum(home.contents().values())
    Store().clear()
    if everything:
        try:
            home.remove_all()
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be removed: {error.strerror}.\nRemove it yourself.") from error
    _print_freed(before - sum(home.contents().values()), as_json)


def _print_freed(count: int, as_json: bool) -> None:
    if as_json:
        print_json({"freed": count})
    else:
        print(f"{count / 1e6:,.1f} MB freed.")
