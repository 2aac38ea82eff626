"""What a probe found out about networks, kept by the hash of their weights: it follows a file that is moved.

HEADSTART_HOME/
  feeds/<weights hash>.json     the input range, and who found it how
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.backbones.hints import Feed
from headstart.disk import atomic
from headstart.disk.home import home
from headstart.errors import BackboneError


def recall(weights: str) -> Feed | None:
    """The input range that was found for these weights, if one was.

    Raises:
        BackboneError: there is a file, and it is damaged.
    """
    path = _path(weights)
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))["feed"]
        mean, scale = (tuple(float(x) for x in found[name]) for name in ("mean", "scale"))
        if len(mean) != 3 or len(scale) != 3 or found["channels"] not in ("RGB", "BGR") or 0 in scale:
            raise ValueError("three means, three scales other than 0 and an order are needed")
        return Feed(mean, scale, found["channels"], "probe")
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise BackboneError(
            f"The kept input range {path} cannot be read: {error}.\nRemove it and run headstart backbones probe again."
        ) from error


def keep(weights: str, feed: Feed, found: dict[str, Any]) -> Path:
    """Keep an input range for these weights.

    Args:
        weights: their hash.
        feed: the range.
        found: how it was found, for people; JSON can hold it.

    Returns:
        The file.

    Raises:
        BackboneError: it cannot be written.
    """
    path = _path(weights)
    text = json.dumps({"feed": asdict(feed), "found": found}, indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, text + "\n")
    except OSError as error:
        raise BackboneError(
            f"The input range cannot be kept in {path}: {error.strerror}.\nSet HEADSTART_HOME to a folder that can "
            "be written, or say --input-range each time."
        ) from error
    return path


def _path(weights: str) -> Path:
    return home() / "feeds" / f"{weights}.json"
