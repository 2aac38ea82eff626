"""The streams of the command line: only printable text of ours leaves them."""

from __future__ import annotations

import faulthandler
import io
import os
import sys
from typing import TextIO

from headstart.safety.printable import show_lines


class Printable(io.TextIOWrapper):
    """A stream that spells whatever would drive a terminal: the last line of defence, names are spelled before.

    Args:
        stream: where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream  # for bars, which do drive the terminal; also keeps the buffer from being closed
        super().__init__(
            stream.buffer, stream.encoding, "backslashreplace", line_buffering=getattr(stream, "line_buffering", True)
        )

    def write(self, text: str) -> int:
        """Write text, spelled where need be."""
        super().write(show_lines(text))
        return len(text)


def guard() -> None:
    """Replace the two streams by printable ones, and take stderr away from libraries written in C.

    They write to descriptor 2, past Python: libtiff its complaints, with what stands in the file. The outcome of each
    photo says what matters. Python's stderr gets a descriptor of its own, and so does the report of a crash;
    with `HEADSTART_DEBUG=1` descriptor 2 stays as it is. For a process of ours only: a program that uses headstart as
    a library keeps its descriptors.
    """
    if sys.stdout is None:  # closed by whoever started us
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


def _has_descriptor(stream: TextIO) -> bool:
    """False where a program keeps in memory what its call of the command line writes."""
    return hasattr(stream, "buffer")


def for_bars() -> TextIO:
    """Stderr as bars need it, with the codes that move the cursor."""
    return sys.stderr.unfiltered if isinstance(sys.stderr, Printable) else sys.stderr
