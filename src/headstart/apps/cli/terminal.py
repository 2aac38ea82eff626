"""The output streams of the command line: they print only visible characters, and nothing from libraries in C."""

from __future__ import annotations

import faulthandler
import io
import os
import shutil
import sys
from typing import TextIO

from headstart.report.text.layout import ENDLESS
from headstart.safety.printable import show_lines


class Printable(io.TextIOWrapper):
    """A stream that spells control characters out: the last defence, since names are made printable before.

    Args:
        stream: where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream  # for bars, which control the terminal; also keeps the buffer from being closed
        super().__init__(
            stream.buffer, stream.encoding, "backslashreplace", line_buffering=getattr(stream, "line_buffering", True)
        )

    def write(self, text: str) -> int:
        """Write text, with control characters spelled out."""
        super().write(show_lines(text))
        return len(text)


def guard() -> None:
    """Replace stdout and stderr by printable streams, and close descriptor 2 to libraries written in C.

    Such libraries bypass Python: libtiff, for one, prints parts of the file with its complaints. The result of each
    photo reports what matters. Python's stderr and the report of a crash get a descriptor of their own; with
    `HEADSTART_DEBUG=1` descriptor 2 stays as it is. Only the command line does this: a program that uses headstart as
    a library keeps its descriptors.
    """
    if sys.stdout is None:  # closed by the parent process
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # kept
    if _has_descriptor(sys.stdout):
        sys.stdout = Printable(sys.stdout)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # kept; print would take None for stdout
    elif _has_descriptor(sys.stderr):
        own = os.dup(2)
        faulthandler.enable(own)
        sys.stderr = Printable(open(own, "w", 1, sys.stderr.encoding, "backslashreplace"))  # noqa: SIM115  # kept
        if os.environ.get("HEADSTART_DEBUG") != "1":
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)


def width(stream: TextIO) -> int:
    """Columns of the terminal that the stream goes to; a file or pipe is endless."""
    if not stream.isatty():
        return ENDLESS
    if os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    try:
        return os.get_terminal_size(stream.fileno()).columns or shutil.get_terminal_size().columns
    except OSError:  # a program's own stream that stands for a terminal
        return shutil.get_terminal_size().columns


def _has_descriptor(stream: TextIO) -> bool:
    """False if a program that calls the command line collects its output in memory."""
    return hasattr(stream, "buffer")


def for_bars() -> TextIO:
    """Stderr for progress bars, which need control codes that move the cursor."""
    return sys.stderr.unfiltered if isinstance(sys.stderr, Printable) else sys.stderr
