"""Locks between threads and processes: one owner at a time. The system frees the lock of an owner that dies.

The package `filelock` takes the system's lock. Three things are left to us: lock files that their owner removes (those
who wait for one start again), forked children (they drop their parent's locks), and the text in the file that names
the owner to those who wait. That text is for people: only the system's lock counts, so a process id that is used again
is not mistaken for an owner.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

_POLL_SECONDS = 0.01
_REMIND_SECONDS = 60.0
#: Attempts to lock a file that others keep removing together with its folder.
_ATTEMPTS = 100
#: Where the owner's text starts: on Windows nobody else can read the locked byte, the first one.
_TEXT_AT = 1
#: Descriptors of the lock files that this process has open.
_descriptors: set[int] = set()


@contextmanager
def locked(path: Path, keep: bool = True) -> Iterator[None]:
    """Hold a lock, after waiting for it. The folder and the file are made if they are missing.

    Args:
        path: the lock's file. Its owner may remove it; those who wait notice that.
        keep: whether the file stays afterwards.

    Raises:
        OSError: the folder cannot be written, or its file system has no locks.
    """
    descriptor = _acquire(path, lambda _: None)
    try:
        yield
    finally:
        if not keep:
            with suppress(OSError):  # Windows keeps what is open
                path.unlink()
        _close(descriptor)


@contextmanager
def owned(path: Path, purpose: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock whose file names its owner, after waiting for it.

    Args:
        path: the lock's file; it stays when the lock is freed.
        purpose: what the owner is doing, such as "fetching hf:owner/name".
        report: receives a message every minute while waiting, and one if an earlier owner died.

    Raises:
        OSError: the folder cannot be written, or its file system has no locks.
    """
    remind_at = 0.0

    def wait(descriptor: int) -> None:
        nonlocal remind_at
        if time.monotonic() >= remind_at:
            report(f"Waiting for {_owner(descriptor) or 'another process'} (press Ctrl-C to stop waiting).")
            remind_at = time.monotonic() + _REMIND_SECONDS

    descriptor = _acquire(path, wait)
    try:
        dead = _owner(descriptor)
        if dead:
            report(f"{dead[0].upper()}{dead[1:]}, has ended without finishing; taking over.")
        _write(descriptor, _describe_owner(purpose))
        try:
            yield
        finally:
            _write(descriptor, "")
    finally:
        _close(descriptor)


@contextmanager
def owned_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock if it is free; yields whether it was."""
    from filelock import lock_descriptor

    try:
        descriptor = _open(path)
    except OSError:
        yield False
        return
    try:
        yield lock_descriptor(descriptor, blocking=False)
    finally:
        _close(descriptor)


def _acquire(path: Path, wait: Callable[[int], None]) -> int:
    """Open and lock a file; `wait` is called repeatedly while another process or thread holds it."""
    from filelock import lock_descriptor

    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError, FileExistsError):  # another process removes or makes the folder
            path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process removes the file or its folder
            descriptor = _open(path)
            try:
                while not lock_descriptor(descriptor, blocking=False):
                    wait(descriptor)
                    time.sleep(_POLL_SECONDS)
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            except BaseException:
                _close(descriptor)
                raise
            _close(descriptor)
    path.parent.mkdir(parents=True, exist_ok=True)  # raises a clear error for a broken link
    raise FileNotFoundError(errno.ENOENT, "the lock file keeps being removed", os.fspath(path))


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    _descriptors.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    from filelock import unlock_descriptor

    if descriptor in _descriptors:  # otherwise it belonged to the parent process: see `_drop_inherited`
        _descriptors.discard(descriptor)
        try:
            unlock_descriptor(descriptor)  # closing is not enough while a forked child also has it open
        finally:
            os.close(descriptor)


def _drop_inherited() -> None:
    """In a forked child: close the parent's locks, which would otherwise be held until the child ends as well.

    `filelock` does this for its lock objects, not for descriptors; and its objects do not notice a removed file.
    """
    for descriptor in _descriptors:
        os.close(descriptor)
    _descriptors.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)


def _describe_owner(purpose: str) -> str:
    import platform

    now = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now, "purpose": purpose})


def _owner(descriptor: int) -> str:
    """Describe the process that holds the lock or died holding it; empty if the file does not name one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        os.lseek(descriptor, _TEXT_AT, os.SEEK_SET)
        fields = json.loads(os.read(descriptor, 4096))
        return f"process {fields['pid']} on {fields['host']}, {fields['purpose']} since {fields['since']}"
    return ""


def _write(descriptor: int, text: str) -> None:
    with suppress(OSError):  # locking also works on a full disk; the text is for people
        os.ftruncate(descriptor, 0)
        if text:
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b" " * _TEXT_AT + text.encode())
