"""Classifier = backbone + head + class names: fit, predict, evaluate, save, load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from headstart import backbones, bundle
from headstart.backbones.card import Card
from headstart.errors import BundleError, DataError, HeadError
from headstart.evaluation import Evaluation, evaluate
from headstart.features import Features, Skipped, Watcher, extract, require_all
from headstart.heads.head import Head, Kind, from_arrays
from headstart.images import Fit
from headstart.photos import PhotoSet, Source, check_classes, find_files, from_lists, scan
from headstart.store import Store

Photos = str | Path | Sequence[str | Path]
#: Fingerprints of training photos are kept up to this many (8 bytes each), to warn when they are tested on.
_REMEMBERED = 1_000_000


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of photos.

    Attributes:
        paths: m photos that could be used.
        probabilities: float64 `(m, k)`, calibrated, columns in the order of `classes`.
        classes: class names.
        skipped: the others.
    """

    paths: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def labels(self) -> list[str]:
        """The most probable class of each photo."""
        return [self.classes[i] for i in self.probabilities.argmax(axis=1)]


@dataclass(frozen=True)
class Measured:
    """An evaluation with the names that make it readable.

    Attributes:
        evaluation: the figures. protocol: `test set` or `cross-validation`.
        classes, paths, labels: what its numbers stand for.
        skipped: photos that could not be used.
        seen: photos measured on that the head was trained on.
    """

    evaluation: Evaluation
    protocol: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.intp]
    skipped: tuple[Skipped, ...] = ()
    seen: int = 0

    def to_json(self) -> dict[str, Any]:
        """See `Evaluation.to_json`."""
        return self.evaluation.to_json(self.classes, self.paths, self.labels, self.protocol)


