"""The end of the process: no thread may be within the engine then.

What is left of the threads when Python ends are daemons, which it stops wherever they next ask for the GIL. Within
the engine's C++ that aborts the process ("terminate called without an active exception"). So before the networks are
freed, threads are asked to leave the engine, and are waited for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headstart.errors import BackboneError

#: Seconds that the process waits for threads at its end; a picture takes less. A graph that is compiled may not.
_PATIENCE = 5.0

_change = threading.Condition()
_inside = 0
_ending = False


@contextmanager
def inside() -> Iterator[None]:
    """The engine is used within; the process waits for it at its end.

    Raises:
        BackboneError: the process is ending.
    """
    global _inside
    with _change:
        check()
        _inside += 1
    try:
        yield
    finally:
        with _change:
            _inside -= 1
            _change.notify_all()


def check() -> None:
    """To be called now and then while the engine is used.

    Raises:
        BackboneError: the process is ending.
    """
    if _ending:
        raise BackboneError("No network runs any more: the process is ending.")


def end() -> None:
    """Let nobody in any more, and wait until all are out."""
    global _ending
    with _change:
        _ending = True
        _change.wait_for(lambda: not _inside, _PATIENCE)


def _forked() -> None:
    """In a forked child the other threads are not there to come out, nor to give the lock back."""
    global _change, _inside
    _change, _inside = threading.Condition(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
