"""Input ranges found by a probe, kept by the hash of the weights, so that they still apply when the file is moved.

HEADSTART_HOME/
  feeds/<weights hash>.json     the input range and how it was found
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.backbones.ranges import feeds
from headstart.disk import atomic
from headstart.disk.home import home
from headstart.errors import BackboneError
from headstart.safety import untrusted


def recall(weights: str) -> feeds.Feed | None:
    """The input range kept for these weights; None if there is none.

    Raises:
        BackboneError: the file is damaged.
    """
    path = _path(weights)
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text("utf-8"))["feed"]
        read = untrusted.fields({name: kept[name] for name in feeds.FIELDS}, feeds.FIELDS)
        return feeds.Feed(**read, origin="probe")
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise BackboneError(
            f"The kept input range {path} cannot be read: {error}.\nRemove it and run headstart backbones probe again."
        ) from error


def keep(weights: str, feed: feeds.Feed, found: dict[str, Any]) -> Path:
    """Keep an input range for these weights, and return the path of the file; `found` describes how it was found.

    Raises:
        BackboneError: the file cannot be written.
    """
    path = _path(weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps({"feed": asdict(feed), "found": found}, indent=2) + "\n")
    except OSError as error:
        raise BackboneError(
            f"The input range cannot be saved in {path}: {error.strerror}.\nSet HEADSTART_HOME to a writable folder, "
            "or pass --input-range each time."
        ) from error
    return path


def _path(weights: str) -> Path:
    return home() / "feeds" / f"{weights}.json"
