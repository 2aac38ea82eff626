"""Trains the head anew after every change and measures it, in a thread of its own; the newest change wins."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.apps.studio.events import reason
from headstart.apps.studio.photo import Photo
from headstart.apps.studio.project import Project
from headstart.apps.studio.reading import Reader, features_of
from headstart.backbones.base import Backbone
from headstart.classifier.classifier import Classifier
from headstart.classifier.training import blank_vectors
from headstart.classifier.trial import Data, Trial, curve_of, learn
from headstart.evaluation.intervals import accuracy_interval
from headstart.evaluation.leakage import Clean, distinct, joined, without_classes, without_conflicts
from headstart.evaluation.learning_curve.curve import LearningCurve, Point
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Skipped
from headstart.heads.head import Vectors, unit_length
from headstart.photos.checks import LEAST
from headstart.trust.unknown import learn_known

#: While photos are still being read: seconds between two trainings, and how often as long as the last one took.
_PAUSE, _TIMES = 2.0, 4.0
#: Of the cross-validation: more would make the figures hardly steadier, and the page slower.
REPEATS = 3
NOTHING: dict[str, Any] = {"state": "none", "why": "two classes of two photos are needed"}


@dataclass(frozen=True)
class Learnt:
    """A trained classifier, and the photos that it learned from.

    Attributes:
        trial: the classifier, measured.
        photos: that it was trained on, in the order of its vectors.
        unit: float32 `(n, dim)`, their vectors, of length 1.
        seconds: that training and measuring took.
        curve: accuracy against photos per class; None: not followed yet.
    """

    trial: Trial
    photos: tuple[Photo, ...]
    unit: Vectors
    seconds: float
    curve: LearningCurve | None = None

    @property
    def classifier(self) -> Classifier:
        """Ready to predict."""
        return self.trial.classifier


class Trainer(threading.Thread):
    """Keeps a classifier up to date with the photos.

    Args:
        project: whose photos. reader: computes their features.

    Attributes:
        learnt: the latest classifier; None: none yet.
        training: what the page shows of it.
        groups: content hash of photos -> a key, equal for near copies and bursts, as far as they were looked for.
    """

    def __init__(self, project: Project, reader: Reader) -> None:
        super().__init__(name="headstart-studio-trainer", daemon=True)
        self.project, self.reader = project, reader
        self.learnt: Learnt | None = None
        self.training: dict[str, Any] = NOTHING
        self.groups: dict[bytes, bytes] = {}
        self._wake = threading.Event()
        self._stopped = False

    def wake(self) -> None:
        """Train again: something has changed."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread after the training that it is at."""
        self._stopped = True
        self.wake()

    def run(self) -> None:
        """Train whenever something has changed."""
        waiting, latest, pause = False, 0.0, _PAUSE
        while not self._stopped:
            self._wake.wait()
            self._wake.clear()
            with self.project.lock:
                shown, backbone = self.project.shown(), self.reader.backbone
            if backbone is None or self._stopped:
                continue
            were_waiting, waiting = waiting, any(photo.is_waiting for photo in shown)
            if waiting and not were_waiting:
                latest = time.monotonic()
            if waiting and time.monotonic() - latest < pause:
                continue  # the reader wakes this thread again
            started = time.monotonic()
            try:
                self._train(backbone, shown)
            except Exception as error:  # whatever it is: without this thread there would be no training any more
                self._show({"state": "impossible", "why": reason(error)}, None)
            latest = time.monotonic()
            pause = max(_PAUSE, _TIMES * (latest - started))

    def _train(self, backbone: Backbone, shown: list[Photo]) -> None:
        photos = [photo for photo in shown if photo.vector is not None]
        started = time.perf_counter()
        clean, used = self._clean(photos)
        if self.reader.backbone is not backbone:  # the vectors may be another's
            return
        if len(clean.classes) < 2:
            if not any(photo.is_waiting for photo in shown):
                self._show(NOTHING, None)
            return
        before = self.training if "accuracy" in self.training else {"why": ""}
        self._show({**before, "state": "running"}, self.learnt)
        counts = PhotoCounts(len(shown), tuple(Skipped(one.path, one.reason) for one in shown if one.reason))
        trial = learn(backbone, self.reader.store, "logistic", 0, Data(clean, None, counts), repeats=REPEATS)
        seconds = time.perf_counter() - started
        known = learn_known(clean, blank_vectors(backbone, self.reader.store))
        trial = replace(trial, classifier=replace(trial.classifier, known=known))
        learnt = Learnt(trial, tuple(used), unit_length(clean.features.vectors), seconds)
        self._judge(learnt)
        self._show(_to_json(learnt, self.training), learnt)

    def _clean(self, photos: list[Photo]) -> tuple[Clean, list[Photo]]:
        """The photos that can be learned from, without those of two labels and of classes that are too small."""
        clean = self._grouped(without_conflicts(*features_of(self.project, photos)))
        counts = distinct(clean)
        small = [name for name in clean.classes if counts[name] < LEAST]
        clean = without_classes(clean, small) if small else clean
        return clean, [photos[i] for i in clean.features.rows.tolist()]

    def _grouped(self, clean: Clean) -> Clean:
        """Near copies of one class are kept together, as far as they are known; never so that a class vanishes."""
        first: dict[tuple[str, bytes], int] = {}
        links = []
        for row, digest in enumerate(clean.features.hashes.tolist()):
            if digest in self.groups:
                links.append((first.setdefault((clean.labels[row], self.groups[digest]), row), row))
        before, after = distinct(clean), distinct(joined(clean, links))
        alone = {name for name, count in after.items() if count < LEAST <= before[name]}
        return joined(clean, [link for link in links if clean.labels[link[0]] not in alone])

    def _judge(self, learnt: Learnt) -> None:
        """Write on each photo what the heads that did not see it think of it."""
        measured = learnt.trial.measured
        classes = learnt.classifier.classes
        own = measured.probabilities[np.arange(len(measured.labels)), measured.labels]
        best = measured.probabilities.argmax(axis=1)
        changed = []
        with self.project.lock:
            for i, photo in enumerate(learnt.photos):
                found = (
                    classes[int(best[i])],
                    round(float(measured.probabilities[i, best[i]]), 2),
                    round(1 - float(own[i]), 2),
                )
                same = photo.label == classes[int(measured.labels[i])]
                if same and found != (photo.predicted, photo.probability, photo.doubt):
                    photo.predicted, photo.probability, photo.doubt = found
                    changed.append(photo)
            self.project.were_judged(changed)

    def followed(self, learnt: Learnt, curve: LearningCurve) -> None:
        """Show a learning curve, unless there is a newer classifier by now."""
        with self.project.lock:
            if self.learnt is learnt:
                learnt = replace(learnt, curve=curve)
                self._show(_to_json(learnt, self.training), learnt)
                worth = curve.advice.classes[:1] if curve.advice.is_significant else ()
                self.project.advise({one.name: "more photos of it would help most" for one in worth})

    def _show(self, training: dict[str, Any], learnt: Learnt | None) -> None:
        with self.project.lock:
            self.learnt = learnt
            if training != self.training:
                self.training = training
                self.project.stream.send("training", training=training)


