"""May a network run in this process? Not if it was forked from one that had used networks.

The engine's threads are not in a forked child: whatever waits for them waits for ever. With OpenVINO 2026.4 children
hung when a graph of the parent's ran (always), when one was freed at exit (40 of 40), and, forked while another thread
computed, even when they compiled a graph of their own (1 of 8). So all of it is refused.
"""

from __future__ import annotations

import os
import sys

from headstart.errors import BackboneError

_entered = False  # by this process or one that it was forked from
_orphaned = False


def enter() -> None:
    """Say that networks are about to be used: before the engine, its locks and modules are touched.

    Raises:
        BackboneError: they cannot be used here.
    """
    global _entered
    if _orphaned:
        raise BackboneError(
            "No network can run in this process: it was forked from one that had used networks already, and their "
            "engine's threads are not in it.\nExpected a new process. Start it with "
            "multiprocessing.get_context('spawn'), or fork before the first network is loaded."
        )
    _entered = True


def orphaned() -> bool:
    """Was this process forked from one that had used networks?"""
    return _orphaned


def _forked() -> None:
    global _orphaned
    _orphaned = _entered or "openvino" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
