"""Files and folders written completely or not at all, even if the process is killed.

Until it is complete, a file has the name `.NAME.<random>.new`, which no other thread, process or machine uses. If the
process is killed, that file stays and is never read.
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

_LEFT = ".*.new"
#: Arguments of Linux's renameat2(2): relative to the working folder; exchange the two.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def beside(path: Path) -> Path:
    """A new, unused path in the same folder, for what will replace `path`."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")


@contextmanager
def replacing(path: Path, lasting: bool = True) -> Iterator[BinaryIO]:
    """Open a file to write that replaces `path` in one step when it is complete. After an error nothing has changed.

    Args:
        path: its folder must exist.
        lasting: whether the content must be safe from a power cut before it replaces `path`. False for what can be
            made again and is checked when it is read.

    Raises:
        OSError: the disk is full or read-only, or `path` is a folder.
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
    """Write a whole file, text in UTF-8; see `replacing`."""
    with replacing(path, lasting) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_writable(path: Path) -> None:
    """Raise now what writing a file would raise later.

    Raises:
        OSError: it is a folder, its folder does not exist, or one of them may not be written to.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not path.exists():
        check_replaceable(path)
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def check_replaceable(path: Path) -> None:
    """Raise now what `replacing` would raise later.

    Raises:
        OSError: its folder does not exist, or may not be written to.
    """
    new = beside(path)
    new.touch()
    new.unlink()


def install(new: Path, target: Path) -> None:
    """Move a folder to `target`, in one step where the system can (Linux); what was there is removed.

    Raises:
        OSError: it cannot be moved; `target` is unchanged.
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
    """Exchange two paths; False where the system or the file system cannot."""
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # other systems; Windows has no library without a name
        return False
    return bool(call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk; does nothing on Windows, which cannot do this for folders."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path, seconds: float) -> None:
    """Remove unfinished files that killed processes left in a folder more than `seconds` ago."""
    for left in folder.glob(_LEFT):
        with suppress(FileNotFoundError):
            if left.is_file() and left.stat().st_mtime < time.time() - seconds:
                left.unlink()
