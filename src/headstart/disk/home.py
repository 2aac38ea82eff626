"""Settings from environment variables: where headstart keeps its files, and whether it may use the internet."""

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


def offline() -> bool:
    """Whether `HEADSTART_OFFLINE` forbids use of the internet."""
    return os.environ.get("HEADSTART_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}
