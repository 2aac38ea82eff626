"""Unpacking a data set from a zip or tar.gz: photos in folders, no larger than photos are.

Files that operating systems add (`__MACOSX`, hidden files) are left out. `disk.archive` unpacks tars; its rules apply
to zips too, and only the reading of zips is here.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.disk import archive
from headstart.disk.archive import ArchiveError, Limits

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_BLOCK = 1 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: Names, in lower case, of files and folders that operating systems add to photos.
NOISE = {"__macosx", "thumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir"}
#: Photos hardly compress, so ten bytes for each packed one is plenty; the largest data set has 32,825 photos in 1.6 GB.
LIMITS = Limits(bytes=20_000_000_000, files=100_000, ratio=10, spare=64_000_000)


def unpack(file: Path, folder: Path, limits: Limits = LIMITS) -> None:
    """Unpack a zip, tar or tar.gz into an empty folder.

    Args:
        file: read only.
        folder: created if missing. After an error, do not use its content.
        limits: how large it may be when unpacked.

    Raises:
        ArchiveError: it is not an archive, damaged, too large, or contains something that is not allowed.
        OSError: the file cannot be read, or the disk is full or read-only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as opened:
        head = opened.read(4096)
    if head.startswith(_ZIP):
        _unzip(file, folder, limits)
        return
    kind = archive.kind_of(head)
    if kind == "empty" or kind.startswith(("an HTML", "an XML", "a JSON")):
        raise ArchiveError(f"is {kind}, not a zip or tar.gz")
    archive.unpack(file, folder, limits)
    for path in sorted(folder.rglob("*"), reverse=True):  # the content of a folder comes before the folder
        if _is_noise(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _unzip(file: Path, folder: Path, limits: Limits) -> None:
    """Check every member's header before the first byte is written; write no more than the headers declare."""
    with _reading(file) as opened:
        members = opened.infolist()
        most = min(limits.bytes, file.stat().st_size * limits.ratio + limits.spare)
        total = sum(member.file_size for member in members)
        if len(members) > limits.files:
            raise ArchiveError(f"has more than {limits.files:,} files")
        if total > most:
            raise ArchiveError(f"would unpack to {total / 1e9:,.1f} GB, which is not reasonable for its size")
        for name, member in [(_admitted(member), member) for member in members]:
            if name:
                _write(opened, member, folder / name)


@contextmanager
def _reading(file: Path) -> Iterator[ZipFile]:
    """Open a zip; any fault in it raises `ArchiveError`."""
    import errno
    import struct
    import zipfile
    import zlib

    damaged = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, NotImplementedError)
    try:
        with zipfile.ZipFile(file) as opened:
            yield opened
    except damaged as error:
        raise ArchiveError(f"is a damaged or truncated zip ({str(error)[:200]})") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # an offset before the start of the file
            raise ArchiveError("is a damaged or truncated zip (its directory points outside the file)") from error
        raise


def _admitted(member: ZipInfo) -> str:
    """The path of a member below the folder; empty if it is left out.

    Raises:
        ArchiveError: it leads outside the folder, or is not a plain file or folder.
    """
    name = archive.safe_name(member.filename)  # also for members that are left out
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device or a file of a special kind"
        raise ArchiveError(f"has {what}, which is not admitted: {name[:100]!a}")
    if member.flag_bits & 1:
        raise ArchiveError(f"has an encrypted file: {name[:100]!a}")
    if member.compress_type not in (0, 8):  # stored, deflated
        raise ArchiveError(f"has a file with an unusual compression method: {name[:100]!a}")
    return "" if any(_is_noise(part) for part in name.split("/")) else name


def _write(opened: ZipFile, member: ZipInfo, target: Path) -> None:
    try:
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as content, target.open("xb") as file:
            shutil.copyfileobj(content, file, _BLOCK)  # ends at the declared size, and verifies the checksum
            written = file.tell()
    except (FileExistsError, NotADirectoryError) as error:  # the folder was empty, so the zip has both
        raise ArchiveError(f"has the same name twice: {member.filename[:100]!a}") from error
    if written != member.file_size:
        raise ArchiveError(f"ends in the middle of a file: {member.filename[:100]!a}")


def _is_noise(name: str) -> bool:
    return name.startswith(".") or name.lower() in NOISE
