"""What is doubtful about the photos: labels, copies, photos that show little. Looked for when the page asks."""

from __future__ import annotations

import json
import threading
from typing import Any

from headstart.apps.studio.folder import TRASH
from headstart.apps.studio.photo import Photo
from headstart.apps.studio.project import Project
from headstart.apps.studio.reading import Reader, features_of
from headstart.classifier.checked import Check
from headstart.classifier.checking import looked_over
from headstart.disk import atomic
from headstart.photos.sources import PhotoSet, Source
from headstart.progress import Silent
from headstart.safety import untrusted

#: Findings of each kind that are shown.
_MOST = 200
_LOOKS = {
    "tiny": "very small",
    "dark": "very dark",
    "blank": "shows next to nothing",
    "blurred": "blurred",
}


class Findings:
    """Looks over the photos, and remembers what the user does not agree with.

    Args:
        project: whose photos. reader: has their features.
    """

    def __init__(self, project: Project, reader: Reader) -> None:
        self._project, self._reader = project, reader
        self._lock = threading.Lock()
        self._seen: tuple[object, Check] | None = None
        self._file = project.folder.at(f"{TRASH}/kept.json")
        self._kept: set[str] = set()
        try:
            self._kept = set(_KEPT(json.loads(untrusted.read_bytes(self._file, 2**24))))
        except (OSError, ValueError, RecursionError):
            return

    def to_json(self) -> dict[str, Any]:
        """What was found and not put aside, for the page."""
        with self._lock:  # one look at a time
            photos = [photo for photo in self._project.shown() if photo.vector is not None]
            at = {str(self._project.folder.at(photo.path)): photo for photo in photos}
            found = self._look(photos)
        unusable = [photo for photo in self._project.shown() if photo.reason]
        return {
            "labels": self._labels(found, at)[:_MOST],
            "copies": self._copies(found, at)[:_MOST],
            "unusable": [
                *({"id": one.id, "name": one.path, "reason": one.reason} for one in unusable),
                *({"name": name, "reason": why} for name, why in self._project.folder.left_out().items()),
            ],
            "looks": self._looks(found, at)[:_MOST],
        }

    def keep(self, photos: list[Photo]) -> None:
        """Put aside what was found of a photo, or of several as copies of each other: it is right as it is."""
        with self._lock:
            self._kept.add(_mark("photo", *photos) if len(photos) == 1 else _mark("copies", *photos))
            atomic.write(self._file, json.dumps(sorted(self._kept)))

    def _labels(self, found: Check | None, at: dict[str, Photo]) -> list[dict[str, Any]]:
        if found is None or found.suspicious is None:
            return []
        return [
            {
                "id": at[one.path].id,
                "label": one.label,
                "suggested": one.suggested,
                "score": round(one.wrong_probability, 2),
                "because": f"To a classifier that has not seen it, it looks like {one.suggested}.",
                "like": [at[path].id for path in one.like_suggested if path in at],
            }
            for one in found.suspicious.listed
            if one.path in at and _mark("photo", at[one.path]) not in self._kept
        ]

    def _copies(self, found: Check | None, at: dict[str, Photo]) -> list[list[str]]:
        groups = [
            [at[one.path] for one in group.members if one.path in at] for group in (found.copies if found else ())
        ]
        return [
            [photo.id for photo in group]
            for group in groups
            if len(group) > 1 and _mark("copies", *group) not in self._kept
        ]

    def _looks(self, found: Check | None, at: dict[str, Photo]) -> list[dict[str, str]]:
        if found is None:
            return []
        odd = {one.path: "unlike the others of its class" for one in found.unlike}
        odd |= {one.path: _LOOKS[one.fault] for one in found.poor}
        return [
            {"id": at[path].id, "what": what}
            for path, what in odd.items()
            if path in at and _mark("photo", at[path]) not in self._kept
        ]

    def _look(self, photos: list[Photo]) -> Check | None:
        """Look over the photos unless they are the same as before."""
        backbone = self._reader.backbone
        if backbone is None or len({photo.label for photo in photos}) < 2:
            return None
        features, labels = features_of(self._project, photos)
        key = (backbone.card.key, features.paths, features.hashes.tobytes())
        if self._seen is None or self._seen[0] != key:
            source = Source(PhotoSet(features.paths, labels), None)
            name, handle = self._project.folder.name, backbone.card.handle
            self._seen = key, looked_over(source, features, name, handle, self._reader.store, Silent())
        return self._seen[1]


def _mark(what: str, *photos: Photo) -> str:
    """A word for photos that stays the same after a restart, and changes with their classes."""
    return " ".join([what, *sorted(f"{photo.digest.hex()}/{photo.label}" for photo in photos)])


_KEPT = untrusted.many(untrusted.text(10**6), 0, 10**5)
