"""`train`: the main job, from a folder of photos to a measured, saved classifier."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.classifier import bundle
from headstart.classifier.classifier import Classifier
from headstart.classifier.measuring import vectors_of
from headstart.classifier.remembered import remember
from headstart.classifier.trial import Selection, Trial, check_settings, curve_of, learn, prepare, read_source
from headstart.evaluation.results import Measured
from headstart.evaluation.shown import Reported, presenter
from headstart.features.extraction import Skipped
from headstart.features.store import Store
from headstart.heads.head import Kind, Vectors
from headstart.photos.archives import unpacked
from headstart.photos.images import Fit
from headstart.photos.pictures import Pictures
from headstart.photos.sources import find_files
from headstart.progress import Choice, standard
from headstart.safety.printable import counted
from headstart.trust import blanks
from headstart.trust.explain.explanation import Explanation
from headstart.trust.unknown import RATE, check_rate, learn_known

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve


@dataclass(frozen=True)
class Work:
    """Where feature vectors came from.

    Attributes:
        computed: photos that went through the backbone now.
        from_store: photos whose vector was there.
        photos_per_second: of those computed; None if it is not known.
        under_load: whether other programs kept the processors busy meanwhile; None if it is not known.
    """

    computed: int
    from_store: int
    photos_per_second: float | None
    under_load: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The `features` of all documents, see docs/json.md."""
        return asdict(self)


