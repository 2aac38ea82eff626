"""The parts of a running studio."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from headstart.apps.studio.events import Stream
from headstart.apps.studio.folder import Folder
from headstart.apps.studio.learning import Learnt, Trainer
from headstart.apps.studio.pictures import Pictures
from headstart.apps.studio.project import Project
from headstart.apps.studio.reading import Reader
from headstart.errors import DataError
from headstart.features.store import Store
from headstart.heads import power
from headstart.heads.head import unit_length
from headstart.photos import images
from headstart.photos.formats import sniff

#: Training photos that are shown beside an answer.
_NEAREST = 3


class NoClassifierError(DataError):
    """There is no classifier yet, or no longer."""


class Studio:
    """A folder, its photos and its classifier, kept up to date by two threads.

    Args:
        path: of the folder. handle: of the backbone.
    """

    def __init__(self, path: Path, handle: str) -> None:
        self.folder = Folder(path)
        self.store = Store()
        self.stream = Stream()
        self.project = Project(self.folder, self.stream)
        self.pictures = Pictures(self.project)
        self.reader = Reader(self.project, self.store, handle)
        self.trainer = Trainer(self.project, self.reader)
        self.project.changed = self._changed

    def start(self) -> None:
        """Begin to read the photos and to train."""
        self.reader.start()
        self.trainer.start()

    def stop(self) -> None:
        """End the threads and all streams."""
        self.stream.close()
        self.reader.stop()
        self.trainer.stop()

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        with self.project.lock:
            return {
                **self.project.state(),
                "training": self.trainer.training,
                "work": self.reader.work,
                "backbone": self.reader.handle,
                "backbones": [{"handle": self.reader.handle, "name": self.reader.handle}],
                "lan": None,
            }

    def learnt(self) -> Learnt:
        """The latest classifier.

        Raises:
            NoClassifierError: there is none.
        """
        learnt = self.trainer.learnt
        if learnt is None:
            raise NoClassifierError(
                "There is no classifier yet.\nExpected two classes of at least two photos. Add photos first."
            )
        return learnt

    def predict(self, data: bytes) -> dict[str, Any]:
        """What the classifier sees in a photo.

        Raises:
            NoClassifierError: there is none. PhotoError: the photo cannot be used.
        """
        started = time.perf_counter()
        learnt = self.learnt()
        classifier = learnt.classifier
        sniff(data[:32])
        vectors = classifier.backbone.embed(images.decode(data, classifier.card.view)[None])
        power.normalise(vectors)
        probabilities = classifier.head.predict_proba(vectors)[0]
        order = np.argsort(-probabilities, kind="stable").tolist()
        cosines = (unit_length(vectors) @ learnt.unit.T)[0]
        near = np.argsort(-cosines, kind="stable")[:_NEAREST].tolist()
        unknown = classifier.known is not None and bool(classifier.known.look(vectors).unknown[0])
        return {
            "label": classifier.classes[order[0]],
            "unknown": unknown,
            "why": "It is unlike all photos of the classes." if unknown else "",
            "scores": [{"label": classifier.classes[i], "score": float(probabilities[i])} for i in order],
            "nearest": [
                {
                    "id": learnt.photos[i].id,
                    "label": learnt.photos[i].label,
                    "distance": float(np.clip(1 - cosines[i], 0, 1)),
                }
                for i in near
            ],
            "milliseconds": round(1000 * (time.perf_counter() - started)),
        }

    def _changed(self) -> None:
        self.reader.wake()
        self.trainer.wake()
