"""One head on one backbone's features: trained on what may be learned from, measured on what may be measured on.

`train` does it once, `compare` once for every backbone and head: the same functions, so the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from headstart.backbones.base import Backbone
from headstart.classifier import saved
from headstart.classifier.classifier import Classifier
from headstart.classifier.measuring import fingerprints, measure
from headstart.errors import HeadError
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.leakage import Clean, check_complete, without_conflicts, without_copies_of
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.results import Answers, Measured, PhotoCounts, measured_on
from headstart.features.extraction import Features, Skipped
from headstart.features.store import Store
from headstart.heads.head import HeadChoice, Kind
from headstart.photos.pictures import Pictures
from headstart.photos.sources import Source, open_source
from headstart.progress import Progress
from headstart.safety.printable import counted, show

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve

_CONFLICTS_SHOWN = 5
_CLASSES_SHOWN = 30
#: Above so many classes the confusion matrix is not saved: it would be hundreds of megabytes of JSON.
_MOST_SAVED = 1000


@dataclass(frozen=True)
class Data:
    """Photos ready to learn from and to measure on; cleaned once for all heads.

    Attributes:
        train: features of the photos to learn from.
        test: features of the photos to measure on; None: cross-validation.
        photos: how many were looked at, and those not used.
    """

    train: Clean
    test: Clean | None
    photos: PhotoCounts


@dataclass(frozen=True)
class Trial:
    """A classifier, trained and measured.

    Attributes:
        classifier: trained.
        measured: by cross-validation, or on the test photos.
        data: what it was trained and measured on.
        head_seconds: that training the head took. evaluate_seconds: that measuring it took.
    """

    classifier: Classifier
    measured: Measured
    data: Data
    head_seconds: float
    evaluate_seconds: float

    @property
    def train(self) -> int:
        """Number of photos trained on."""
        return len(self.data.train.labels)

    @property
    def test(self) -> int | None:
        """Number of photos measured on; None: cross-validation."""
        return None if self.data.test is None else len(self.data.test.labels)


def check_settings(kind: str, seed: int) -> None:
    """Raise before the work what would otherwise be raised after it.

    Raises:
        HeadError: an unknown head or an impossible seed.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise HeadError(f"The seed is {seed!r}.\nExpected a whole number, 0 to 2**32 - 1.")
    if kind not in get_args(Kind):
        raise HeadError(f"There is no head '{kind}'.\nExpected {', '.join(get_args(Kind))}.")


def read_source(
    photos: Pictures,
    labels: Iterable[str] | None,
    test: str | Path | None,
    fraction: float | None,
    seed: int,
    progress: Progress,
) -> Source:
    """Find the photos, take the share that is wanted, and report what there is.

    Args:
        photos, labels, test, fraction, seed: see `training.train`.
        progress: receives the classes and counts.

    Raises:
        DataError: see `photos.sources.scan`; the two sides have different classes.
    """
    source = open_source(photos, labels, test, fraction, seed)
    for note in source.notes:
        progress.caution(note)
    tests = source.test.counts if source.test else {}
    parts = [
        f"{show(name)} {count:,}" + (f" + {tests.get(name, 0):,}" if source.test else "")
        for name, count in source.train.counts.items()
    ]
    more = f" and {len(parts) - _CLASSES_SHOWN} more" if len(parts) > _CLASSES_SHOWN else ""
    how = "to train + to test" if source.test else "each photo to train and, by cross-validation, to test"
    progress.message(f"{counted(len(parts), 'class')} ({how}): {', '.join(parts[:_CLASSES_SHOWN])}{more}.")
    return source


def prepare(source: Source, features: Features, progress: Progress) -> Data:
    """Leave out what would make the figures too good, and report it.

    Args:
        source: the photos.
        features: of `source.paths`, as far as they could be used.
        progress: receives what is left out.

    Raises:
        DataError: no photo of a class can be used.
    """
    # Over both sides at once: a photo with one label in train and another in test has neither.
    clean = without_conflicts(features, [source.labels[i] for i in features.rows])
    torn = clean.skipped
    for one in torn[:_CONFLICTS_SHOWN]:
        progress.caution(f"{show(one.path)}: {show(one.detail)}; it is left out.")
    if len(torn) > _CONFLICTS_SHOWN:
        progress.caution(f"{counted(len(torn) - _CONFLICTS_SHOWN, 'more photo')} with conflicting labels left out.")
    train, test = clean.split(int((clean.features.rows < len(source.train)).sum()))
    copies: tuple[Skipped, ...] = ()
    if source.test is not None:
        train = without_copies_of(train, test)
        copies = train.skipped
        if copies:
            progress.caution(
                f"{counted(len(copies), 'training photo')} also in the test set: left out of the training."
            )
    skipped = features.skipped + torn + copies
    check_complete(source.train.classes, train, skipped)
    return Data(train, None if source.test is None else test, PhotoCounts(len(source.paths), skipped))


def learn(backbone: Backbone, store: Store, kind: Kind, seed: int, data: Data, fraction: float | None = None) -> Trial:
    """Train a head and measure it: on the test photos or, if there are none, by cross-validation.

    Args:
        backbone: whose features they are. store: of the classifier.
        kind: of head. seed: of the folds.
        data: to learn from and to measure on.
        fraction: of the training photos that `data` has, for the record; None: all of them.

    Raises:
        DataError: fewer than two classes, or a class with too few photos.
        HeadError: unknown kind of head.
    """
    check_settings(kind, seed)
    clock = time.perf_counter()
    train, classes = data.train, data.train.classes
    result = cross_validate(kind, train, classes, seed, measuring=data.test is None)
    seen = fingerprints(train.features.hashes[: saved.REMEMBERED])
    trained = time.perf_counter()
    if data.test is not None:
        measured = measure(result.head, classes, data.test, data.photos, seen)
    else:
        measured = measured_on(train, classes, result.held_out, data.photos, result.folds)
    done = time.perf_counter()
    test = None if data.test is None else len(data.test.labels)
    classifier = Classifier(
        backbone,
        result.head,
        classes,
        HeadChoice(kind, result.strength),
        seed,
        seen,
        saved.TrainingFacts(len(train.labels), test, fraction, _saved(measured)),
        store,
    )
    return Trial(classifier, measured, data, trained - clock, done - trained)


def curve_of(data: Data, choice: HeadChoice, evaluation: Evaluation, answers: Answers, seed: int) -> LearningCurve:
    """Follow the accuracy of a head against the number of photos; arguments as for `learn`."""
    from headstart.evaluation.learning_curve.curve import learning_curve

    return learning_curve(choice, data.train, data.test, evaluation, answers, seed)


def _saved(measured: Measured) -> dict[str, Any]:
    """The evaluation as a saved classifier keeps it: no paths, which would show its owner's folders to others."""
    evaluation = measured.evaluation.to_json()
    left_out = {"mistakes", "reliability"} | (
        {"confusion"} if len(measured.evaluation.classes) > _MOST_SAVED else set()
    )
    return {name: value for name, value in evaluation.items() if name not in left_out}
