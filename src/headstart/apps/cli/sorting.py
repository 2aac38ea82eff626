"""Copies of photos in a folder for each class. Nothing is moved, changed or overwritten."""

from __future__ import annotations

import filecmp
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from headstart.apps.cli.console import Bar
from headstart.errors import DataError

#: Characters that the names of folders cannot have.
_FORBIDDEN = r'[<>:"/\\|?*\0]' if os.name == "nt" else r"[/\0]"


@dataclass(frozen=True)
class Sorted:
    """How many photos were copied, and how many copies were there already."""

    copied: int
    there: int


def check(target: Path, photos: Sequence[Path]) -> None:
    """Refuse, before the work, a folder whose photos would be sorted again by the next run.

    Raises:
        UsageError: the folder is inside a folder of the photos, or is a file.
    """
    if os.path.lexists(target) and not target.is_dir():
        raise click.UsageError(f"--copy-to {target}: expected a folder, received a file.")
    for folder in photos:
        if folder.is_dir() and Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder)):
            raise click.UsageError(
                f"--copy-to {target} is inside {folder}: the next run would take the copies for new photos. "
                "Expected a folder outside."
            )


def copy(paths: Iterable[str], classes: Sequence[str], target: Path, bar: Bar) -> Sorted:
    """Copy each photo into the folder of its class below `target`.

    Args:
        paths: of the photos.
        classes: the class of each photo.
        target: made if it is missing.
        bar: shows how far it is.

    Raises:
        DataError: a photo cannot be copied.
    """
    folders = {name: target / folder for name, folder in _folders(classes).items()}
    copied = 0
    for done, (path, label) in enumerate(zip(paths, classes, strict=True)):
        bar.copying(done, len(classes))
        try:
            folders[label].mkdir(parents=True, exist_ok=True)
            copied += _copy(path, folders[label])
        except OSError as error:
            raise DataError(
                f"{path} cannot be copied into {folders[label]}: {error.strerror}.\nThe other copies are complete; "
                "the same command continues."
            ) from error
    bar.copying(len(classes), len(classes))
    return Sorted(copied, len(classes) - copied)


def _folders(classes: Iterable[str]) -> dict[str, str]:
    """A name of a folder for each class, all different."""
    names: dict[str, str] = {}
    for label in sorted(set(classes)):
        plain = re.sub(_FORBIDDEN, "_", label)
        plain = "_" if plain in ("", ".", "..") else plain
        numbered = (plain if number == 1 else f"{plain} ({number})" for number in itertools.count(1))
        names[label] = next(name for name in numbered if name not in names.values())
    return names


def _copy(path: str, folder: Path) -> bool:
    """Copy a photo under a name that is not used; False if the same photo has a copy of this name there."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    for number in itertools.count(1):
        target = folder / (stem + suffix if number == 1 else f"{stem} ({number}){suffix}")
        if not os.path.lexists(target):
            break
        if target.is_file() and filecmp.cmp(path, target, shallow=False):
            return False
    new = folder / f".{secrets.token_hex(6)}.new"
    try:
        shutil.copy2(path, new)
        target.open("xb").close()  # the name is ours from here on
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)
    return True
