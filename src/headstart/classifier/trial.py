"""One head on one backbone's features: trained on what may be learned from, measured on what may be measured on.

`train` does it once, `compare` once for every backbone and head: the same functions, so the same figures.
"""

from __future__ import annotations

import difflib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from headstart.backbones.base import Backbone
from headstart.classifier import saved
from headstart.classifier.classifier import Classifier
from headstart.classifier.measuring import fingerprints, measure
from headstart.errors import HeadError
from headstart.evaluation.cross_validation import MOST_REPEATS, CrossValidated, cross_validate
from headstart.evaluation.leakage import (
    Clean,
    check_complete,
    distinct,
    without_classes,
    without_conflicts,
    without_copies_of,
)
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.results import Answers, Measured, PhotoCounts, measured_on
from headstart.features.extraction import Features, Skipped
from headstart.features.store import Store
from headstart.heads.head import HeadChoice, Kind
from headstart.photos import fixes, labelled
from headstart.photos.checks import LEAST, photo_counts, too_few, without_small
from headstart.photos.pictures import Pictures
from headstart.photos.sources import Source, open_source
from headstart.progress import Progress
from headstart.safety.printable import counted, show
from headstart.trust.copies.together import together

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve

_CONFLICTS_SHOWN = 5
_COPIES_SHOWN = 3
_CLASSES_SHOWN = 30
#: Above so many classes the confusion matrix is not saved: it would be hundreds of megabytes of JSON.
_MOST_SAVED = 1000


@dataclass(frozen=True)
class Selection:
    """Which photos are used.

    Attributes:
        test: a folder or CSV to measure on, instead of the source's own test part.
        fraction: train on this share of every class only, chosen by `seed`.
        seed: of the share.
        skip_small_classes: leave out classes with too few photos, instead of raising an error.
        fixes: a CSV of photos to leave out or to relabel, see `headstart.photos.fixes`.
        add: a CSV of further photos to train on, see `headstart.photos.labelled`.
    """

    test: str | Path | None = None
    fraction: float | None = None
    seed: int = 0
    skip_small_classes: bool = False
    fixes: str | Path | None = None
    add: str | Path | None = None


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

    def measured_as(self, measured: Measured) -> Trial:
        """The same classifier with other figures, which it is saved with."""
        about = replace(self.classifier.about, evaluation=_saved(measured))
        return replace(self, classifier=replace(self.classifier, about=about), measured=measured)


