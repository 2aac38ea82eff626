"""One thread for linear algebra: several threads are hardly faster, and far slower on a busy machine.

The threads of a product or a decomposition wait for each other at every step. Where another process has taken one of
the cores, each step waits until the system gives it back: an eigenproblem of 1,280 took 6 times as long on two threads
as on one (benchmarks/blas.py). On one thread, results are also the same bits on any number of cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_inside = 0
_limits: threadpool_limits | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Let NumPy's linear algebra use one thread, as a context manager or a decorator.

    The limit is valid for the process: from the first thread that enters to the last that leaves; then the earlier
    limit is restored. If the library cannot be limited (Apple's Accelerate), nothing changes.
    """
    global _inside, _limits
    from threadpoolctl import OpenBLASController, threadpool_limits

    with _lock:
        if not _inside:
            # threadpoolctl lets only one thread set OpenBLAS's limit until that thread gives it up; ours take turns.
            OpenBLASController.clear_controlling_thread(force=True)
            _limits = threadpool_limits(1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _limits is not None:
                OpenBLASController.clear_controlling_thread(force=True)
                _limits.restore_original_limits()
                OpenBLASController.clear_controlling_thread()


def _forked() -> None:
    """Replace the lock in a forked child: one that another thread held would stay locked."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
