"""`Inbox`: the new photos of a classifier, whether they differ from those it was trained on, which to label next."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.classifier.classifier import Classifier
from headstart.classifier.inbox.log import GUESSES, Log, Logged
from headstart.classifier.measuring import vectors_of
from headstart.errors import DataError
from headstart.evaluation.results import Predictions
from headstart.heads.head import unit_length
from headstart.photos.pictures import InMemory
from headstart.progress import Progress
from headstart.safety import untrusted
from headstart.safety.printable import counted
from headstart.trust.drift import Drift, Reference, class_shares, unknown_share
from headstart.trust.worth_labelling import doubt, worth_labelling

#: Photos that are looked at to choose some to label: the most uncertain ones.
_CANDIDATES = 2000
#: Nearest training photos named for each.
_NEAREST = 3
_count: untrusted.Check[float] = untrusted.number(0, 1e12)


class Inbox:
    """New photos that a classifier predicts, kept in a log.

    Attributes:
        classifier: predicts them.
        log: a line for each photo; photos of other classifiers in it are left alone.
        model: folder of the classifier, kept in the log so that it is found again; empty: it is not saved.

    Raises:
        DataError: the log cannot be read, or is another file.

    Examples:
        >>> import headstart
        >>> trees = headstart.train("photos").classifier
        >>> inbox = headstart.Inbox(trees, "inbox.jsonl")
        >>> added = inbox.add(trees.predictions("new.jpg"))
        >>> added[0].predicted, inbox.drift().photos
        ('hemlock', 1)
    """

    def __init__(self, classifier: Classifier, log: str | Path | None = None, *, model: str | Path = "") -> None:
        self.classifier = classifier
        self.log = Log(log)
        self.model = os.path.abspath(model) if model else ""

    def __repr__(self) -> str:
        return f"Inbox({self.log.path}, {counted(len(self.photos), 'photo')})"

    @property
    def photos(self) -> list[Logged]:
        """Those of this classifier, equal files once."""
        return [one for one in self.log.photos if one.model_id == self.classifier.id]

    def holds(self, digest: bytes) -> bool:
        """Whether a photo with this SHA-256 is in the log."""
        return (digest.hex(), self.classifier.id) in self.log

    def add(self, answer: Predictions) -> list[Logged]:
        """Add predictions of this classifier, as far as they are not in the log.

        Args:
            answer: of `Classifier.predictions`, without a share of its own (`unknown_rate`).

        Returns:
            what was added.

        Raises:
            DataError: a picture is in memory, so that it cannot be found again; or the log cannot be written.
        """
        if any(isinstance(path, InMemory) for path in answer.paths):
            raise DataError("A picture in memory cannot be logged.\nExpected files, which can be opened again.")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        unknown = [None] * len(answer.paths) if answer.unknown is None else answer.unknown.tolist()
        lines = []
        for i, row in enumerate(answer.probabilities):
            best = {answer.classes[c]: float(row[c]) for c in np.argsort(-row, kind="stable")[:GUESSES].tolist()}
            predicted, probability = next(iter(best.items()))
            path, digest = os.path.abspath(answer.paths[i]), answer.hashes[i].tobytes().hex()
            made_by = (self.model, self.classifier.id)
            lines.append(Logged(now, path, digest, predicted, probability, best, unknown[i], *made_by))
        return self.log.append(lines)

    def drift(self) -> Drift:
        """Whether the photos differ from those that the classifier was trained and measured on."""
        photos, known, classes = self.photos, self.classifier.known, self.classifier.classes
        marks = [one.unknown for one in photos if one.unknown is not None]
        unknown = shares = None
        if marks and known is not None:
            unknown = unknown_share(sum(marks), len(marks), known.rate, len(known.distances))
        compared, reference = measured_classes(self.classifier)
        position = {name: i for i, name in enumerate(classes)}
        found = [position[one.predicted] for one in photos if one.predicted in position]
        if found and compared is not None and compared.sum():
            counts = np.bincount(found, minlength=len(classes))
            shares = class_shares(counts, compared, classes, reference)
        return Drift(len(photos), unknown, shares)

    def worth_labelling(
        self, most: int = 20, labelled: Collection[str] = (), progress: Progress | None = None
    ) -> Predictions:
        """The photos whose labels would teach the classifier most, see `headstart.trust.worth_labelling`.

        Args:
            most: at most so many.
            labelled: paths of photos that are labelled or will not be: these, and photos nearly the same, are left out.
            progress: receives the progress of the photos' features that are not in the store.

        Returns:
            the photos, the one most worth labelling first, each with its nearest training photos.
        """
        kept, done = self.classifier, {os.path.abspath(path) for path in labelled}
        known, photos = kept.known, self.photos
        unknown = None if known is None else np.array([bool(one.unknown) for one in photos], bool)
        doubts = doubt(np.array([one.probability for one in photos]), unknown, known.rate if known else 0)
        rows = [i for i, one in enumerate(photos) if one.path not in done and os.path.isfile(one.path)]
        rows = sorted(rows, key=lambda i: -doubts[i])[:_CANDIDATES]
        features = vectors_of(kept.backbone, [photos[i].path for i in rows], kept.store, progress)
        there = sorted(path for path in done if os.path.isfile(path))
        others = vectors_of(kept.backbone, there, kept.store).vectors
        chosen = worth_labelling(
            unit_length(features.vectors),
            doubts[rows][features.rows],
            most,
            unit_length(others),
            None if known is None else known.photos,
        )
        vectors = features.vectors[chosen]
        looked = None if known is None else known.look(vectors, _NEAREST)
        return Predictions(
            tuple(features.paths[i] for i in chosen),
            kept.head.predict_proba(vectors),
            kept.classes,
            features.skipped,
            None if looked is None else looked.unknown,
            None if looked is None else looked.nearest,
            features.hashes[chosen],
        )

    def chosen_at_random(self, most: int = 20, labelled: Collection[str] = (), seed: int = 0) -> list[Logged]:
        """Photos to label and to measure on: what is worth labelling is harder than new photos usually are.

        Args:
            most: at most so many.
            labelled: paths of photos to leave out.
            seed: decides which.
        """
        done = {os.path.abspath(path) for path in labelled}
        photos = [one for one in self.photos if one.path not in done and os.path.isfile(one.path)]
        rows = np.random.default_rng(seed).permutation(len(photos))[:most]
        return [photos[i] for i in rows.tolist()]


def measured_classes(classifier: Classifier) -> tuple[npt.NDArray[np.int64] | None, Reference]:
    """How many photos of each class the classifier was measured on, int64 `(k,)`: by prediction, or else by truth.

    Saved classifiers come from anyone, and this part of them is not checked when they are read.
    """
    evaluation, classes = classifier.about.evaluation, classifier.classes
    try:
        if "confusion" in evaluation:
            confusion = evaluation["confusion"]
            counts = np.array([[_count(one) for one in row] for row in _rows(confusion["counts"], len(classes))])
            if confusion["classes"] == list(classes):
                return _whole(counts.sum(axis=0)), "predicted classes"
        supports = [_count(evaluation["per_class"][name]["support"]) for name in classes]
        return _whole(np.array(supports)), "true classes"
    except (KeyError, TypeError, ValueError):
        return None, "predicted classes"


def _whole(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Means over the repeats of cross-validation as whole numbers with the same sum: largest remainders first."""
    whole = np.floor(counts).astype(np.int64)
    rest = round(float(counts.sum())) - int(whole.sum())
    whole[np.argsort(whole - counts, kind="stable")[:rest]] += 1
    return whole


def _rows(value: Any, k: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) != k or any(len(row) != k for row in value):
        raise ValueError(f"these are not {k} rows of {k}")
    return value
