"""Where headstart keeps its files and what they are, and whether it may use the internet."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

#: Everything that is kept in the folder, by its name there; for people.
PARTS = {
    "vectors": "feature vectors",
    "paths": "which photos are known",
    "networks": "downloaded models",
    "converted": "models converted to another format",
    "compiled": "compiled graphs of models",
    "tried": "what was found in models' files",
    "feeds": "input ranges that were found out",
    "samples": "locks of downloads",
    "measured": "which photos classifiers were measured on",
    "unpacked": "photos unpacked from archives",
}


def home() -> Path:
    """The folder of everything that headstart keeps: `HEADSTART_HOME`, else the user's cache folder."""
    chosen = os.environ.get("HEADSTART_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("headstart", appauthor=False))


def size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 if there is none."""
    total = 0
    for current, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # another process' temporary file
                info = os.stat(os.path.join(current, name))
                total += info.st_size if stat.S_ISREG(info.st_mode) else 0
    return total


def contents() -> dict[str, int]:
    """Bytes of each of `PARTS` that is there, and of everything else in the folder, called `other`."""
    found: dict[str, int] = {}
    with suppress(FileNotFoundError):
        for entry in home().iterdir():
            name = entry.name if entry.name in PARTS else "other"
            found[name] = found.get(name, 0) + (size(entry) if entry.is_dir() else entry.lstat().st_size)
    return found


def remove_all() -> None:
    """Remove everything that headstart put into its folder, and the folder if nothing else is in it.

    Raises:
        OSError: it cannot be removed.
    """
    for name in PARTS:
        path = home() / name
        with suppress(FileNotFoundError):
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
    with suppress(OSError):  # it holds something else, or was never made
        home().rmdir()


def offline() -> bool:
    """Whether `HEADSTART_OFFLINE` forbids use of the internet."""
    return os.environ.get("HEADSTART_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}
