"""The list of an entry's files with their hashes, and checking the files against it."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.backbones.fetch.handles import Handle, parse
from headstart.disk import archive, atomic
from headstart.disk.hashes import sha256
from headstart.errors import BackboneError

FORMAT = 1
MANIFEST, CONTENT = "manifest.json", "content"
_SEEN = "seen.json"
#: What reading a JSON file with a handle in it may raise.
UNREADABLE = (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError, BackboneError)
#: A file that changed less than this ago may change again without a new time: it is hashed again at the next use.
_RACY_SECONDS = 2.0


class DamagedError(Exception):
    """An entry's files have changed. The message continues a sentence about the entry."""


@dataclass(frozen=True)
class KeptFile:
    """A file of an entry: its path below the content folder with `/`, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Kept:
    """An entry of the cache.

    Attributes:
        handle: pinned.
        source: the address that the bytes came from, after redirects.
        time: when, ISO 8601 in UTC.
        model: a path below the content folder; `.`: the folder itself.
        files: what belongs to it.
        folder: where the content is.
        headstart: the version that kept it.
    """

    handle: Handle
    source: str
    time: str
    model: str
    files: tuple[KeptFile, ...]
    folder: Path
    headstart: str

    @property
    def path(self) -> Path:
        """The SavedModel's folder, or the model's file."""
        return self.folder / self.model

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "format": FORMAT,
            "handle": str(self.handle),
            "source": self.source,
            "time": self.time,
            "network": self.model,
            "files": [asdict(file) for file in self.files],
            "headstart": self.headstart,
        }


def read(folder: Path) -> Kept:
    """Read the manifest in an entry's folder.

    Raises:
        DamagedError: there is none, or it is not valid.
    """
    try:
        fields = json.loads((folder / MANIFEST).read_text("utf-8"))
        if fields["format"] != FORMAT:
            raise DamagedError(f"its manifest has format {fields['format']}, this version of headstart reads {FORMAT}")
        files = tuple(KeptFile(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in fields["files"])
        handle = parse(fields["handle"])
        texts = [fields[name] for name in ("source", "time", "network", "headstart")]
        if not files or not all(isinstance(text, str) for text in texts):
            raise ValueError("files or texts are missing")
        for name in (*(file.name for file in files), fields["network"]):
            if archive.safe_name(name) != ("" if name == "." else name):
                raise ValueError(f"{name!r} is not a plain path")
    except (*UNREADABLE, archive.ArchiveError) as error:
        raise DamagedError(f"its manifest cannot be read: {error}".partition("\n")[0]) from error
    source, when, model, version = texts
    return Kept(handle, source, when, model, files, folder / CONTENT, version)


def check(kept: Kept, thoroughly: bool = False) -> None:
    """Compare the files with the manifest.

    Hashes are computed unless sizes, times and inodes are the same as last time. Hashing takes
    about 0.1 s for 100 MB; `thoroughly` always hashes, and so finds errors of the disk.

    Raises:
        DamagedError: a file is missing or has changed.
    """
    marks: list[tuple[str, int, int, int]] = []
    for file in kept.files:
        path = kept.folder / file.name
        try:
            info = path.stat()
        except OSError as error:
            raise DamagedError(f"{file.name} cannot be read: {error.strerror}") from error
        if info.st_size != file.size:
            raise DamagedError(f"{file.name} has {info.st_size:,} bytes, expected {file.size:,}")
        marks.append((file.name, info.st_mtime_ns, info.st_ctime_ns, info.st_ino))
    seen = kept.folder.with_name(_SEEN)
    with suppress(OSError, ValueError):
        if not thoroughly and json.loads(seen.read_text("utf-8")) == [list(mark) for mark in marks]:
            return
    for file in kept.files:
        try:
            digest = sha256(kept.folder / file.name)
        except OSError as error:
            raise DamagedError(f"{file.name} cannot be read: {error.strerror}") from error
        if digest != file.sha256:
            raise DamagedError(f"{file.name} has SHA-256 {digest}, expected {file.sha256}")
    newest = max(max(changed, written) for _, changed, written, _ in marks)
    if time.time_ns() - newest > _RACY_SECONDS * 1e9:
        with suppress(OSError):  # a read-only cache works, too
            atomic.write(seen, json.dumps(marks))


def list_files(content: Path) -> tuple[KeptFile, ...]:
    """List a folder's files for a manifest; they are safely on the disk when this returns."""
    files = []
    for path in sorted(content.rglob("*")):
        if path.is_file():
            files.append(KeptFile(path.relative_to(content).as_posix(), path.stat().st_size, sha256(path)))
        atomic.sync(path)
    atomic.sync(content)
    return tuple(files)