@dataclass(frozen=True)
class Seconds:
    """Wall time of some steps; None for a step that was not asked for."""

    def to_json(self) -> dict[str, float]:
        """The `seconds` of a document, see docs/json.md."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class TrainingSeconds(Seconds):
    """Wall time of each step of a training, and in all; `curve` is None if none was asked for."""

    scan: float
    extract: float
    head: float
    evaluate: float
    curve: float | None
    total: float


@dataclass(frozen=True, repr=False)
class Training(Reported):
    """A trained classifier and how it was made.

    Attributes:
        trial: what was trained and measured, on which features.
        source: where the photos are.
        fraction: share of the training photos of each class that was used, 0..1.
        started: seconds since 1970.
        model: folder in which it was saved, or None.
        work: where the feature vectors came from.
        seconds: that it took.
        learning_curve: accuracy against photos per class; None if it was not asked for.
        command: how to run it again; empty: from Python.
    """

    trial: Trial
    source: str
    fraction: float
    started: float
    model: str | None
    work: Work
    seconds: TrainingSeconds
    learning_curve: LearningCurve | None = None
    command: tuple[str, ...] = ()

    def __repr__(self) -> str:
        one = self.classifier
        what = f"{one.card.handle}, {one.choice.kind}, {counted(len(one.classes), 'class')}"
        return f"Training({what}: {self.measured.evaluation.summary})"

    @property
    def accuracy(self) -> float:
        """Share of right predictions on the photos measured on, 0..1."""
        return self.measured.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy."""
        return self.measured.interval

    @property
    def confusion(self) -> npt.NDArray[np.float64]:
        """Photos of each true class (row) predicted as each class (column), float64 `(k, k)`."""
        return self.measured.confusion

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Photos that were not used, with reasons."""
        return self.measured.skipped

    @property
    def classifier(self) -> Classifier:
        """Ready to predict."""
        return self.trial.classifier

    @property
    def measured(self) -> Measured:
        """How good it is, by cross-validation or on the test photos."""
        return self.trial.measured

    @cached_property
    def explanations(self) -> tuple[Explanation, ...]:
        """Heat maps of the most confident mistakes, for reports; computed when they are first read.

        They show what the classifier, trained on all photos, looks at; in cross-validation the mistakes are those of
        classifiers that were trained without the photo. Empty if the backbone has no map, see `Classifier.explain`.
        """
        return self.classifier.explain_mistakes(self.measured.evaluation.mistakes)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Save the classifier, see `Classifier.save`."""
        self.classifier.save(folder, overwrite=overwrite)

    def log(self, logdir: str | Path) -> Path:
        """Write a TensorBoard run.

        Returns:
            its folder, a new one in `logdir`.

        Raises:
            TrackingError: tensorboardX or matplotlib is missing (`pip install 'headstart[tensorboard]'`), or the folder
                cannot be written.
        """
        return presenter().log(self, logdir)

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart train --json` prints, see docs/json.md."""
        classifier = self.classifier
        return {
            "source": self.source,
            "command": list(self.command) or None,
            "model": self.model,
            "backbone": classifier.card.handle,
            "card": classifier.card.about(),
            "head": classifier.choice.to_json(),
            "seed": classifier.seed,
            "fraction": self.fraction,
            "classes": list(classifier.classes),
            "photos": self.measured.photos.to_json(),
            "train": self.trial.train,
            "test": self.trial.test,
            "evaluation": self.measured.evaluation.to_json(),
            "features": self.work.to_json(),
            "learning_curve": None if self.learning_curve is None else self.learning_curve.to_json(),
            "seconds": self.seconds.to_json(),
        }


def train(
    photos: Pictures,
    labels: Iterable[str] | None = None,
    *,
    output: str | Path | None = None,
    backbone: str = backbones.DEFAULT,
    head: Kind = "logistic",
    view: Fit = "squash",
    options: backbones.Options | None = None,
    test: str | Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
    skip_small_classes: bool = False,
    keep_copies: bool = False,
    fixes: str | Path | None = None,
    unpack: bool = False,
    overwrite: bool = False,
    learning_curve: bool = False,
    unknown_rate: float = RATE,
    store: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Choice = None,
) -> Training:
    """Train a classifier on folders of photos, measure it honestly, save it.

    Args:
        photos: a folder (`<class>/*` or `{train,test}/<class>/*`), a CSV, or a list of photos with `labels`: paths or
            pictures in memory, see `headstart.photos.pictures.Pictures`.
        labels: class names of a list of photos.
        output: folder to save it in; not saved if not given.
        backbone: a handle: a name or address from the catalogue, or a path.
        head: `logistic`, `lda`, `ridge`, `centroid` or `knn`.
        view: how photos are fitted to the backbone's input: `squash`, `crop` or `pad`.
        options: what you know of the backbone: input range, layers.
        test: a folder or CSV to measure on, instead of the source's own test part.
        fraction: train on this share of every class, chosen by `seed`.
        seed: random seed of the share and of the folds.
        skip_small_classes: leave out classes with fewer than two different photos, instead of raising an error.
        keep_copies: do not look for photos that are nearly the same; else these stay together, and training photos
            that are nearly the same as photos measured on are left out.
        fixes: a CSV of photos to leave out or to relabel, as `headstart check --write` proposes it.
        unpack: if `photos` or `test` is a zip or tar, unpack it beside itself first; never twice.
        overwrite: replace a classifier saved in `output`.
        learning_curve: also follow the accuracy against the number of photos.
        unknown_rate: share of photos like the training ones that the classifier refuses as unknown, 0 to 0.5. It keeps
            features and names (class/file) of the training photos for that; with 0 it keeps none and refuses none.
        store: folder of the feature store; the user's if not given.
        command: how it was called, for the document.
        progress: None: a bar in a terminal or notebook; False: no bar; or an object that receives messages, downloads
            and the progress of the extraction.

    Raises:
        HeadstartError: see the classes of `headstart.errors`.

    Examples:
        >>> import headstart
        >>> training = headstart.train("photos", output="trees")
        >>> training.accuracy > 0.9
        True
        >>> training.classifier.predict("new.jpg")
        'hemlock'
    """
    report = standard(progress)
    started, date = time.perf_counter(), time.time()
    if output is not None:
        bundle.check_target(output, overwrite)
    check_settings(head, seed)
    check_rate(unknown_rate)
    kept = Store(store)
    if unpack:
        photos, test = unpacked(photos, report), unpacked(test, report)
    clock = time.perf_counter()
    source = read_source(photos, labels, Selection(test, fraction, seed, skip_small_classes, fixes), report)
    scanned = time.perf_counter()
    opened = backbones.load(backbone, folder=kept.compiled, options=options, progress=report).with_fit(view)
    ready = time.perf_counter()
    features = vectors_of(opened, source.paths, kept, report, compared=not keep_copies)
    if features.damaged:
        report.message(f"{counted(features.damaged, 'stored vector')} damaged and computed again.")
    extracted = time.perf_counter()
    rate = features.computed / features.seconds if features.computed else None
    work = Work(features.computed, features.from_store, rate)
    data = prepare(source, features, kept, report, skip_small_classes, keep_copies)
    trial = learn(opened, kept, head, seed, data, fraction)
    if unknown_rate:
        known = learn_known(trial.data.train, _blanks(opened, kept), unknown_rate)
        trial = replace(trial, classifier=replace(trial.classifier, known=known))
    remember(trial.classifier, trial.measured.answers.paths)
    if output is not None:
        trial.classifier.save(output, overwrite=overwrite)
    saved = time.perf_counter()
    followed = None
    if learning_curve:
        found = trial.measured
        followed = curve_of(trial.data, trial.classifier.choice, found.evaluation, found.answers, seed)
    done = time.perf_counter()
    trial.measured.photos.warn(report)
    return Training(
        trial=trial,
        source=name_of(photos, len(source.paths)),
        fraction=fraction or 1.0,
        started=date,
        model=None if output is None else str(output),
        work=work,
        seconds=TrainingSeconds(
            scan=scanned - clock,
            extract=extracted - ready,
            head=trial.head_seconds,
            evaluate=trial.evaluate_seconds,
            curve=done - saved if learning_curve else None,
            total=done - started,
        ),
        learning_curve=followed,
        command=tuple(command),
    )


def _blanks(backbone: Backbone, store: Store) -> Vectors:
    """Features of made pictures that show nothing; a backbone computes them once."""
    return vectors_of(backbone, find_files(blanks.pictures()), store).vectors


def name_of(photos: Pictures, count: int) -> str:
    """The source of photos in a document: a path, or how many there are."""
    return os.fspath(photos) if isinstance(photos, (str, os.PathLike)) else counted(count, "photo")
