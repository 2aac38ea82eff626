"""Folders on the disk: what is in them, what is in and below them, and which files look like photos.

Hidden files, and files that operating systems and notebooks create, are left out everywhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headstart.disk.unpack import NOISE
from headstart.errors import DataError, PhotoError
from headstart.safety.printable import counted, show

#: File name extensions of pictures, those that cannot be read included. Other files show by their first bytes.
PICTURES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".pnm", ".ppm", ".pgm",
    ".avif", ".heic", ".heif", ".hif", ".jxl", ".jp2", ".psd", ".svg", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf",
    ".rw2", ".pef", ".srw", ".3fr", ".raf",
)  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A folder; each of its parts is read when it is first asked for.

    Attributes:
        path: of the folder.
    """

    path: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)

    @cached_property
    def folders(self) -> tuple[Folder, ...]:
        """The folders in it, in alphabetical order."""
        return tuple(Folder(str(Path(entry.path))) for entry in self._entries if is_folder(entry))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Paths of the files directly in it, in alphabetical order."""
        return tuple(entry.path for entry in self._entries if not is_folder(entry))

    @cached_property
    def below(self) -> tuple[str, ...]:
        """Paths of all files in it and below it, in alphabetical order."""
        return tuple(sorted(self._walked))

    @cached_property
    def photos(self) -> int:
        """Number of files directly in it that look like photos."""
        return sum(map(looks_like_photo, self.files))

    @cached_property
    def has_photos(self) -> bool:
        """Whether a file in it or below it looks like a photo; the first one is enough."""
        return any(map(looks_like_photo, self._walked))

    @cached_property
    def inner(self) -> tuple[Folder, ...]:
        """The folders in it that hold photos. Several links to one folder count once."""
        found: dict[object, Folder] = {}
        for one in self.folders:
            if one.has_photos:
                found.setdefault(identity(one.path), one)
        return tuple(found.values())

    @property
    def _walked(self) -> Iterable[str]:
        """All files in it and below it; where there is nothing below, the folder is not listed a second time."""
        return files_below(self.path) if self.folders else self.files

    @cached_property
    def _entries(self) -> list[os.DirEntry[str]]:
        return entries(self.path)


def looks_like_photo(path: str) -> bool:
    """Whether a file is a picture by its name or, where the name does not decide, by its first bytes.

    A file that is not there or cannot be read counts as one: reading it will report why it is not used.
    """
    if path.lower().endswith(PICTURES):
        return True
    from headstart.photos.formats import sniff

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            sniff(file.read(32), path)
    except (OSError, ValueError):
        return True
    except PhotoError as error:
        return error.reason == "unsupported format"
    return True


def files_below(folder: str) -> Iterator[str]:
    """All files below a folder, folder by folder. Links are followed, but each folder is entered only once.

    Links to the folders above are not followed: they would put every class into this one.

    Raises:
        DataError: a folder cannot be read.
    """
    above = {*Path(folder).absolute().parents, *Path(os.path.realpath(folder)).parents}
    seen = {identity(path) for path in above}
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        itself = identity(current)
        if itself in seen:
            continue
        seen.add(itself)
        folders = []
        for entry in entries(current):
            if is_folder(entry):
                folders.append(entry.path)
            else:
                yield entry.path
        waiting += reversed(folders)


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder, in alphabetical order.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.scandir(folder) as inside:
            kept = [entry for entry in inside if not is_noise(entry.name)]
    except OSError as error:
        raise DataError(f"The folder {show(folder)} cannot be read: {error.strerror}.") from error
    return sorted(kept, key=lambda entry: entry.name)


def is_csv(path: str | Path) -> bool:
    """Whether a file is a CSV by its name."""
    return os.fspath(path).lower().endswith(".csv")


def is_noise(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left behind by an operating system or a notebook."""
    return name.startswith(".") or name.lower() in NOISE


def is_folder(entry: os.DirEntry[str]) -> bool:
    """A broken or circular link, or one without permission, counts as a file, which cannot be read later."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def tree(root: Folder, deep: int = 3, wide: int = 4) -> list[str]:
    """A short drawing of a folder, with the number of photos directly in each folder.

    Args:
        root: what to draw.
        deep: levels of folders. wide: folders of a level; of the others only their number is drawn.
    """
    rows = _drawn(root, f"{root.name or root.path}/", deep, wide)
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {content}".rstrip() for name, content in rows]


def _drawn(folder: Folder, name: str, deep: int, wide: int) -> list[tuple[str, str]]:
    others, more = len(folder.files) - folder.photos, len(folder.folders) - wide
    parts = [counted(folder.photos, "photo")] if folder.photos else []
    parts += [counted(others, "other file")] if others else []
    parts += [counted(len(folder.folders), "folder")] if folder.folders and not deep else []
    rows = [(show(name), ", ".join(parts) or ("" if folder.folders else "empty"))]
    if deep:
        for one in folder.folders[:wide]:
            below = _drawn(one, f"{one.name}/", deep - 1, max(2, wide - 1))
            rows += [(f"  {inside}", content) for inside, content in below]
        if more > 0:
            rows.append(("  ...", f"and {counted(more, 'more folder')}"))
    return rows


def identity(path: str | Path) -> tuple[int, int] | str:
    """Equal for two paths to the same file or folder; the path itself if it cannot be examined."""
    try:
        info = os.stat(path)
    except OSError:
        return os.fspath(path)
    return info.st_dev, info.st_ino
