"""The parts of a running studio, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.apps.studio.afterthoughts import Afterthoughts
from headstart.apps.studio.comparing import compared
from headstart.apps.studio.events import Stream
from headstart.apps.studio.findings import Findings
from headstart.apps.studio.folder import Folder
from headstart.apps.studio.jobs import Jobs
from headstart.apps.studio.learning import Learnt, Trainer
from headstart.apps.studio.map import project as plane
from headstart.apps.studio.phones import Phones
from headstart.apps.studio.pictures import Pictures
from headstart.apps.studio.predicting import Predictor
from headstart.apps.studio.project import Project
from headstart.apps.studio.reading import Reader, features_of
from headstart.apps.studio.sharing import Sharing
from headstart.backbones.card import short_name
from headstart.errors import BackboneError, DataError
from headstart.features.store import Store
from headstart.heads.head import unit_length


class NoClassifierError(DataError):
    """There is no classifier yet, or no longer."""


class Studio:
    """A folder, its photos and its classifier, kept up to date by threads.

    Args:
        path: of the folder.
        backbones: handles of those on this machine; the first is used until the page asks for another.
        address: of this machine in its network, for phones; empty: none may send photos.
    """

    def __init__(self, path: Path, backbones: Sequence[str], address: str = "") -> None:
        self.folder = Folder(path)
        self.store = Store()
        self.stream = Stream()
        self.project = Project(self.folder, self.stream)
        self.pictures = Pictures(self.project)
        self.reader = Reader(self.project, self.store, backbones[0])
        self.trainer = Trainer(self.project, self.reader)
        self.predictor = Predictor()
        self.findings = Findings(self.project, self.reader)
        self.jobs = Jobs(self.stream)
        self.sharing = Sharing(self.folder.name)
        self.phones = Phones(address)
        self._afterthoughts = Afterthoughts(self.trainer)
        self._backbones = list(dict.fromkeys(backbones))
        self.project.changed = self._changed

    def start(self) -> None:
        """Begin to read the photos and to train."""
        self.folder.sweep()
        self.reader.start()
        self.trainer.start()
        self._afterthoughts.start()

    def stop(self) -> None:
        """End the threads, jobs and streams; may be called twice."""
        self.stream.close()
        self.jobs.close()
        self._afterthoughts.stop()
        self.reader.stop()
        self.trainer.stop()
        self.predictor.close()
        self.sharing.close()

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        with self.project.lock:
            return {
                **self.project.state(),
                "training": self.trainer.training,
                "work": self.reader.work,
                "jobs": self.jobs.all(),
                "backbone": self.reader.handle,
                "backbones": [{"handle": one, "name": short_name(one)} for one in self._backbones],
                "lan": {"url": self.phones.address} if self.phones.address else None,
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

    def map(self) -> dict[str, Any]:
        """All photos with features as points of a plane."""
        photos = [photo for photo in self.project.shown() if photo.vector is not None]
        points = plane(unit_length(features_of(self.project, photos)[0].vectors)).round(4).tolist()
        return {"points": [[photo.id, *point] for photo, point in zip(photos, points, strict=True)]}

    def keep(self, ids: Sequence[str]) -> None:
        """Put aside what was found of photos: they are right as they are."""
        self.findings.keep([self.project.photo(id) for id in ids])

    def change_backbone(self, handle: str) -> None:
        """Use another backbone of those that are here.

        Raises:
            BackboneError: it is not.
        """
        self._check_here([handle])
        self.reader.change(handle)

    def compare(self, handles: Sequence[str]) -> str:
        """Begin to compare backbones of those that are here; returns the id of the job.

        Raises:
            BackboneError: one is not.
        """
        self._check_here(handles)
        return self.jobs.start("compare", lambda job: compared(self.project, handles, job))

    def export(self, form: str) -> str:
        """Begin to export the classifier; returns the id of the job.

        Raises:
            NoClassifierError: there is none.
        """
        learnt = self.learnt()
        return self.jobs.start("export", lambda job: self.sharing.export(learnt, form, job))

    def report(self) -> str:
        """The report of the latest training as one HTML file."""
        return self.sharing.report(self.learnt(), self.folder.name)

    def _check_here(self, handles: Sequence[str]) -> None:
        missing = [handle for handle in handles if handle not in self._backbones]
        if missing:
            raise BackboneError(
                f"{missing[0]} is not on this machine.\nExpected one that is: headstart backbones get {missing[0]}"
            )

    def _changed(self) -> None:
        self.reader.wake()
        self.trainer.wake()
