"""The command line as tests look at it: all its commands, and what it shows on a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

import click
import pytest

from headstart.apps.cli import console, terminal
from headstart.apps.cli.commands import app


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, groups of commands among them."""
    for name, one in group.commands.items():
        yield (*before, name), one
        if isinstance(one, click.Group):
            yield from commands(one, (*before, name))


def run(*words: str | os.PathLike[str], on: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `headstart` in this process, which spares the start of another: half a second, and two where it trains.

    What is returned is what the process would print and return; `test_cli` and `test_terminal` start real ones, as
    whoever tests Ctrl-C, the end of a process or what C libraries print has to. `on`: the descriptor of a
    terminal, where all is printed.
    """
    typed = ["headstart", *map(os.fspath, words)]
    shown = [terminal.Printable(stream) for stream in (_stream(on), _stream(on))]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)  # as Python does by itself
        patch.setattr(sys, "argv", typed)
        patch.setattr(sys, "stdin", io.StringIO())
        patch.setattr(sys, "stdout", shown[0])
        patch.setattr(sys, "__stdout__", shown[0])  # its width is the terminal's
        patch.setattr(sys, "stderr", shown[1])
        patch.setattr(terminal, "guard", lambda: None)  # it would also replace the descriptors of this process
        for name, value in environment.items():
            patch.setenv(name, value)
        code = console.run(app)
    out, error = ("" if on else one.buffer.getvalue().decode("utf-8", "surrogateescape") for one in shown)
    return subprocess.CompletedProcess(typed, code, out, error)


def _stream(on: int | None) -> TextIO:
    return io.TextIOWrapper(io.BytesIO(), "utf-8") if on is None else open(on, "w", 1, "utf-8", closefd=False)


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
