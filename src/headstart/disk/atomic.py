"""How files are written and locked: whole or not at all; by one writer at a time, however writers end.

What is half done has a name of its own, `.NAME.<random>.new`, that no other thread, process or machine chooses too. A
process that is killed leaves it behind; nobody ever reads it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

#: Where Windows locks its byte: behind any text, which others may read.
_LOCK_AT = 1 << 30
_POLL_SECONDS = 0.1
#: Tries to lock a file that others keep removing together with its folder.
_TRIES = 100
_LEFT = ".*.new"
#: Of Linux's renameat2(2): paths are relative to the working folder; the two change places.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


# --- writing ---


def beside(path: Path) -> Path:
    """A new name in the same folder, for what is to take the place of `path`."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")


@contextmanager
def replacing(path: Path, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write; when it is complete, it takes the place of `path` in one step. On errors nothing changes.

    Args:
        path: where to; its folder is there.
        lasting: whether it must be on the disk, safe from a power cut, before it takes the place. False for what can
            be made again, and is checked when it is read.

    Raises:
        OSError: the disk is full or read-only, or there is a folder in its place.
    """
    new = beside(path)
    try:
        with new.open("xb") as file:
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def write(path: Path, content: bytes | str, lasting: bool = True) -> None:
    """Write a file, text in UTF-8, as `replacing` does."""
    with replacing(path, lasting) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def install(new: Path, target: Path) -> None:
    """Put a folder in its place, in one step where the system can (Linux); what was there is removed.

    Raises:
        OSError: it cannot be done; `target` is as it was.
    """
    if not os.path.lexists(target):
        new.rename(target)
        return
    if not _exchanged(new, target):
        old = beside(target)
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
        new = old
    shutil.rmtree(new, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two paths change places; False where the system or the file system cannot."""
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # other systems; Windows has no library without a name
        return False
    return bool(call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk; Windows does not do that for folders."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path, seconds: float) -> None:
    """Remove what killed processes left half done in a folder so many seconds ago."""
    for left in folder.glob(_LEFT):
        with suppress(FileNotFoundError):
            if left.is_file() and left.stat().st_mtime < time.time() - seconds:
                left.unlink()


# --- locks ---

_held: set[int] = set()  # descriptors of lock files


def open_lock(path: Path) -> int:
    """Open a lock's file, made if it is missing; nobody holds it by that.

    Raises:
        OSError: the folder is missing or cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    _held.add(descriptor)
    return descriptor


def take_lock(descriptor: int, wait: bool = True) -> bool:
    """Hold a lock until `close_lock` or the end of this process, however it ends; False if another one has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        while True:
            os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
            with suppress(OSError):
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
                return True
            if not wait:
                return False
            time.sleep(_POLL_SECONDS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def close_lock(descriptor: int) -> None:
    """Free a lock."""
    if descriptor in _held:  # else a parent's: see `_disown`
        _held.discard(descriptor)
        with suppress(ImportError):  # Windows
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing would not do while a forked child has it open, too
        os.close(descriptor)


@contextmanager
def locked(path: Path, keep: bool = True) -> Iterator[None]:
    """Hold a lock, waiting for it; folder and file are made if they are missing. Other threads wait, too.

    Args:
        path: the lock's file. Who holds it may remove it: those who wait notice.
        keep: whether it stays afterwards.

    Raises:
        OSError: the folder cannot be written, or its file system has no locks.
    """
    descriptor = _acquired(path)
    try:
        yield
    finally:
        if not keep:
            with suppress(OSError):  # Windows keeps what is open
                path.unlink()
        close_lock(descriptor)


def _acquired(path: Path) -> int:
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # the folder was removed in between
            descriptor = open_lock(path)
            try:
                take_lock(descriptor)
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            except BaseException:
                close_lock(descriptor)
                raise
            close_lock(descriptor)
    raise FileNotFoundError(errno.ENOENT, "the lock is removed again and again", os.fspath(path))


def _disown() -> None:
    """In a forked child: let go of the parent's locks, which would else be held until the child, too, has ended."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
