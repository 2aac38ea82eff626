"""Unpacking what strangers packed: plain files and folders, inside, few enough, small enough. Nothing else.

Every member's claim is checked before a byte of it is written, and no more is read than was claimed.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from headstart.safety.printable import show

if TYPE_CHECKING:
    import tarfile

_BLOCK = 1 << 20
#: Long names and extended headers are read into memory before anything can be checked.
_LONGEST_HEADER = 1 << 20
_GZIP = b"\x1f\x8b"
_TAR = b"ustar"
_TAR_AT = 257
#: By so many bytes it is told what a file is.
_HEAD = 4096
#: Names that Windows keeps for devices, whatever the ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class ArchiveError(Exception):
    """An archive that is not unpacked, and why: the rest of a sentence about it."""


@dataclass(frozen=True)
class Limits:
    """What an archive may grow to.

    Attributes:
        bytes: unpacked. The largest image models of TensorFlow Hub are about 5 GB: four times that.
        files: files and folders. A SavedModel has a handful; some carry thousands of assets.
        ratio: unpacked bytes for each packed one. Weights shrink by a tenth, graphs and vocabularies tenfold;
            zeros shrink a thousandfold.
        spare: bytes that are free of the ratio, for small archives.
    """

    bytes: int = 20_000_000_000
    files: int = 10_000
    ratio: int = 100
    spare: int = 64_000_000


LIMITS = Limits()


class Source(Protocol):
    """What can be read from front to back."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, none at the end."""


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack a tar or tar.gz into an empty folder, each file on the disk before this returns.

    Args:
        archive: the file.
        folder: made if it is missing. What is in it after an error must not be used.
        limits: `LIMITS` if not given.

    Raises:
        ArchiveError: it is something else, damaged, too large, or holds what is not admitted.
        OSError: the disk is full or read-only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with archive.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        if not head.startswith(_GZIP) and not head.startswith(_TAR, _TAR_AT):
            raise ArchiveError(f"is {kind_of(head)}, not an archive (tar.gz)")
        packed = os.fstat(file.fileno()).st_size
        most = limits or LIMITS
        _unpack(_plain(file, head), folder, most, min(most.bytes, packed * most.ratio + most.spare))


def safe_name(name: str) -> str:
    """A name from an archive or a manifest, as a path below the folder it belongs to.

    Returns:
        Parts joined by `/`; empty for the folder itself.

    Raises:
        ArchiveError: it leads elsewhere, or some system cannot write it.
    """
    shown = ascii(name[:100])
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        raise ArchiveError(f"has a file that would lie outside its folder: {shown}")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for part in parts:
        if re.search(r'[\x00-\x1f\x7f\\:*?"<>|\ud800-\udfff]', part) or part != part.rstrip(". "):
            raise ArchiveError(f"has a file with characters that not every system can write: {shown}")
        if len(part.encode()) > 255 or len(parts) > 32 or _RESERVED.fullmatch(part):
            raise ArchiveError(f"has a file with a name that not every system can write: {shown}")
    return "/".join(parts)


def kind_of(head: bytes) -> str:
    """What a file that begins so is if it is no archive, in words; an HTML page with its title."""
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not head:
        return "empty"
    if re.match(r"<(!doctype html|html|head|body)", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>([^<]{1,80})", text, re.IGNORECASE)
        return "an HTML page" + (f" ('{show(' '.join(title[1].split()))}')" if title else "")
    for start, words in (("<", "an XML document"), ("{", "a JSON document"), ("PK\x03\x04", "a zip archive")):
        if text.startswith(start):
            return words
    return "of an unknown kind"


def write(source: Source, target: Path, size: int) -> None:
    """Write a new file of so many bytes, and wait until the disk has it.

    Raises:
        ArchiveError: there are fewer.
        OSError: the disk is full or read-only, or the file is there already.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
        left = size
        while left:
            block = source.read(min(left, _BLOCK))
            if not block:
                raise ArchiveError("ends in the middle of a file")
            file.write(block)
            left -= len(block)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def reading(source: Source) -> Iterator[tarfile.TarFile]:
    """A tar that is read from front to back; whatever is wrong with it is a `ArchiveError`."""
    import tarfile
    import zlib
    from gzip import BadGzipFile

    class Member(tarfile.TarInfo):
        """A header; long ones are refused before they are read."""

        def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
            if self.size > _LONGEST_HEADER and not self.isreg():
                raise ArchiveError("has a header that is too large")
            return super()._proc_member(tar)  # type: ignore[misc, no-any-return]

    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=_BLOCK, tarinfo=Member) as tar:  # type: ignore[call-overload]
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, BadGzipFile, ValueError, OverflowError, RecursionError) as error:
        raise ArchiveError(f"is a damaged archive ({error})") from error


class Counted:
    """Reads on, up to a limit."""

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._left = most

    def read(self, size: int = -1, /) -> bytes:
        """See `Source.read`.

        Raises:
            ArchiveError: there is more than the limit.
        """
        block = self._source.read(size if size >= 0 else _BLOCK)
        self._left -= len(block)
        if self._left < 0:
            raise ArchiveError("unpacks to far more than it says or than is reasonable")
        return block


def _plain(file: BinaryIO, head: bytes) -> Source:
    if not head.startswith(_GZIP):
        return file
    import gzip

    return gzip.GzipFile(fileobj=file)


def _unpack(source: Source, folder: Path, limits: Limits, most: int) -> None:
    made: dict[str, bool] = {}  # name as the least discerning file system sees it -> whether it is a folder
    total = 0
    # Headers, padding and the end mark come on top of what files claim: 1.5 kB a file and a little.
    counted = Counted(source, most + limits.files * 2048 + _BLOCK)
    with reading(counted) as tar:
        for count, member in enumerate(tar, 1):
            name = safe_name(member.name)
            if not (member.isdir() or (member.isreg() and not member.issparse())):
                raise ArchiveError(f"has {_type(member)}, which is not admitted: {name[:100]!a}")
            total += member.size
            if count > limits.files:
                raise ArchiveError(f"has more than {limits.files:,} files")
            if total > most:
                raise ArchiveError(
                    f"would unpack to more than {total / 1e9:,.1f} GB, which is not reasonable for its size"
                )
            if not name and not member.isdir():
                raise ArchiveError("has a file without a name")
            _claim(made, name, member.isdir())
            target = folder / name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None  # a regular file has content
            write(content, target, member.size)
        while counted.read(_BLOCK):  # to the end: the checksum of a tar.gz stands there
            pass


def _claim(made: dict[str, bool], name: str, is_folder: bool) -> None:
    """Note a name and its folders; refuse one that would write over another, also where case does not count."""
    parts = unicodedata.normalize("NFC", name).casefold().split("/")
    for depth in range(1, len(parts) + 1):
        path, folder = "/".join(parts[:depth]), depth < len(parts) or is_folder
        if path in made and not (made[path] and folder):
            raise ArchiveError(f"has the same name twice: {name[:100]!a}")
        made[path] = folder


def _type(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "a link"
    if member.ischr() or member.isblk() or member.isfifo():
        return "a device"
    return "a file of a special kind"
