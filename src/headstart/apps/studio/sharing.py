"""What can be taken along from the studio: the report, the saved classifier, exports for other runtimes."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.apps.studio.jobs import Job
from headstart.apps.studio.learning import Learnt, curve_for
from headstart.classifier.trained import Training, TrainingSeconds, Work
from headstart.errors import DataError
from headstart.export.known import FORMATS
from headstart.report import html

#: Exports that are kept until they are fetched.
_MOST_KEPT = 5


class Sharing:
    """Makes files of a classifier; those of exports are kept in a temporary folder until the studio ends.

    Args:
        folder: name of the studio's folder, after which the files are called.
    """

    def __init__(self, folder: str) -> None:
        self.name = re.sub(r"[^\w.-]+", "-", folder).strip("-.") or "classifier"
        self._kept: dict[str, Path] = {}
        self._room = Path(tempfile.mkdtemp(prefix="headstart-studio-"))

    def close(self) -> None:
        """Remove all exports."""
        shutil.rmtree(self._room, ignore_errors=True)

    def report(self, learnt: Learnt, source: str) -> str:
        """The report of the latest training as one HTML file, without paths of this machine."""
        return html.of_training(training_of(learnt, source))

    def bundle(self, learnt: Learnt) -> Path:
        """The saved classifier as a zip; the caller removes it."""
        with self._folder() as room:
            learnt.classifier.save(room / self.name)
            return self._zipped(room, Path(tempfile.mkstemp(".zip", dir=self._room)[1]))

    def export(self, learnt: Learnt, form: str, job: Job) -> dict[str, Any]:
        """Write the classifier in a format, prove it, and keep it as a zip; the result for the page.

        Raises:
            ExportError: it cannot be written, or does not give the classifier's answers.
        """
        with self._folder() as room:
            photos = list(learnt.trial.measured.answers.paths)
            exported = learnt.classifier.export(room / f"{self.name}-{form}", form, photos=photos, progress=job)
            target = self._room / job.id / f"{self.name}-{form}.zip"
            target.parent.mkdir()
            self._kept[job.id] = self._zipped(room, target)
        for id in list(self._kept)[:-_MOST_KEPT]:
            self._kept.pop(id).unlink()
        return {
            "url": f"/download/export/{job.id}.zip",
            "name": f"{self.name}-{form}.zip",
            "notes": list(exported.to_json()["notes"]),
        }

    def exported(self, id: str) -> Path:
        """The zip of an export.

        Raises:
            DataError: there is none, or no longer.
        """
        if id not in self._kept:
            raise DataError("This export is no longer there.\nExport it again.")
        return self._kept[id]

    def offer(self) -> dict[str, Any]:
        """How the classifier can be taken along, for the page."""
        return {
            "name": self.name,
            "serve": f"headstart serve {shlex.quote(self.name)}",
            "formats": [
                {
                    "name": one.name,
                    "what": f"{one.title}: {one.runs_on}",
                    "possible": not one.unwritable,
                    "why_not": one.unwritable,
                    "note": one.unproven,
                }
                for one in FORMATS.values()
            ],
        }

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._room) as room:
            yield Path(room)

    def _zipped(self, room: Path, target: Path) -> Path:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for path in sorted(room.rglob("*")):
                packed.write(path, path.relative_to(room))
        return target


def training_of(learnt: Learnt, source: str) -> Training:
    """The training as `headstart.train` returns it."""
    trial = learnt.trial
    seconds = trial.head_seconds + trial.evaluate_seconds
    return Training(
        trial=trial,
        source=source,
        fraction=1.0,
        started=time.time(),
        model=None,
        work=Work(0, len(trial.data.train.labels), None),
        seconds=TrainingSeconds(0.0, 0.0, trial.head_seconds, trial.evaluate_seconds, None, seconds),
        learning_curve=learnt.curve or curve_for(learnt),
    )
