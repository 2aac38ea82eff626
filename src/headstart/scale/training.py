"""`train` on a folder of embedded photos: the job, from the look at all of them to the saved classifier."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbones.base import Backbone
from headstart.classifier import bundle, saved
from headstart.classifier.classifier import Classifier
from headstart.classifier.measuring import fingerprints, vectors_of
from headstart.errors import DataError, HeadError
from headstart.evaluation.leakage import Clean
from headstart.evaluation.metrics import Evaluation
from headstart.features.extraction import Features
from headstart.features.store import Store
from headstart.heads.head import HeadChoice
from headstart.photos.sources import find_files
from headstart.progress import Choice, standard
from headstart.safety.printable import counted, show
from headstart.scale.job import Folder, Job
from headstart.scale.learning import KINDS, Kind, Learned, learn, measure
from headstart.scale.mapping import Here, Mapper
from headstart.scale.parts import Part
from headstart.scale.places import Place
from headstart.scale.survey import Survey, survey
from headstart.scale.tally import Tally
from headstart.trust import blanks
from headstart.trust.unknown import RATE, Known, check_rate, learn_known

#: Above so many classes the confusion matrix is not saved: it would be hundreds of megabytes of JSON.
_MOST_SAVED = 1000


@dataclass(frozen=True)
class ShardTraining:
    """A classifier trained on embedded photos.

    Attributes:
        source: the folder. classifier: ready to predict. evaluation: how good it is.
        survey: the photos. model: folder in which it was saved, or None.
        seconds: of each step, and in all. command: how to run it again; empty: from Python.
    """

    source: str
    classifier: Classifier
    evaluation: Evaluation
    survey: Survey
    model: str | None
    seconds: dict[str, float]
    command: tuple[str, ...] = ()

    @property
    def train(self) -> int:
        """Number of photos trained on."""
        return int(self.survey.counts.sum())

    def to_json(self) -> dict[str, Any]:
        """The document of `headstart train`, see docs/json.md."""
        used = self.train + self.survey.tested
        return {
            "source": self.source,
            "command": list(self.command) or None,
            "model": self.model,
            "backbone": self.classifier.card.handle,
            "card": self.classifier.card.about(),
            "head": self.classifier.choice.to_json(),
            "seed": self.classifier.seed,
            "fraction": 1.0,
            "classes": list(self.classifier.classes),
            "photos": {
                "found": self.survey.found,
                "used": used,
                "skipped": self.survey.found - used,
                "reasons": self.survey.reasons,
                "files": None,
            },
            "train": self.train,
            "test": self.survey.tested or None,
            "evaluation": self.evaluation.to_json(),
            "views": None,
            "features": {"computed": 0, "from_store": used, "photos_per_second": None, "under_load": None},
            "learning_curve": None,
            "against": None,
            "seconds": self.seconds,
        }


def train(
    source: str | Path,
    *,
    output: str | Path | None = None,
    head: Kind = "lda",
    overwrite: bool = False,
    unknown_rate: float = RATE,
    mapper: Mapper | None = None,
    command: Sequence[str] = (),
    progress: Choice = None,
) -> ShardTraining:
    """Train a classifier on what `headstart embed --on` wrote, and measure it.

    It is measured on the photos of the test part; without one by cross-validation, each photo by a head that did not
    see it or its copies. Altered copies are not looked for.

    Args:
        source: the folder, on this disk or in an object store.
        output: folder to save the classifier in, on this disk; not saved if not given.
        head: `lda`, `ridge`, `centroid`, or `logistic`, which takes up to 60 passes over the files for a strength.
        overwrite: replace a classifier saved in `output`.
        unknown_rate: see `headstart.train`.
        mapper: runs the passes over the files; in this process if not given.
        command: how it was called, for the document.
        progress: see `headstart.train`.

    Raises:
        DataError: the folder holds no embedded photos, or too few of a class.
        BundleError: the classifier cannot be saved.
    """
    report, began = standard(progress), time.perf_counter()
    if output is not None:
        bundle.check_target(output, overwrite)
    check_rate(unknown_rate)
    if head not in KINDS:
        raise HeadError(
            f"The head {head} cannot be trained on embedded photos.\nExpected {', '.join(KINDS[:-1])} or {KINDS[-1]}, "
            "whose memory does not grow with the photos."
        )
    folder = Folder(Place(os.fspath(source)))
    job = folder.read()
    if job is None or job.task != "embed":
        raise DataError(
            f"{show(os.fspath(source))} holds no embedded photos.\nExpected a folder that `headstart embed PHOTOS -o "
            "FOLDER --on local` made."
        )
    mapper = mapper or Here()
    report.message("Reading classes and content hashes ...")
    found = survey(folder, job, mapper)
    scanned = time.perf_counter()
    for reason, count in found.reasons.items():
        report.caution(f"{counted(count, 'photo')} not used: {reason}.")
    report.message(f"{counted(len(found.classes), 'class')}, {counted(int(found.counts.sum()), 'photo')} to train on.")
    report.message(f"Training {head}, several passes over the files ...")
    learned = learn(folder, found, head, mapper)
    trained = time.perf_counter()
    report.message("Measuring ...")
    evaluation = _measured(folder, found, learned, mapper)
    measured = time.perf_counter()
    classifier = _classifier(job, found, learned, head, evaluation, unknown_rate)
    if output is not None:
        classifier.save(output, overwrite=overwrite)
    seconds = {"scan": scanned - began, "head": trained - scanned, "evaluate": measured - trained}
    model = None if output is None else str(output)
    seconds["total"] = time.perf_counter() - began
    return ShardTraining(os.fspath(source), classifier, evaluation, found, model, seconds, tuple(command))


def _measured(folder: Folder, found: Survey, learned: Learned, mapper: Mapper) -> Evaluation:
    heads = (learned.head,) if found.tested else learned.folds
    tally = Tally.empty(len(found.classes))
    for one in mapper.map(measure, folder, found, heads):
        tally.merge(one)
    return tally.evaluation(found.classes, "test set" if found.tested else "cross-validation", found.independent)


def _classifier(
    job: Job, found: Survey, learned: Learned, kind: Kind, evaluation: Evaluation, rate: float
) -> Classifier:
    store, backbone = Store(), job.open()
    about = evaluation.to_json()
    for name in ("mistakes", "reliability", *(["confusion"] if len(found.classes) > _MOST_SAVED else [])):
        del about[name]  # paths would show their owner's folders to others
    facts = saved.TrainingFacts(int(found.counts.sum()), found.tested or None, None, about)
    sample = _features(learned.sample)
    known = _known(sample, learned.sample, found, backbone, store, rate) if rate else None
    return Classifier(
        backbone,
        learned.head,
        found.classes,
        HeadChoice(kind, learned.strength),
        0,
        fingerprints(sample.hashes),
        facts,
        store,
        known=known,
    )


def _features(sample: Part) -> Features:
    return Features(
        paths=tuple(sample.paths),
        rows=np.arange(len(sample.paths)),
        vectors=sample.vectors,
        hashes=np.frombuffer(b"".join(sample.hashes), "V32"),
        skipped=(),
        computed=0,
        from_store=len(sample.paths),
        damaged=0,
        seconds=0.0,
    )


def _known(features: Features, sample: Part, found: Survey, backbone: Backbone, store: Store, rate: float) -> Known:
    labels = tuple(found.classes[i] for i in sample.labels.tolist())
    empty = vectors_of(backbone, find_files(blanks.pictures()), store).vectors
    return learn_known(Clean(features, labels, sample.prints.view("V8")), empty, rate)