class Classifier:
    """Tells the classes of your photos apart.

    Args:
        backbone: a handle.
        head: `logistic`, `ridge`, `centroid` or `knn`.
        view: `squash`, `crop` or `pad`: how photos become the network's input size.
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
        seed: int = 0,
        store: str | Path | None = None,
    ) -> None:
        self.kind = head
        self.seed = seed
        self.store = Store(store)
        self.backbone = backbones.load(backbone, folder=self.store.compiled).with_fit(view)
        self.classes_: tuple[str, ...] = ()
        self.skipped_: tuple[Skipped, ...] = ()
        self.strength_: float | None = None
        self.measured_: Measured | None = None
        self.head_: Head | None = None
        self.notes_: tuple[str, ...] = ()
        self._seen = np.empty(0, np.uint64)
        self._about: dict[str, Any] = {}

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
        self.fit_features(*self._labelled(_source(photos, labels).train))
        return self

    def extract(self, paths: Sequence[str], watcher: Watcher | None = None) -> Features:
        """Vectors of photos by this classifier's backbone."""
        return extract(self.backbone, paths, self.store, watcher)

    def fit_features(self, features: Features, labels: Sequence[str], repeats: int | None = None) -> None:
        """Train on vectors; photos that contradict each other are left out.

        Args:
            features: of the training photos.
            labels: class name of each.
            repeats: of the cross-validation; chosen by the number of photos if not given.
        """
        from headstart import protocol

        clean = protocol.without_conflicts(features, labels)
        self.classes_ = tuple(sorted(set(clean.labels)))
        result = protocol.cross_validate(self.kind, clean, self.classes_, self.seed, repeats)
        self.head_, self.strength_ = result.fit.head, result.fit.strength
        self.skipped_ = features.skipped + clean.skipped
        numbers = protocol.numbers(clean.labels, self.classes_)
        measured = evaluate(numbers, result.held_out, interval_photos=len(set(clean.groups)))
        self.measured_ = Measured(measured, "cross-validation", self.classes_, clean.features.paths, numbers)
        self._seen = fingerprints(clean.features.hashes[:_REMEMBERED])

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

    def predictions(self, photos: Photos, watcher: Watcher | None = None) -> Predictions:
        """Predict what can be predicted, and tell what cannot."""
        head = self._trained()
        paths = find_files([photos] if isinstance(photos, (str, os.PathLike)) else photos)
        features = self.extract(paths, watcher)
        return Predictions(features.paths, head.predict_proba(features.vectors), self.classes_, features.skipped)

    def evaluate(self, photos: Photos | PhotoSet, labels: Sequence[str] | None = None) -> Measured:
        """Measure on photos with known classes: the test part of a folder or CSV, or all of it if it has no parts.

        Raises:
            DataError: there are classes that training did not know, or no photo can be used.
        """
        return self.evaluate_features(*self._labelled(_test_part(photos, labels)))

    def evaluate_features(self, features: Features, labels: Sequence[str]) -> Measured:
        """Measure on vectors with known classes."""
        from headstart import protocol

        head = self._trained()
        check_classes(self.classes_, labels, "The set measured on")
        clean = protocol.without_conflicts(features, labels)
        if not len(clean.labels):
            raise DataError("None of the photos to measure on can be used.\nExpected at least one.")
        numbers = protocol.numbers(clean.labels, self.classes_)
        measured = evaluate(
            numbers, [head.predict_proba(clean.features.vectors)], interval_photos=len(set(clean.groups))
        )
        return Measured(
            measured,
            "test set",
            self.classes_,
            clean.features.paths,
            numbers,
            skipped=features.skipped + clean.skipped,
            seen=int(np.isin(fingerprints(clean.features.hashes), self._seen).sum()),
        )

    def _labelled(self, photos: PhotoSet) -> tuple[Features, tuple[str, ...]]:
        features = self.extract(photos.paths)
        return features, tuple(photos.labels[i] for i in features.rows)

    # --- saving ---

    def save(self, folder: str | Path, *, about: dict[str, Any] | None = None, overwrite: bool = False) -> None:
        """Save as a folder of two files, data only.

        Args:
            folder: to be made.
            about: how it was trained and measured, kept with it.
            overwrite: replace a saved classifier that is there.

        Raises:
            BundleError: the folder exists or cannot be written.
        """
        head = self._trained()
        manifest = {
            "card": self.card.to_json(),
            "classes": list(self.classes_),
            "head": {"kind": self.kind, "strength": self.strength_},
            "seed": self.seed,
            "about": about or self._about,
            "versions": {name: _version(name) for name in ("headstart", "numpy", "openvino", "pillow")},
        }
        bundle.write(folder, manifest, {**head.arrays(), "training_photos": self._seen}, overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, store: str | Path | None = None) -> Classifier:
        """Read a saved classifier; nothing in it is run.

        Raises:
            BundleError: it is not as it was saved, or its network is not the one that this version knows.
        """
        manifest, arrays = bundle.read(folder)
        seen = arrays.pop("training_photos")
        saved = Card.from_json(manifest["card"])
        self = cls(saved.handle, head=manifest["head"]["kind"], seed=manifest["seed"], store=store)
        self.backbone = backbones.load_card(saved, self.store.compiled)
        if self.card.precision != saved.precision:
            self.notes_ = (
                f"Trained in {saved.precision}, which this processor lacks: vectors are computed in "
                f"{self.card.precision} and differ slightly.",
            )
        try:
            self.head_ = from_arrays(arrays)
        except HeadError as error:
            raise BundleError(f"{folder} holds no head that fits: {error}") from error
        if self.head_.dim != saved.dim or self.head_.classes != len(manifest["classes"]):
            raise BundleError(f"{folder} has a head for other vectors or classes than it names.\nTrain it anew.")
        self.classes_ = tuple(manifest["classes"])
        self.strength_ = manifest["head"]["strength"]
        self._seen, self._about = seen, manifest["about"]
        return self

    def _trained(self) -> Head:
        if self.head_ is None:
            raise HeadError("This classifier is not trained yet.\nExpected a call of fit before this one.")
        return self.head_


def fingerprints(hashes: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of content hashes, sorted."""
    return np.sort(np.frombuffer(b"".join(digest[:8] for digest in hashes), np.uint64))


def _test_part(photos: Photos | PhotoSet, labels: Sequence[str] | None) -> PhotoSet:
    source = _source(photos, labels)
    return source.train if source.test is None else source.test


def _source(photos: Photos | PhotoSet, labels: Sequence[str] | None) -> Source:
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


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
