"""Classifier = backbone + head + class names: fit, predict, evaluate, save, load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card
from headstart.classifier import saved
from headstart.errors import DataError, HeadError
from headstart.evaluation.metrics import evaluate
from headstart.evaluation.results import Measured, Predictions, about, answers_of, mean_of
from headstart.features.extraction import Features, Hashes, Skipped, extract, require_all
from headstart.features.store import Store
from headstart.heads import power
from headstart.heads.head import Head, Kind
from headstart.photos.images import Fit
from headstart.photos.sources import PhotoSet, Source, check_classes, find_files, from_lists, scan
from headstart.progress import Progress

Photos = str | Path | Sequence[str | Path]


class Classifier:
    """Tells the classes of your photos apart. Once it is trained or loaded, several threads may use it at once.

    Args:
        backbone: a handle.
        head: `logistic`, `ridge`, `centroid` or `knn`.
        view: `squash`, `crop` or `pad`: how photos become the network's input size.
        options: what you know of the network: input range, layers.
        seed: of the folds.
        store: folder of the feature store; the user's if not given.

    Attributes (after `fit`):
        classes_: class names in alphabetical order, the order of all columns.
        head_: the trained head. strength_: what cross-validation chose for it.
        measured_: cross-validation on the training photos.
        skipped_: photos that could not be used. notes_: what a user should know of a loaded one.
    """

    def __init__(
        self,
        backbone: str = backbones.DEFAULT,
        *,
        head: Kind = "logistic",
        view: Fit = "squash",
        options: backbones.Options | None = None,
        seed: int = 0,
        store: str | Path | None = None,
    ) -> None:
        self.kind: Kind = head
        self.seed = seed
        self.store = Store(store)
        self.classes_: tuple[str, ...] = ()
        self.skipped_: tuple[Skipped, ...] = ()
        self.strength_: float | None = None
        self.measured_: Measured | None = None
        self.head_: Head | None = None
        self.notes_: tuple[str, ...] = ()
        self._handle, self._view, self._options = backbone, view, options
        self._loaded: list[Backbone] = []
        self._seen = np.empty(0, np.uint64)
        self._about: dict[str, Any] = {}

    @property
    def backbone(self) -> Backbone:
        """The network, loaded when first asked for.

        Raises:
            BackboneError: there is none of this handle, or no such view.
        """
        return self._load(None)

    @backbone.setter
    def backbone(self, network: Backbone) -> None:
        self._loaded = [network]

    def _load(self, progress: Progress | None) -> Backbone:
        if not self._loaded:
            found = backbones.load(self._handle, folder=self.store.compiled, options=self._options, progress=progress)
            self._loaded.append(found.with_fit(self._view))
        return self._loaded[0]  # of two threads that load it at once, the first one's

    @property
    def card(self) -> Card:
        """Of the backbone."""
        return self.backbone.card

    # --- training ---

    def fit(self, photos: Photos | PhotoSet, labels: Sequence[str] | None = None) -> Self:
        """Train on photos.

        Args:
            photos: a folder or CSV (its training part), a `PhotoSet`, or paths with `labels`.
            labels: class name of each path.

        Raises:
            DataError: no photos, fewer than two classes, or a class with fewer than two different photos.
        """
        given = source_of(photos, labels).train
        self.fit_features(*self._labelled(given), expected=given.classes)
        return self

    def extract(self, paths: Sequence[str], progress: Progress | None = None) -> Features:
        """Vectors of photos by this classifier's backbone, power-normalised: what its head is trained on and sees."""
        features = extract(self.backbone, paths, self.store, progress)
        power.normalise(features.vectors)
        return features

    def fit_features(
        self, features: Features, labels: Sequence[str], expected: Sequence[str] = (), measuring: bool = True
    ) -> None:
        """Train on vectors; photos that contradict each other are left out.

        Args:
            features: of the training photos.
            labels: class name of each.
            expected: classes that there should be; one without a usable photo is an error.
            measuring: whether `measured_` is wanted; if not, cross-validation does only what choosing a strength needs.

        Raises:
            DataError: fewer than two classes, or a class with too few photos. The classifier stays as it was.
            HeadError: unknown kind of head.
        """
        from headstart.evaluation import protocol

        clean = protocol.without_conflicts(features, labels)
        protocol.check_complete(expected, clean, features.skipped)
        classes = tuple(sorted(set(clean.labels)))
        result = protocol.cross_validate(self.kind, clean, classes, self.seed, measuring)
        numbers = protocol.numbers(clean.labels, classes)
        photos = len(np.unique(clean.groups))
        measured = evaluate(numbers, result.held_out, interval_photos=photos, cross_validated=True)
        said = mean_of(result.held_out)
        answers = answers_of(numbers, result.held_out, clean.groups, result.folds)
        self.measured_ = Measured(measured, "cross-validation", classes, clean.features.paths, numbers, said, answers)
        self.classes_ = classes
        self.head_, self.strength_ = result.fit.head, result.fit.strength
        self.skipped_ = features.skipped + clean.skipped
        self._seen = fingerprints(clean.features.hashes[: saved.REMEMBERED])
        self._about = about(self.measured_, train=len(clean.labels))

    # --- use ---

    def predict(self, photos: Photos) -> npt.NDArray[np.str_]:
        """Class name of each photo, in the order given; folders stand for the photos in them.

        Raises:
            DataError: a photo cannot be used. `predictions` goes on without it and tells.
        """
        answer = self.predictions(photos)
        require_all(answer.skipped)
        return np.array(answer.labels, dtype=np.str_)

    def predict_proba(self, photos: Photos) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64 `(n, k)`, columns in the order of `classes_`; errors as `predict`."""
        answer = self.predictions(photos)
        require_all(answer.skipped)
        return answer.probabilities

    def predictions(self, photos: Photos, progress: Progress | None = None) -> Predictions:
        """Predict what can be predicted, and tell what cannot."""
        head = self._trained()
        paths = find_files([photos] if isinstance(photos, (str, os.PathLike)) else photos)
        features = self.extract(paths, progress)
        return Predictions(features.paths, head.predict_proba(features.vectors), self.classes_, features.skipped)

    def evaluate(
        self, photos: Photos | PhotoSet, labels: Sequence[str] | None = None, progress: Progress | None = None
    ) -> Measured:
        """Measure on photos with known classes: the test part of a folder or CSV, or all of it if it has no parts.

        Raises:
            DataError: there are classes that training did not know, or no photo can be used.
        """
        source = source_of(photos, labels)
        given = source.train if source.test is None else source.test
        check_classes(self.classes_, given.classes, "The set measured on")
        measured = self.evaluate_features(*self._labelled(given, progress))
        return replace(measured, notes=source.notes)

    def evaluate_features(self, features: Features, labels: Sequence[str]) -> Measured:
        """Measure on vectors with known classes."""
        from headstart.evaluation import protocol

        head = self._trained()
        clean = protocol.without_conflicts(features, labels)
        if not len(clean.labels):
            raise DataError("None of the photos to measure on can be used.\nExpected at least one.")
        numbers = protocol.numbers(clean.labels, self.classes_)
        said = head.predict_proba(clean.features.vectors)
        return Measured(
            evaluate(numbers, [said], interval_photos=len(np.unique(clean.groups))),
            "test set",
            self.classes_,
            clean.features.paths,
            numbers,
            mean_of([said]),
            answers_of(numbers, [said], clean.groups),
            skipped=features.skipped + clean.skipped,
            seen=int(np.isin(fingerprints(clean.features.hashes), self._seen).sum()),
        )

    def _labelled(self, photos: PhotoSet, progress: Progress | None = None) -> tuple[Features, tuple[str, ...]]:
        self._check_options()
        features = self.extract(photos.paths, progress)
        return features, tuple(photos.labels[i] for i in features.rows)

    # --- saving ---

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Save as a folder of two files, data only.

        Args:
            folder: to be made.
            overwrite: replace a saved classifier that is there.

        Raises:
            BundleError: the folder exists or cannot be written.
        """
        head = self._trained()
        facts = (self.kind, self.strength_, head, self.seed, self._about, self._seen)
        saved.write(folder, saved.Saved(self.card, self.classes_, *facts), overwrite)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        store: str | Path | None = None,
        backbone: str = "",
        progress: Progress | None = None,
        fetch: bool = False,
    ) -> Classifier:
        """Read a saved classifier; nothing in it is run, and nothing leaves this machine unasked.

        Args:
            folder: that `save` made.
            store: folder of the feature store; the user's if not given.
            backbone: where its network lies now, if that is not where it was. A handle given here is fetched.
            progress: is told of downloads.
            fetch: whether its network may be downloaded from where the bundle says, if it is not here. No token
                is sent: whoever made the bundle has chosen the address.

        Raises:
            BundleError: it is not as it was saved, or its parts do not fit together.
            NotFetchedError: its network is not here, and `fetch` is False.
            BackboneError: its network is not the one that this version knows.
        """
        found = saved.read(folder)
        card = found.card
        self = cls(card.handle, head=found.kind, view=card.view.fit, seed=found.seed, store=store)
        self.backbone = backbones.load_card(card, self.store.compiled, backbone, progress, fetch)
        if self.card.precision != card.precision:
            self.notes_ = (
                f"Trained in {card.precision}, which this processor lacks: vectors are computed in "
                f"{self.card.precision} and differ slightly.",
            )
        self.head_, self.classes_, self.strength_ = found.head, found.classes, found.strength
        self._seen, self._about = found.seen, found.about
        return self

    def tell(self, **facts: Any) -> None:
        """Add to what is saved with the classifier about its training."""
        self._about = {**self._about, **facts}

    def check(self, progress: Progress | None = None) -> None:
        """Raise now what would else be raised after the photos were read: an unknown network, view, head or seed.

        A network that is not on this disk is fetched; `progress` is told.
        """
        self._load(progress)
        self._check_options()

    def _check_options(self) -> None:
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise HeadError(f"The seed is {self.seed!r}.\nExpected a whole number, 0 to 2**32 - 1.")
        if self.kind not in get_args(Kind):
            raise HeadError(f"There is no head '{self.kind}'.\nExpected {', '.join(get_args(Kind))}.")

    def _trained(self) -> Head:
        if self.head_ is None:
            raise HeadError("This classifier is not trained yet.\nExpected a call of fit before this one.")
        return self.head_


def fingerprints(hashes: Hashes) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of content hashes, sorted."""
    return np.sort(hashes.view(np.uint64).reshape(-1, 4)[:, 0])


def source_of(photos: Photos | PhotoSet, labels: Sequence[str] | None) -> Source:
    """Photos in any of the forms that are accepted: a folder or CSV, a `PhotoSet`, or paths with labels.

    Raises:
        DataError: see `photos.scan`; labels together with a folder; a list without labels.
    """
    if isinstance(photos, PhotoSet):
        return Source(photos, None)
    if isinstance(photos, (str, os.PathLike)):
        if labels is not None:
            raise DataError(
                "A folder was given together with labels.\nExpected a folder, or a list of paths and labels."
            )
        return scan(photos)
    if labels is None:
        raise DataError("A list of paths was given without labels.\nExpected one class name for each path.")
    return Source(from_lists(photos, labels), None)
