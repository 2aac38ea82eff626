"""The cache of the `tensorflow_hub` library, used as found and never changed.

A module is in the folder named by the SHA-1 of its handle; beside it stand `<sha1>.descriptor.txt` and, while it is
downloaded, `<sha1>.lock`. The folder is `TFHUB_CACHE_DIR`, else `tfhub_modules` in the system's temporary folder.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from headstart.backbones.fetch.contents import is_complete
from headstart.backbones.fetch.handles import Handle


def find(handle: Handle) -> Path | None:
    """The folder of a module that is there and complete, else None; the library's names depend on every character."""
    import tempfile

    chosen = os.environ.get("TFHUB_CACHE_DIR")
    cache = Path(chosen).expanduser() if chosen else Path(tempfile.gettempdir()) / "tfhub_modules"
    for text in dict.fromkeys((handle.typed, handle.typed.strip(), str(handle), f"{handle}/")):
        folder = cache / hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        if is_complete(folder) and (chosen or _is_ours(folder)) and not _is_unfinished(folder):
            return folder
    return None


def _is_unfinished(folder: Path) -> bool:
    described = folder.with_name(folder.name + ".descriptor.txt").exists()
    return not described and folder.with_name(folder.name + ".lock").exists()


def _is_ours(folder: Path) -> bool:
    """Whether this user or the administrator put it there: others may write to the folder for temporary files."""
    return os.name == "nt" or folder.stat().st_uid in (os.geteuid(), 0)
