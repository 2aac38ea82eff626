"""Unpacking archives that are not trusted: plain files and folders within their folder, of limited number and size.

Every member's header is checked before any of its bytes is written, and no more is read than the header declares.
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
#: Bytes from which the kind of a file is recognised.
_HEAD = 4096
#: Names that Windows reserves for devices, with any file name extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class ArchiveError(Exception):
    """An archive cannot be unpacked. The message continues a sentence that begins with the archive's name."""


@dataclass(frozen=True)
class Limits:
    """How large an unpacked archive may be.

    Attributes:
        bytes: unpacked. The largest image models of TensorFlow Hub are about 5 GB: four times that.
        files: files and folders. A SavedModel has a handful; some carry thousands of assets.
        ratio: unpacked bytes for each packed one. Weights shrink by a tenth, graphs and vocabularies tenfold;
            zeros shrink a thousandfold.
        spare: bytes to which the ratio does not apply, for small archives.
    """

    bytes: int = 20_000_000_000
    files: int = 10_000
    ratio: int = 100
    spare: int = 64_000_000


LIMITS = Limits()


class Source(Protocol):
    """A stream that is read from start to end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack a tar or tar.gz into an empty folder, each file on the disk before this returns.

    Args:
        archive: the file.
        folder: created if missing. After an error, do not use its content.
        limits: `LIMITS` if not given.

    Raises:
        ArchiveError: it is not an archive, damaged, too large, or contains something that is not allowed.
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
    """Check a name from an archive or a manifest, and return it as a path below its folder.

    Returns:
        Parts joined by `/`; empty for the folder itself.

    Raises:
        ArchiveError: it leads outside the folder, or some operating system cannot write it.
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
    """Describe a file that is not an archive by its first bytes; an HTML page with its title."""
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
    """Write a new file of `size` bytes, and wait until it is on the disk.

    Raises:
        ArchiveError: the source has fewer bytes.
        OSError: the disk is full or read-only, or the file exists.
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
    """Open a tar to read from start to end; any fault in it raises `ArchiveError`."""
    import tarfile
    import zlib
    from gzip import BadGzipFile

    class Member(tarfile.TarInfo):
        """A header; very long ones are refused before they are read."""

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
    """A stream that may give a limited number of bytes."""

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._left = most

    def read(self, size: int = -1, /) -> bytes:
        """See `Source.read`.

        Raises:
            ArchiveError: there are more bytes than that.
        """
        block = self._source.read(size if size >= 0 else _BLOCK)
        self._left -= len(block)
        if self._left < 0:
            raise ArchiveError("unpacks to far more than it claims or than is reasonable")
        return block


def _plain(file: BinaryIO, head: bytes) -> Source:
    if not head.startswith(_GZIP):
        return file
    import gzip

    return gzip.GzipFile(fileobj=file)


def _unpack(source: Source, folder: Path, limits: Limits, most: int) -> None:
    made: dict[str, bool] = {}  # name on a file system that ignores case -> whether it is a folder
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
            if content is None:
                raise ArchiveError("has a file without content")  # a regular file has content
            write(content, target, member.size)
        while counted.read(_BLOCK):  # the checksum of a tar.gz is at the end
            pass


def _claim(made: dict[str, bool], name: str, is_folder: bool) -> None:
    """Record a name and its folders; refuse one that would overwrite another, even on file systems that ignore case."""
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
