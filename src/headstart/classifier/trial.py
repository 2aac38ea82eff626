"""A network's features and a head: learned from what may be learned from, measured on what may be measured on.

`train` does it once, `compare` once for every network and head: the same function, so the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.classifier.classifier import Classifier, source_of
from headstart.evaluation import protocol
from headstart.evaluation.results import Measured
from headstart.features.extraction import Features, Skipped
from headstart.photos.sources import PhotoSet, Source, check_classes, scan
from headstart.progress import Progress
from headstart.safety.printable import show

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve


_CONFLICTS_SAID = 5


@dataclass(frozen=True)
class Trial:
    """A classifier, trained and measured.

    Attributes:
        classifier: trained.
        measured: the honest figures.
        learn: features of the photos trained on. labels: class name of each.
        held: features of the photos measured on; None: cross-validation.
        train, test: photos trained on and measured on (None: cross-validation).
        skipped: photos that were looked at and not used.
        seconds: `head`, `evaluate`.
    """

    classifier: Classifier
    measured: Measured
    learn: Features
    labels: Sequence[str]
    held: Features | None
    train: int
    test: int | None
    skipped: tuple[Skipped, ...]
    seconds: dict[str, float]


def read_source(
    photos: str | Path | Sequence[str | Path],
    labels: Sequence[str] | None,
    test: str | Path | None,
    fraction: float | None,
    seed: int,
    say: Progress,
) -> Source:
    """Find the photos, take the share that is wanted, and tell what there is.

    Args:
        photos, labels, test, fraction, seed: see `training.train`.
        say: is told.

    Raises:
        DataError: see `photos.scan`; the two sides have different classes.
    """
    source = _with_test(source_of(photos, labels), test)
    if fraction is not None:
        chosen = source.train.share(fraction, seed)
        say.message(f"{fraction:.3g} of the {len(source.train):,} training photos: {len(chosen):,}.")
        source = replace(source, train=chosen)
    _announce(source, say)
    return source


def paths_of(source: Source) -> tuple[str, ...]:
    """All photos of a source, those to train on first."""
    return source.train.paths + (source.test.paths if source.test else ())


def learn(classifier: Classifier, source: Source, features: Features, say: Progress) -> Trial:
    """Train a head and measure it: on the source's test part or, if it has none, by cross-validation.

    Args:
        classifier: to be trained.
        source: the photos.
        features: of `paths_of(source)`, as far as they could be used.
        say: is told what is left out.

    Raises:
        DataError: fewer than two classes, or a class with too few photos.
        HeadError: unknown kind of head.
    """
    clock = time.perf_counter()
    labels_of = source.train.labels + (source.test.labels if source.test else ())
    # Over both sides at once: a photo that is one thing in train and another in test is neither's.
    clean = protocol.without_conflicts(features, [labels_of[i] for i in features.rows])
    used, skipped = clean.labels, features.skipped + clean.skipped
    border = int((clean.features.rows < len(source.train)).sum())
    learnt, held = _part(clean.features, 0, border), _part(clean.features, border, len(used))
    labels: Sequence[str] = used[:border]
    if source.test is not None:
        learnt, kept, copies = protocol.without_copies_of(learnt, held)
        labels = [labels[i] for i in kept]
        skipped += copies
        if copies:
            say.message(f"{len(copies)} training photos are also measured on: they are left out of the training.")
    classifier.fit_features(replace(learnt, skipped=skipped), labels, source.train.classes, source.test is None)
    if classifier.measured_ is None:
        raise AssertionError("fit_features measures")
    measured, skipped = classifier.measured_, classifier.skipped_
    seconds = {"head": time.perf_counter() - clock}

    clock = time.perf_counter()
    test: int | None = None
    if source.test is not None:
        measured = classifier.evaluate_features(held, used[border:])
        test = measured.evaluation.n
        skipped += measured.skipped
    seconds["evaluate"] = time.perf_counter() - clock
    torn = [one for one in skipped if one.reason == "conflicting labels"]
    for one in torn[:_CONFLICTS_SAID]:
        say.message(f"{show(one.path)}: {show(one.detail)}; it is left out.")
    if len(torn) > _CONFLICTS_SAID:
        say.message(f"{len(torn) - _CONFLICTS_SAID:,} more photos have conflicting labels and are left out.")
    count, unseen = len(classifier.measured_.paths), None if source.test is None else held
    return Trial(classifier, measured, learnt, labels, unseen, count, test, skipped, seconds)


def curve_of(trial: Trial, seed: int) -> LearningCurve:
    """Follow a trial's accuracy against the number of photos, from its vectors.

    Args:
        trial: trained and measured. seed: of the draws.
    """
    from headstart.evaluation.learning_curve.curve import learning_curve

    classifier, held = trial.classifier, None
    clean = protocol.without_conflicts(trial.learn, trial.labels)
    if trial.held is not None:
        held = (trial.held.vectors, trial.measured.labels)
    return learning_curve(
        classifier.kind,
        clean.features.vectors,
        protocol.numbers(clean.labels, classifier.classes_),
        classifier.classes_,
        protocol.content_keys(
            clean
        ).tolist(),  # the folds in which the strength is chosen follow them: as it was for the head
        classifier.strength_,
        held,
        seed,
    )


def _with_test(source: Source, test: str | Path | None) -> Source:
    """The source measured on another folder or CSV than its own."""
    if test is None:
        return source
    other = scan(test)
    held_out: PhotoSet = other.train if other.test is None else other.test
    check_classes(source.train.classes, held_out.classes, str(test))
    replaced = ("The source's own test part is left aside: --test is measured on.",) if source.test else ()
    return Source(source.train, held_out, source.notes + other.notes + replaced)


def _announce(source: Source, say: Progress) -> None:
    for note in source.notes:
        say.message(note)
    test = source.test.counts if source.test else {}
    parts = [
        f"{show(name)} {count:,}" + (f" + {test.get(name, 0):,}" if source.test else "")
        for name, count in source.train.counts.items()
    ]
    shown = ", ".join(parts[:30]) + (f" and {len(parts) - 30} more" if len(parts) > 30 else "")
    kind = "to train + to test" if source.test else "each photo to train and, by cross-validation, to test"
    say.message(f"{len(parts)} classes ({kind}): {shown}.")


def _part(features: Features, start: int, stop: int) -> Features:
    """A run of photos; the vectors are a view of the whole, not a copy."""
    return replace(
        features,
        paths=features.paths[start:stop],
        rows=features.rows[start:stop],
        vectors=features.vectors[start:stop],
        hashes=features.hashes[start:stop],
        skipped=(),
    )
