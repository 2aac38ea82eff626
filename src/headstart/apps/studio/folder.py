"""The studio's folder on the disk: class folders with photos, and `.headstart-trash` beside them.

A photo that comes in is written whole into the trash first and moved from there, so that a class folder never holds
half a file, and taking it back is the same move the other way round. Links are not followed: they may lead out of the
folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from headstart.apps.studio.steps import Change
from headstart.disk import atomic
from headstart.errors import DataError, LayoutError
from headstart.photos import layout
from headstart.photos.folders import is_noise, looks_like_photo
from headstart.safety.printable import show

TRASH = ".headstart-trash"
#: In the trash: where archives are unpacked, removed at the next start.
UNPACKING = "unpacking"
#: Size in bytes and time of the last change: a file with another one has changed.
Stamp = tuple[int, int]


class Folder:
    """The folder, which is made if it is missing. All paths are relative to it, with `/` between their parts.

    Args:
        path: of the folder.

    Attributes:
        root: the folder, without links on the way. is_new: whether it was made.

    Raises:
        DataError: it cannot be made or is not a folder; or the photos in it are arranged in another way.
    """

    def __init__(self, path: Path) -> None:
        self.root = path.expanduser().resolve()
        self.is_new = not self.root.exists()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _check(self.root)
            (self.root / TRASH).mkdir(exist_ok=True)
            if (self.root / TRASH).is_symlink():
                raise DataError(f"{show(path)}/{TRASH} is a link.\nExpected a folder. Move the link away.")
        except OSError as error:
            raise DataError(
                f"The studio cannot use {show(path)}: {error.strerror}.\nExpected a folder that can be written to."
            ) from error

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.root.name

    def sweep(self) -> None:
        """Remove what a studio that was killed had not finished; call it while no other studio has the folder."""
        shutil.rmtree(self.root / TRASH / UNPACKING, ignore_errors=True)
        for folder, _, _ in os.walk(self.root / TRASH):
            atomic.sweep(Path(folder), 0)

    def at(self, path: str) -> Path:
        """The whole path."""
        return self.root / path

    def classes(self) -> set[str]:
        """Names of the class folders."""
        return {entry.name for entry in _entries(self.root) if entry.is_dir(follow_symlinks=False)}

    def photos(self) -> dict[str, Stamp]:
        """The files in the class folders that look like photos."""
        found: dict[str, Stamp] = {}
        for name in self.classes():
            for path, info in _below(self.root / name, name):
                if looks_like_photo(str(self.root / path)):
                    found[path] = (info.st_size, info.st_mtime_ns)
        return found

    def left_out(self) -> dict[str, str]:
        """Files that are not used, and why: links, and photos outside of the class folders."""
        found = {entry.name: "a link: it may lead out of the folder" for entry in _links(self.root)}
        for entry in _entries(self.root):
            if entry.is_file(follow_symlinks=False) and looks_like_photo(entry.path):
                found[entry.name] = "it is in no class folder"
        for name in self.classes():
            for folder, _, _ in os.walk(self.root / name):
                inside = os.path.relpath(folder, self.root).replace(os.sep, "/")
                for entry in _links(Path(folder)):
                    found[f"{inside}/{entry.name}"] = "a link: it may lead out of the folder"
        return found

    def stamp(self, path: str) -> Stamp:
        """Size and time of a file; zeros if it is gone."""
        try:
            info = os.lstat(self.at(path))
        except OSError:
            return 0, 0
        return info.st_size, info.st_mtime_ns

    def free(self, path: str, taken: Collection[str] = ()) -> str:
        """The path, or one with `-2`, `-3` and so on before the file name extension, that nothing has yet."""
        stem, extension = os.path.splitext(path)
        number, found = 1, path
        while found in taken or os.path.lexists(self.at(found)):
            number += 1
            found = f"{stem}-{number}{extension}"
        return found

    def keep(self, content: bytes, room: str, name: str) -> str:
        """Write a photo, whole or not at all, into a folder of the trash, from where it is moved to its class.

        Args:
            content: its bytes. room: the folder, of one thread alone. name: for the file.
        """
        self.at(f"{TRASH}/{room}").mkdir(parents=True, exist_ok=True)
        path = self.free(f"{TRASH}/{room}/{name}")
        atomic.write(self.at(path), content)
        return path

    def change(self, change: Change) -> None:
        """Make a change.

        Raises:
            OSError: it is not possible; nothing has changed. Nothing is ever overwritten.
        """
        path = self.at(change.path)
        if change.kind == "make":
            path.mkdir()
        elif change.kind == "unmake":
            path.rmdir()
        else:
            to = self.at(change.to)
            if os.path.lexists(to):
                raise FileExistsError(f"there is another {change.to} by now")
            to.parent.mkdir(parents=True, exist_ok=True)
            path.rename(to)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if it cannot be read."""
    try:
        with os.scandir(folder) as inside:
            return [entry for entry in inside if not is_noise(entry.name)]
    except OSError:
        return []


def _links(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(folder) if entry.is_symlink()]


def _below(folder: Path, path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The files in and below a folder, links left out."""
    for entry in _entries(folder):
        inner = f"{path}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), inner)
        elif entry.is_file(follow_symlinks=False):
            try:
                yield inner, entry.stat(follow_symlinks=False)
            except OSError:
                continue  # it is gone by now


def _check(root: Path) -> None:
    """Refuse a folder whose class folders are not directly in it, with a sentence that says where they are."""
    if (root / "headstart.json").is_file():
        raise DataError(
            f"{show(root)} is a saved classifier.\nExpected a folder of photos, with a folder for each class."
        )
    try:
        found = layout.understand(os.fspath(root))
    except LayoutError as error:
        if error.ways and any(entry.is_dir() and layout.part_of(entry.name) for entry in _entries(root)):
            raise
        return  # no photos yet
    if found.test is not None:
        inner = os.path.dirname(found.train[0][1].path)
        raise DataError(
            f"{show(root)} has photos to train on and photos to measure on.\nThe studio shows one set of classes, and "
            f"measures by cross-validation. Give it one of the folders: headstart studio {show(inner)}"
        )
    inner = os.path.dirname(found.train[0][1].path)
    if os.path.realpath(inner) != os.fspath(root):
        raise DataError(
            f"The class folders are not directly in {show(root)}.\nGive the folder that they are in: headstart studio "
            f"{show(inner)}"
        )
