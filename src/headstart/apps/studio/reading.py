"""Computes the features of photos as they arrive, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart import backbones
from headstart.apps.studio.photo import Photo
from headstart.apps.studio.project import Project
from headstart.backbones.base import Backbone
from headstart.classifier.measuring import vectors_of
from headstart.features.extraction import Features
from headstart.features.store import Store
from headstart.progress import Silent
from headstart.safety.printable import show

#: Photos at a time: so many appear at once, and after so many the page hears of the progress.
_AT_ONCE = 32
#: Seconds after which the folder is looked at again, for files that others have put there.
LOOK_SECONDS = 3.0


class Reader(threading.Thread):
    """Keeps the features of all photos up to date with one backbone.

    Args:
        project: whose photos. store: keeps the features.

    Attributes:
        work: what is being done, for the page; None: nothing.
    """

    def __init__(self, project: Project, store: Store, handle: str) -> None:
        super().__init__(name="headstart-studio-reader", daemon=True)
        self.project, self.store = project, store
        self.work: dict[str, Any] | None = None
        self._handle = handle
        self._backbone: Backbone | None = None
        self._wake = threading.Event()
        self._stopped = False

    @property
    def handle(self) -> str:
        """Of the backbone whose features are used."""
        return self._handle

    @property
    def backbone(self) -> Backbone | None:
        """The backbone; None while it is being loaded."""
        return self._backbone

    def wake(self) -> None:
        """Look for photos to read now."""
        self._wake.set()

    def change(self, handle: str) -> None:
        """Use another backbone: the features of all photos are computed with it, or come from the store."""
        with self.project.lock:
            self._handle, self._backbone = handle, None
            for photo in self.project.shown():
                photo.vector, photo.predicted = None, ""
            self.project.were_read(self.project.shown())
        self.wake()

    def stop(self) -> None:
        """End the thread after the photos that it is reading."""
        self._stopped = True
        self.wake()

    def run(self) -> None:
        """Read what is waiting; look at the folder from time to time."""
        while not self._stopped:
            self._wake.clear()
            try:
                if self._backbone is None:
                    self._load()
                while not self._stopped and self._read_some():
                    pass
                self._show(None)
                if not self._wake.wait(LOOK_SECONDS):
                    self.project.look()
            except Exception as error:  # whatever it is: without this thread no photo would be read any more
                self._show(None)
                self.project.stream.trouble(error)
                self._wake.wait(10 * LOOK_SECONDS)

    def _load(self) -> None:
        handle = self._handle
        self._show({"what": "loading the model", "done": 0, "total": 0})
        backbone = backbones.load(handle, folder=self.store.compiled, progress=Silent())
        with self.project.lock:
            if handle == self._handle:
                self._backbone = backbone

    def _read_some(self) -> bool:
        """Read a few photos; False if none is waiting."""
        with self.project.lock:
            backbone, shown = self._backbone, self.project.shown()
            waiting = [photo for photo in shown if photo.is_waiting]
            some = waiting[-_AT_ONCE:]  # the newest first: whoever adds a photo waits for that one
            paths = [photo.path for photo in some]
        if not some or backbone is None:
            return False
        self._show({"what": "reading photos", "done": len(shown) - len(waiting), "total": len(shown)})
        features = vectors_of(
            backbone, [str(self.project.folder.at(path)) for path in paths], self.store, compared=True
        )
        with self.project.lock:
            if backbone is self._backbone:
                self._take(some, paths, features)
        return True

    def _take(self, photos: list[Photo], paths: list[str], features: Features) -> None:
        there = [photo.path == path for photo, path in zip(photos, paths, strict=True)]
        for row, vector, digest in zip(features.rows.tolist(), features.vectors, features.hashes.tolist(), strict=True):
            photos[row].vector, photos[row].digest = vector, digest
        reasons = {
            one.path: f"{one.reason}: {show(one.detail)}" if one.detail else one.reason for one in features.skipped
        }
        for photo, path, same in zip(photos, paths, there, strict=True):
            if same:  # else it was moved while it was read, and is read again
                photo.reason = reasons.get(str(self.project.folder.at(path)), "")
        self.project.were_read(photos)

    def _show(self, work: dict[str, Any] | None) -> None:
        with self.project.lock:
            if work != self.work:
                self.work = work
                self.project.stream.send("work", work=work)


def features_of(project: Project, photos: Sequence[Photo]) -> tuple[Features, tuple[str, ...]]:
    """The features of photos that have some, and the class of each."""
    with project.lock:
        found = [(photo, photo.vector) for photo in photos if photo.vector is not None]
        features = Features(
            paths=tuple(str(project.folder.at(photo.path)) for photo, _ in found),
            rows=np.arange(len(found)),
            vectors=np.stack([vector for _, vector in found]) if found else np.zeros((0, 1), np.float32),
            hashes=np.frombuffer(b"".join(photo.digest for photo, _ in found), "V32"),
            skipped=(),
            computed=0,
            from_store=len(found),
            damaged=0,
            seconds=0.0,
        )
        return features, tuple(photo.label for photo, _ in found)