def check_settings(kind: str, seed: int) -> None:
    """Raise before the work what would otherwise be raised after it.

    Raises:
        HeadError: an unknown head or an impossible seed.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise HeadError(f"The seed is {seed!r}.\nExpected a whole number, 0 to 2**32 - 1.")
    if kind not in get_args(Kind):
        near = difflib.get_close_matches(kind, get_args(Kind), n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise HeadError(f"There is no head '{kind}'.{hint}\nExpected {', '.join(get_args(Kind))}.")


def read_source(
    photos: Pictures,
    labels: Iterable[str] | None,
    selection: Selection,
    progress: Progress,
) -> Source:
    """Find the photos, take those that are wanted, and report what there is.

    Args:
        photos, labels: see `training.train`.
        selection: which of them.
        progress: receives the classes and counts.

    Raises:
        DataError: see `photos.sources.open_source`, `photos.fixes`, `photos.labelled` and
            `photos.checks.without_small`.
    """
    source = open_source(photos, labels, selection.test, selection.fraction, selection.seed)
    if selection.fixes is not None:
        source = fixes.apply(source, fixes.read(selection.fixes))
    if selection.add is not None:
        source = labelled.added(source, selection.add)
    for note in source.notes:
        progress.caution(note)
    counts = photo_counts(source.train)
    kept = without_small(source, counts, photos, selection.test, selection.skip_small_classes)
    for note in kept.notes[len(source.notes) :]:
        progress.caution(note)
    tests = photo_counts(kept.test) if kept.test else Counter()
    others = len(kept.paths) - sum(counts[name] for name in kept.train.classes) - tests.total()
    parts = [
        f"{show(name)} {counts[name]:,}" + (f" + {tests[name]:,}" if kept.test else "") for name in kept.train.classes
    ]
    more = f" and {len(parts) - _CLASSES_SHOWN} more" if len(parts) > _CLASSES_SHOWN else ""
    how = "to train + to test" if kept.test else "each photo to train and, by cross-validation, to test"
    progress.message(f"{counted(len(parts), 'class')} ({how}): {', '.join(parts[:_CLASSES_SHOWN])}{more}.")
    if others:
        progress.message(f"Not counted, because they are not photos: {counted(others, 'file')}.")
    return kept


def prepare(
    source: Source,
    features: Features,
    store: Store,
    progress: Progress,
    skip_small_classes: bool = False,
    keep_copies: bool = False,
) -> Data:
    """Leave out what would make the figures too good, and report it.

    Args:
        source: the photos.
        features: of `source.paths`, as far as they could be used.
        store: keeps which photos are nearly the same.
        progress: receives what is left out.
        skip_small_classes: leave out classes with fewer than two different photos that can be used.
        keep_copies: treat photos that are nearly the same as different ones; only equal photos are kept together.

    Raises:
        DataError: too few photos of a class can be used.
    """
    # Over both sides at once: a photo with one label in train and another in test has neither.
    clean = without_conflicts(features, [source.labels[i] for i in features.rows])
    torn = clean.skipped
    for one in torn[:_CONFLICTS_SHOWN]:
        progress.caution(f"{show(one.path)}: {show(one.detail)}; it is left out.")
    if len(torn) > _CONFLICTS_SHOWN:
        progress.caution(f"{counted(len(torn) - _CONFLICTS_SHOWN, 'more photo')} with conflicting labels left out.")
    if keep_copies:
        progress.caution("Copies that were altered are not looked for: if there are any, the figures are too good.")
    else:
        clean = together(clean, store, progress)
    train, test = clean.split(int((clean.features.rows < len(source.train)).sum()))
    copies: tuple[Skipped, ...] = ()
    if source.test is not None:
        train = without_copies_of(train, test)
        copies = train.skipped
        if copies:
            shown = "; ".join(f"{show(one.path)} is {show(one.detail)}" for one in copies[:_COPIES_SHOWN])
            more = "; ..." if len(copies) > _COPIES_SHOWN else ""
            also = f"{counted(len(copies), 'training photo')} also in the test set: left out of the training"
            progress.caution(f"{also}. {shown}{more}.")
    skipped = features.skipped + torn + copies
    counts = distinct(train)
    few = {name: counts[name] for name in source.train.classes if counts[name] < LEAST}
    listed = ", ".join(f"'{show(name)}' ({n})" for name, n in few.items())
    if few and not skip_small_classes:
        check_complete(source.train.classes, train, skipped)
        near = "" if keep_copies else "; --keep-copies (in Python: keep_copies=True) counts altered copies and bursts"
        raise too_few(f"{listed}: copies and files that cannot be used do not count{near}")
    if few:
        progress.message(f"Classes left out, because too few of their photos can be used: {listed}.")
        train, test = without_classes(train, few), without_classes(test, few)
        skipped += train.skipped + test.skipped
    return Data(train, None if source.test is None else test, PhotoCounts(len(source.paths), skipped))


def learn(
    backbone: Backbone,
    store: Store,
    kind: Kind,
    seed: int,
    data: Data,
    fraction: float | None = None,
    crossed: CrossValidated | None = None,
    repeats: int = MOST_REPEATS,
) -> Trial:
    """Train a head and measure it: on the test photos or, if there are none, by cross-validation.

    Args:
        backbone: whose features they are. store: of the classifier.
        kind: of head. seed: of the folds.
        data: to learn from and to measure on.
        fraction: of the training photos that `data` has, for the record; None: all of them.
        crossed: the result of the cross-validation, if there is one already; only without test photos.
        repeats: of the cross-validation, at most; see `cross_validate`.

    Raises:
        DataError: fewer than two classes, or a class with too few photos.
        HeadError: unknown kind of head.
    """
    check_settings(kind, seed)
    clock = time.perf_counter()
    train, classes = data.train, data.train.classes
    result = crossed or cross_validate(kind, train, classes, seed, measuring=data.test is None, most=repeats)
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
