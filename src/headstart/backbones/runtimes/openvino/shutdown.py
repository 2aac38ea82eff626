"""When the process ends, no thread may be inside the engine.

Threads that are still running then are daemons, which Python stops wherever they next request the GIL. Inside the
engine's C++ this aborts the process ("terminate called without an active exception"). So before graphs are freed,
threads are asked to leave the engine, and the process waits for them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headstart.errors import BackboneError

#: Seconds that the process waits for threads at its end. Pictures take less; compiling may take longer.
_PATIENCE = 5.0

_change = threading.Condition()
_inside = 0
_ending = False


@contextmanager
def inside() -> Iterator[None]:
    """Use the engine in this context; at its end the process waits for it.

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
    """To be called regularly while the engine is used.

    Raises:
        BackboneError: the process is ending.
    """
    if _ending:
        raise BackboneError("The backbone was stopped because the process is ending.")


def end() -> None:
    """Stop further use, and wait until all threads have left."""
    global _ending
    with _change:
        _ending = True
        _change.wait_for(lambda: not _inside, _PATIENCE)


def _forked() -> None:
    """In a forked child the other threads do not exist, and cannot leave or release the lock."""
    global _change, _inside
    _change, _inside = threading.Condition(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
