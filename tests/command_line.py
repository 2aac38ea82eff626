"""The command line as tests look at it: all its commands, and what it shows on a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, groups of commands among them."""
    for name, one in group.commands.items():
        yield (*before, name), one
        if isinstance(one, click.Group):
            yield from commands(one, (*before, name))


def read_terminal(leader: int) -> bytes:
    """All that is written to a pseudo-terminal until its other end is closed; closes this end."""
    shown = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(leader)
    return shown
