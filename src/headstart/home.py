"""Where headstart keeps things: one folder, `HEADSTART_HOME` or the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder of everything that headstart keeps: `HEADSTART_HOME`, else the user's cache folder."""
    chosen = os.environ.get("HEADSTART_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("headstart", appauthor=False))
