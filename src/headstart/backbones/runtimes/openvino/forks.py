"""A process forked from one that has used OpenVINO cannot use it.

The engine's threads do not exist in a forked child, so whatever waits for them blocks forever. With OpenVINO 2026.4
children hung when they ran a graph of the parent (always), when one was freed at exit (40 of 40), and, if another
thread was computing at the fork, even when they compiled a graph of their own (1 of 8). headstart refuses all of this.
"""

from __future__ import annotations

import os
import sys

from headstart.errors import BackboneError

_entered = False  # by this process or one that it was forked from
_orphaned = False


def enter() -> None:
    """Call this before the engine, its locks and its modules are used.

    Raises:
        BackboneError: it cannot be used in this process.
    """
    global _entered
    if _orphaned:
        raise BackboneError(
            "No backbone can run in this process: it was forked from one that had already used backbones, and their "
            "engine's threads do not exist in it.\nExpected a new process. Start it with "
            "multiprocessing.get_context('spawn'), or fork before the first backbone is loaded."
        )
    _entered = True


def orphaned() -> bool:
    """Whether this process was forked from one that had used the engine."""
    return _orphaned


def _forked() -> None:
    global _orphaned
    _orphaned = _entered or "openvino" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
