"""No thread may be inside the engine when the process ends.

Threads that still run then are daemons, which Python stops wherever they next request the GIL. Inside the
engine's C++ this aborts the process ("terminate called without an active exception"). So before graphs are freed,
threads get a signal to leave the engine, and the process waits for them.
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
    """Context for using the engine; a process that is ending waits for it.

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
    """Call this regularly while the engine is used.

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
    """Start anew in a forked child: threads that do not exist in it cannot leave or release the lock."""
    global _change, _inside
    _change, _inside = threading.Condition(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
