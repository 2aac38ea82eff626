"""Photos in a zip or tar: unpacked once, beside the archive or, if that is not writable, in headstart's own folder.

The folder is complete before it gets its name, so a process that is killed leaves no folder that is half unpacked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from headstart.disk import atomic, locks, unpack
from headstart.disk.archive import ArchiveError
from headstart.disk.home import home
from headstart.errors import DataError, LayoutError, Way
from headstart.progress import Progress
from headstart.safety.printable import show

Given = TypeVar("Given")

#: Written into the folder last: which archive it holds. Hidden, so neither a photo nor a class.
_MARK = ".headstart-unpacked.json"
_ENDING = re.compile(r"\.(zip|tar|tgz|tar\.\w+|7z|rar)$", re.IGNORECASE)
#: 7z, rar, bzip2, xz, zstd: archives that other programs unpack.
_FOREIGN = (b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


def is_archive(path: str | Path) -> bool:
    """Whether a file is a zip, a tar or another archive, by its first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except (OSError, ValueError):
        return False
    return _can_be_unpacked(head) or head.startswith(_FOREIGN)


def _can_be_unpacked(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")) or head[257:262] == b"ustar"


def refusal(path: Path) -> LayoutError:
    """The error for an archive in place of a folder: how to unpack it, and the folder if it has been unpacked."""
    with path.open("rb") as file:
        ours = _can_be_unpacked(file.read(512))
    beside = path.with_name(_stem(path))
    ways = [Way("To use the folder beside it", os.fspath(beside))] if beside.is_dir() else []
    if ours:
        ways.append(Way(f"To unpack it to {show(_target(path))} and go on", option="--unpack"))
    return LayoutError(
        f"{show(path)} is an archive: photos are read from folders.",
        "Expected the folder that it contains."
        + ("" if ours else " Unpack it with another program: --unpack is for zip, tar and tar.gz."),
        os.fspath(path),
        ways=ways,
    )


def unpacked(photos: Given, progress: Progress) -> Given | Path:
    """The folder with the content of an archive, unpacked unless it is there already; anything else as it is.

    Args:
        photos: a path, or something else.
        progress: receives messages.

    Raises:
        DataError: the archive is damaged, too large or contains something that is not allowed; another folder is in the
            place; the disk is full or read-only.
    """
    if not isinstance(photos, (str, Path)) or not is_archive(photos):
        return photos
    file = Path(photos)
    target = _target(file)
    try:
        mark = _mark_of(file)
        if not _is_there(file, target, mark):
            with locks.owned(_lock(target), f"unpacks {file.name}", progress.message):
                if not _is_there(file, target, mark):  # another process has just done it
                    progress.message(f"Unpacking {show(file)} to {show(target)}.")
                    _unpack(file, target, mark)
    except ArchiveError as error:
        raise DataError(f"{show(file)} cannot be unpacked: it {show(str(error))}.\nNothing was kept.") from error
    except OSError as error:
        raise DataError(
            f"{show(file)} cannot be unpacked to {show(target)}: {error.strerror or error}.\nExpected a file that can "
            "be read, and a folder that can be written to, on a disk with room."
        ) from error
    progress.message(f"{show(target)} is used: the content of {show(file)}.")
    return target


def _unpack(file: Path, target: Path, mark: dict[str, Any]) -> None:
    room = target.with_name(f".{target.name}.part")
    shutil.rmtree(room, ignore_errors=True)  # of a process that was killed
    try:
        unpack.unpack(file, room)
        atomic.write(room / _MARK, json.dumps(mark))
        if os.name != "nt":
            os.sync()  # once for all files: they must be on the disk before the folder's name
        room.rename(target)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _is_there(file: Path, target: Path, mark: dict[str, Any]) -> bool:
    """Whether the folder holds just this archive.

    Raises:
        LayoutError: something else is in its place.
    """
    if not os.path.lexists(target):
        return False
    with suppress(OSError, ValueError):
        if json.loads((target / _MARK).read_bytes()) == mark:
            return True
    raise LayoutError(
        f"{show(target)} is there already, and was not unpacked from {show(file)} as it is now. Nothing was changed.",
        "Expected no such folder: move it away, or use it.",
        os.fspath(file),
        ways=[Way("To use the folder", os.fspath(target))],
    )


def _mark_of(file: Path) -> dict[str, Any]:
    info = file.stat()
    return {"archive": file.name, "bytes": info.st_size, "modified": info.st_mtime_ns}


def _target(file: Path) -> Path:
    beside = file.with_name(_stem(file))
    if os.path.lexists(beside) or os.access(file.absolute().parent, os.W_OK | os.X_OK):
        return beside
    return home() / "unpacked" / f"{_stem(file)}-{_key(file)}"


def _lock(target: Path) -> Path:
    return home() / "unpacked" / f"{_key(target)}.lock"


def _key(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]


def _stem(file: Path) -> str:
    """The name without what makes it an archive; never the name itself, which the folder could not have."""
    stem = _ENDING.sub("", file.name)
    return stem if stem and stem != file.name else f"{file.name}-unpacked"