def curve_for(learnt: Learnt) -> LearningCurve:
    """The learning curve of a classifier; takes from a moment to many seconds."""
    measured, classifier = learnt.trial.measured, learnt.classifier
    return curve_of(learnt.trial.data, classifier.choice, measured.evaluation, measured.answers, classifier.seed)


def _to_json(learnt: Learnt, before: dict[str, Any]) -> dict[str, Any]:
    """How the page gets it; until a new learning curve is there, the one `before` stays."""
    evaluation, clean = learnt.trial.measured.evaluation, learnt.trial.data.train
    different = distinct(clean)
    curve = learnt.curve
    return {
        "state": "ready",
        "why": "",
        "accuracy": evaluation.accuracy,
        "interval": list(evaluation.interval),
        "photos": evaluation.n,
        "different": clean.independent,
        "classes": [
            {
                "label": one.name,
                "recall": one.recall,
                "interval": list(accuracy_interval("cross-validation", one.recall, different[one.name])),
                "photos": one.support,
            }
            for one in evaluation.per_class
        ],
        "confusion": evaluation.confusion.round(2).tolist(),
        "curve": [_point(one) for one in curve.points] if curve else before.get("curve", []),
        "ahead": [_point(one) for one in curve.ahead] if curve else before.get("ahead", []),
        "advice": f"{curve.text} {curve.advice.text}" if curve else before.get("advice", ""),
        "seconds": round(learnt.seconds, 3),
        "sentence": evaluation.summary,
    }


def _point(one: Point) -> dict[str, Any]:
    return {"per_class": one.per_class, "accuracy": one.accuracy, "interval": list(one.interval)}
