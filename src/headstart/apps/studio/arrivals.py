"""Photos that come in from a page: files and zips, checked, named and put into classes."""

from __future__ import annotations

import hashlib
import io
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from headstart.apps.studio.folder import TRASH, UNPACKING
from headstart.apps.studio.names import class_name, file_name
from headstart.apps.studio.photo import Photo
from headstart.apps.studio.project import MOST_PHOTOS, Project
from headstart.disk import unpack
from headstart.disk.archive import ArchiveError, Limits
from headstart.errors import DataError, PhotoError
from headstart.photos.folders import files_below, is_noise
from headstart.photos.formats import open_header, sniff
from headstart.photos.images import MAX_PIXELS
from headstart.safety.printable import file_size, show

#: Bytes of a photo, and of a zip.
MOST_BYTES, MOST_ZIPPED = 2**26, 2**31
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_LIMITS = Limits(bytes=MOST_ZIPPED, files=10_000, ratio=10, spare=64_000_000)


@dataclass(frozen=True)
class Upload:
    """A file that came in: its name, which may be a path such as `class/file.jpg`, its size, and its content."""

    name: str
    size: int
    file: BinaryIO


@dataclass
class Arrivals:
    """Takes uploads into a project; what is taken at once is one step to undo.

    Args:
        project: that gets the photos. label: the class of all of them; empty: the folder in each name.

    Attributes:
        refused: name and reason of each that is not taken, and the id of a photo that is there already.
    """

    project: Project
    label: str
    refused: list[dict[str, str]] = field(default_factory=list)
    _kept: list[tuple[str, str, bytes]] = field(default_factory=list)
    _known: dict[bytes, Photo | None] = field(default_factory=dict)
    _room: str = field(default_factory=lambda: secrets.token_hex(6))

    def take(self, uploads: Sequence[Upload]) -> list[str]:
        """Write the photos into the folder; returns their ids.

        Raises:
            DataError: the disk is full, there are too many photos, or the label is not one.
        """
        if self.label:
            self.label = self._class(self.label)
        self._known = {**self.project.contents()}
        if len(self._known) + len(uploads) > MOST_PHOTOS:
            raise DataError(f"There would be more than {MOST_PHOTOS:,} photos.\nExpected at most so many.")
        try:
            for upload in uploads:
                head = upload.file.read(32)
                upload.file.seek(0)
                if head.startswith(_ZIP):
                    self._zip(upload)
                else:
                    self._photo(upload)
        except OSError as error:
            raise DataError(
                f"The photos cannot be kept: {error.strerror or error}.\nExpected room on the disk. Make room, and "
                "send them again."
            ) from error
        finally:
            added = self.project.add(self._kept) if self._kept else []
        return [photo.id for photo in added]

    def _photo(self, upload: Upload) -> None:
        try:
            if upload.size > MOST_BYTES:
                raise PhotoError("too large", f"{file_size(upload.size)}; at most {file_size(MOST_BYTES)} are taken")
            content = upload.file.read()
            kind = _checked(content, upload.name)
        except PhotoError as error:
            self._refuse(upload.name, str(error))
            return
        folder = upload.name.replace("\\", "/").rpartition("/")[0].rpartition("/")[2]
        if not self.label and not folder:
            self._refuse(upload.name, "it belongs to no class: drop it on one")
            return
        try:
            label = self.label or self._class(folder)
        except DataError as error:
            self._refuse(upload.name, str(error))
            return
        digest = hashlib.sha256(content).digest()
        if digest in self._known:
            there = self._known[digest]
            same = there is None or there.label == label
            reason = "already in this class" if same else f"already in class {show(there.label)}"  # type: ignore[union-attr]
            self._refuse(upload.name, reason, there.id if there else "")
            return
        self._known[digest] = None
        path = self.project.folder.keep(content, self._room, file_name(upload.name, kind))
        self._kept.append((path, label, digest))

    def _class(self, text: str) -> str:
        """The class of this name, whatever its case."""
        name = class_name(text)
        return next((one for one in self.project.classes if one.casefold() == name.casefold()), name)

    def _zip(self, upload: Upload) -> None:
        """Unpack a zip into the trash, and take its photos one by one."""
        room = self.project.folder.at(f"{TRASH}/{UNPACKING}/{secrets.token_hex(6)}")
        packed = room / "packed.zip"
        try:
            if upload.size > MOST_ZIPPED:
                raise ArchiveError(f"has {file_size(upload.size)}; at most {file_size(MOST_ZIPPED)} are taken")
            room.mkdir(parents=True)
            with packed.open("wb") as file:
                shutil.copyfileobj(upload.file, file, 2**20)
            unpack.unpack(packed, room / "in", _LIMITS)
            for name, path in _inside(room / "in"):
                with path.open("rb") as opened:
                    self._photo(Upload(name, path.stat().st_size, opened))
        except ArchiveError as error:
            self._refuse(upload.name, f"this archive {error}")
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def _refuse(self, name: str, reason: str, id: str = "") -> None:
        one: dict[str, str] = {"name": show(name[-200:]), "reason": reason}
        self.refused.append({**one, "id": id} if id else one)


def _inside(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder, with their paths below it."""
    for path in sorted(files_below(str(folder))):
        yield Path(path).relative_to(folder).as_posix(), Path(path)


def _checked(content: bytes, name: str) -> str:
    """The kind of a picture.

    Raises:
        PhotoError: it is not one, or has too many pixels. Whether all of it can be decoded shows when it is read.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    if is_noise(last):
        raise PhotoError("not an image", "a file of the operating system")
    kind = sniff(content[:32], name)
    try:
        width, height = open_header(kind, io.BytesIO(content)).size
    except Exception as error:  # decoders raise anything
        raise PhotoError("corrupt", "its header cannot be read") from error
    if width * height > MAX_PIXELS:
        raise PhotoError("too large", f"{width:,} x {height:,} pixels; at most {MAX_PIXELS:,} are taken")
    return kind
