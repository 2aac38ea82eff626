"""Which of the downloaded files is the model."""

from __future__ import annotations

from pathlib import Path

from headstart.backbones.formats import EXTENSIONS, SAVED_MODEL
from headstart.disk.archive import ArchiveError


def find_model(folder: Path) -> str:
    """The path of the only model in a folder, below it, with `/`; `.` if the folder itself is a SavedModel.

    Raises:
        ArchiveError: there is no model in a known format, or more than one.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(folder)))
    models = {path.parent for path in files if path.name in SAVED_MODEL}
    alone = [
        path
        for path in files
        if path.suffix.lower() in EXTENSIONS
        and not any(model in path.parents for model in models)
        and (path.suffix.lower() != ".xml" or path.with_suffix(".bin").is_file())
    ]
    found = sorted(path.relative_to(folder).as_posix() for path in (*models, *alone))
    if len(found) == 1:
        return found[0]
    expected = f"saved_model.pb or one file that ends in {', '.join(EXTENSIONS)}"
    if found:
        raise ArchiveError(f"holds {len(found)} models ({shorten(found)})\nExpected one: {expected}")
    names = [path.relative_to(folder).as_posix() for path in files]
    raise ArchiveError(f"holds no model of a known format, but {shorten(names)}\nExpected {expected}")


def admit(folder: Path) -> None:
    """Check files that a library unpacked: only plain files and folders are allowed.

    Raises:
        ArchiveError: there are links or devices.
    """
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArchiveError(f"has a link or a device, which is not allowed: {path.name[:100]!a}")


def files_in(folder: Path) -> list[str]:
    """The paths of all files in a folder and its folders, below it, with `/`, sorted."""
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


def is_complete(folder: Path) -> bool:
    """Whether a SavedModel in another program's cache is complete.

    Temporary folders lose single files; the names of the variables' parts contain their number.
    """
    if not any((folder / name).is_file() for name in SAVED_MODEL):
        return False
    parts = [path.name for path in (folder / "variables").glob("variables.*")]
    if not parts:
        return True
    data = [name for name in parts if name.startswith("variables.data-")]
    count = data[0].rpartition("-of-")[2] if data else ""
    return "variables.index" in parts and count.isdigit() and len(data) == int(count)


def shorten(names: list[str], most: int = 5) -> str:
    """The first few names, and how many more."""
    shown = ", ".join(names[:most]) or "nothing"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)
