"""Which photos a classifier was measured on, kept on this machine: bundles are sent, and paths would show folders."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.disk import atomic

if TYPE_CHECKING:
    from headstart.classifier.classifier import Classifier

#: At most this many photos are remembered, spread evenly over all.
MOST = 500


def spread(count: int, most: int = MOST) -> list[int]:
    """Positions of at most `most` of `count` things, evenly spread."""
    return [i * count // most for i in range(most)] if count > most else list(range(count))


def remember(classifier: Classifier, paths: Sequence[str]) -> None:
    """Keep the paths of photos that a classifier was measured on; a full disk only means that they are not known."""
    found = [os.path.abspath(paths[i]) for i in spread(len(paths))]
    target = _file(classifier)
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(target, json.dumps(found), lasting=False)


def recall(classifier: Classifier) -> list[str]:
    """The paths that `remember` kept and that still exist; none if they are not known."""
    try:
        paths = json.loads(_file(classifier).read_bytes())
    except (OSError, ValueError):
        return []
    known = isinstance(paths, list) and all(isinstance(path, str) for path in paths)
    return [path for path in paths if os.path.isfile(path)] if known else []


def _file(classifier: Classifier) -> Path:
    """Named after what the classifier is, so that a renamed or copied bundle finds it."""
    return classifier.store.folder / "measured" / f"{classifier.id}.json"
