"""A lock an entry: held by one process at a time, freed by the kernel when its owner dies, however it dies.

The file tells who the owner is, for those who wait. What it tells is never trusted: only the kernel's lock counts,
so a recycled process id cannot be mistaken for an owner, and there is no dead lock to take over by guessing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from headstart.disk import atomic

_POLL_SECONDS = 0.1
_REMIND_SECONDS = 60.0


@contextmanager
def held(path: Path, purpose: str, said: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock, waiting for its owner; every minute the user is told for whom.

    Args:
        path: the lock's file; it stays when the lock is freed.
        purpose: what for, such as "fetches hf:owner/name".
        said: told whom we wait for, and that an earlier owner died.

    Raises:
        OSError: the folder cannot be written, or its file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = atomic.open_lock(path)
    try:
        waited = -1.0
        while not atomic.take_lock(descriptor, wait=False):
            if waited < 0 or waited >= _REMIND_SECONDS:
                said(f"Waiting for {_owner(descriptor) or 'another process'} (Ctrl-C stops the waiting).")
                waited = 0.0
            time.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
        gone = _owner(descriptor)
        if gone:
            said(f"{gone[0].upper()}{gone[1:]}, has ended without finishing; taking over.")
        _write(descriptor, _myself(purpose))
        try:
            yield
        finally:
            _write(descriptor, "")
    finally:
        atomic.close_lock(descriptor)


@contextmanager
def tried(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody else does; tells whether it is held."""
    try:
        descriptor = atomic.open_lock(path)
    except OSError:
        yield False
        return
    try:
        yield atomic.take_lock(descriptor, wait=False)
    finally:
        atomic.close_lock(descriptor)


def _myself(purpose: str) -> str:
    import platform

    now = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now, "purpose": purpose})


def _owner(descriptor: int) -> str:
    """Who holds the lock or died with it, in words; empty if nobody has written that."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        facts = json.loads(os.read(descriptor, 4096))
        return f"process {facts['pid']} on {facts['host']}, which since {facts['since']} {facts['purpose']}"
    return ""


def _write(descriptor: int, text: str) -> None:
    with suppress(OSError):  # a full disk must not keep us from locking; the text is for people
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text.encode())
