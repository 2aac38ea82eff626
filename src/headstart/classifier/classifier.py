"""`Classifier`: a backbone, a trained head and class names. It predicts, is evaluated, is saved and loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card
from headstart.classifier import saved
from headstart.classifier.exporting import Exported, Precision, exporter
from headstart.classifier.measuring import measure, vectors_of
from headstart.errors import BundleError, DataError, PhotoError
from headstart.evaluation.leakage import without_conflicts
from headstart.evaluation.metrics import Mistake
from headstart.evaluation.results import Measured, PhotoCounts, Predictions
from headstart.features.extraction import require_all
from headstart.features.store import Store
from headstart.heads.head import Head, HeadChoice
from headstart.photos.pictures import Picture, Pictures, is_one_photo
from headstart.photos.sources import PhotoSet, check_classes, find_files, open_source
from headstart.progress import Choice, Progress, Silent, standard
from headstart.safety.printable import show
from headstart.trust.explain.explanation import Explanation, Method, explain, explain_mistakes
from headstart.trust.unknown import Known, check_rate


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """Predicts the class of photos. Made by `headstart.train` and `headstart.load`; threads may share it.

    Attributes:
        backbone: turns photos into feature vectors.
        head: turns feature vectors into probabilities.
        classes: class names in alphabetical order, the order of all columns.
        choice: kind of the head, and the strength that cross-validation chose for it.
        seed: of the folds in which the strength was chosen.
        seen: uint64 `(m,)`, fingerprints of training photos, sorted: to warn when they are measured on.
        about: how it was trained and measured; saved with it.
        store: where feature vectors are kept.
        notes: what a user should know of a loaded classifier.
        known: what it keeps of its training photos, to recognise photos unlike them; None: nothing.
    """

    backbone: Backbone
    head: Head
    classes: tuple[str, ...]
    choice: HeadChoice
    seed: int
    seen: npt.NDArray[np.uint64]
    about: saved.TrainingFacts
    store: Store
    notes: tuple[str, ...] = ()
    known: Known | None = None

    def __repr__(self) -> str:
        return f"Classifier({self.card.handle}, {self.choice.kind}, {len(self.classes)} classes)"

    @property
    def card(self) -> Card:
        """The card of the backbone."""
        return self.backbone.card

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits made of all that decides its predictions: card, classes and head, but no name."""
        digest = hashlib.sha256(json.dumps([self.card.key, *self.classes]).encode())
        for name, array in sorted(self.head.arrays().items()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()[:32]

    def predict(self, photos: Pictures, progress: Choice = None) -> npt.NDArray[np.str_] | str:
        """Class name of each photo, in the order given; folders stand for the photos in them.

        Args:
            photos: one photo or many: paths or pictures in memory, see `headstart.photos.pictures.Pictures`.
            progress: see `headstart.train`.

        Returns:
            `(n,)` names; of one photo alone its name.

        Raises:
            DataError: a photo cannot be used. `predictions` goes on without it and reports it.

        Examples:
            >>> import headstart
            >>> trees = headstart.train("photos").classifier
            >>> trees.predict("new.jpg")
            'hemlock'
            >>> trees.predict(["new.jpg", "some.jpg"]).tolist()
            ['hemlock', 'cherry']
            >>> trees.predict_proba("new.jpg").shape
            (2,)
        """
        labels = self._all(photos, progress).labels
        return labels[0] if is_one_photo(photos) else np.array(labels, dtype=np.str_)

    def predict_proba(self, photos: Pictures, progress: Choice = None) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, columns in the order of `classes`; arguments and errors as of `predict`.

        Returns:
            float64 `(n, k)`, rows add up to 1; of one photo alone `(k,)`.
        """
        found = self._all(photos, progress).probabilities
        return found[0] if is_one_photo(photos) else found

    def predictions(
        self, photos: Pictures, progress: Choice = None, *, nearest: int = 0, unknown_rate: float | None = None
    ) -> Predictions:
        """Predict every photo that can be used, and list the others; `unknown` marks those unlike the training photos.

        Args:
            photos: see `predict`.
            progress: see `headstart.train`.
            nearest: how many of the nearest training photos to name for each photo.
            unknown_rate: share of photos like the training ones that is refused, 0 (none) to 0.5; None: as chosen at
                the training.

        Raises:
            BundleError: nearest photos or a share are asked for, and the classifier keeps no training photos.
        """
        report = standard(progress)
        if unknown_rate is not None:
            check_rate(unknown_rate)
        if self.known is None and (nearest or unknown_rate):
            raise BundleError(
                "The classifier keeps no training photos: it was trained without them (--unknown-rate 0) or by an "
                "earlier version.\nTrain it again to find unknown photos and the nearest training photos."
            )
        answer = self._predicted(find_files(photos), report, nearest, unknown_rate)
        PhotoCounts.of(answer.paths, answer.skipped).warn(report)
        return answer

    def _all(self, photos: Pictures, progress: Choice) -> Predictions:
        answer = self._predicted(find_files(photos), standard(progress))
        require_all(answer.skipped)
        return answer

    def predictions_of_files(self, paths: Sequence[str], *, nearest: int = 0) -> Predictions:
        """As `predictions`, but each path is that of a photo, and one that is gone is skipped as well."""
        return self._predicted(paths, Silent(), nearest)

    def _predicted(
        self, paths: Sequence[str], report: Progress, nearest: int = 0, rate: float | None = None
    ) -> Predictions:
        features = vectors_of(self.backbone, paths, self.store, report)
        probabilities = self.head.predict_each(features.vectors)
        looked = None if self.known is None else self.known.look(features.vectors, nearest, rate)
        return Predictions(
            features.paths,
            probabilities,
            self.classes,
            features.skipped,
            None if looked is None or rate == 0 else looked.unknown,
            looked.nearest if looked is not None and nearest else None,
            features.hashes,
        )

    def evaluate(
        self, photos: Pictures | PhotoSet, labels: Iterable[str] | None = None, progress: Choice = None
    ) -> Measured:
        """Measure on photos with known classes: the test part of a folder or CSV, or all of it if it has no parts.

        Args:
            photos: a folder or CSV, a `PhotoSet`, or a list of photos with `labels`.
            labels: class name of each photo.
            progress: see `headstart.train`.

        Raises:
            DataError: there are classes that training did not know, or no photo can be used.
        """
        report = standard(progress)
        source = open_source(photos, labels, known=self.classes)
        given = source.train if source.test is None else source.test
        check_classes(self.classes, given.classes, "The set measured on")
        features = vectors_of(self.backbone, given.paths, self.store, report)
        clean = without_conflicts(features, [given.labels[i] for i in features.rows])
        counts = PhotoCounts(len(given), features.skipped + clean.skipped)
        measured = measure(self.head, self.classes, clean, counts, self.seen)
        unknown = None if self.known is None else self.known.look(clean.features.vectors).unknown
        measured = replace(measured, notes=source.notes, unknown=unknown)
        measured.warn(report)
        return measured

    def explain(self, photo: Picture, label: str | None = None, method: Method | None = None) -> Explanation:
        """Which places of a photo speak for a class, as a heat map.

        Args:
            photo: a path or a picture in memory.
            label: the class to explain; the predicted one if not given.
            method: `map`: what the class loses if a place of the backbone's last map is left out (quick);
                `occlusion`: if a patch covers it (about 200 runs of the backbone). If not given, `map` where the
                backbone has such a map.

        Raises:
            DataError: the photo cannot be used, there is no such class, or the backbone has no such map.

        Examples:
            >>> import headstart
            >>> trees = headstart.train("photos").classifier
            >>> heat = trees.explain("new.jpg")
            >>> heat.label, heat.method
            ('hemlock', 'map')
            >>> heat.save("heat.png")
        """
        if not is_one_photo(photo):
            raise DataError("Several photos cannot be explained at once.\nExpected one photo. Call it for each.")
        (path,) = find_files(photo)
        try:
            return explain(self.backbone, self.head, self.classes, path, label, method)
        except PhotoError as error:
            raise DataError(f"{show(path)} cannot be used: {error}.\nExpected a photo that can be read.") from error

    def explain_mistakes(self, mistakes: Sequence[Mistake]) -> tuple[Explanation, ...]:
        """Small heat maps of mistakes for reports, see `headstart.trust.explain.explanation.explain_mistakes`."""
        return explain_mistakes(self.backbone, self.head, self.classes, mistakes)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Save as a folder of two files, data only.

        Args:
            folder: to be made.
            overwrite: replace a saved classifier that is there.

        Raises:
            BundleError: the folder exists or cannot be written.
        """
        facts = (self.choice, self.head, self.seed, self.about, self.seen, self.known)
        saved.write(folder, saved.Saved(self.card, self.classes, *facts), overwrite)

    def export(
        self,
        out: str | Path,
        formats: str | Iterable[str],
        *,
        photos: Pictures | None = None,
        precision: Precision | None = None,
        with_resize: bool = False,
        max_loss: float | None = None,
        overwrite: bool = False,
        progress: Choice = None,
    ) -> Exported:
        """Write it for other runtimes, and prove that each file gives its answers; nothing else stays in place.

        Args:
            out: folder to be made.
            formats: one or more of `openvino`, `onnx`, `tflite`, `savedmodel`, `keras`, `tfjs`, `page`, `coreml`,
                `sklearn`, `arrays`.
            photos: to prove on, at most 200 of them; if not given, those it was measured on, if they are still there.
            precision: of the weights: `float32`, `float16` or `int8`; if not given, the usual one of each format.
            with_resize: take photos of any size, and resize them inside the file (`openvino`, `onnx`).
            max_loss: percentage points that int8 may lose: of accuracy if the photos lie in folders named after their
                classes, else of agreement; if not given, 2 of accuracy or 5 of agreement.
            overwrite: replace an export that is there.
            progress: see `headstart.train`.

        Returns:
            what was written, and what each file answered.

        Raises:
            ExportError: a format is not known, cannot express the model or needs a package; the folder exists or
                cannot be written; or a file does not give the classifier's answers.

        Examples:
            >>> import headstart
            >>> trees = headstart.train("photos").classifier
            >>> trees.export("out", "arrays", photos="photos")
            Exported(out: arrays)
        """
        settings = {"photos": photos, "precision": precision, "with_resize": with_resize, "max_loss": max_loss}
        exported: Exported = exporter().export(self, out, formats, **settings, overwrite=overwrite, progress=progress)
        return exported

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        store: str | Path | None = None,
        backbone: str = "",
        progress: Choice = None,
        fetch: bool = False,
    ) -> Classifier:
        """Read a saved classifier; nothing in it is run, and nothing is downloaded unless `fetch` is true.

        Args:
            folder: that `save` made.
            store: folder of the feature store; the user's if not given.
            backbone: where its backbone is now, if that is not where it was. A handle given here is downloaded.
            progress: see `headstart.train`.
            fetch: whether its backbone may be downloaded from the address in the bundle, if it is not here. No
                token is sent: whoever made the bundle has chosen the address.

        Raises:
            BundleError: it is not as it was saved, or its parts do not fit together.
            NotFetchedError: its backbone is not here, and `fetch` is False.
            BackboneError: its backbone is not the one that this version knows.
        """
        found, kept = saved.read(folder), Store(store)
        opened = backbones.load_card(found.card, kept.compiled, backbone, standard(progress), fetch)
        notes: tuple[str, ...] = ()
        if opened.card.precision != found.card.precision:
            notes = (
                f"Trained in {found.card.precision}, which this processor lacks: vectors are computed in "
                f"{opened.card.precision} and differ slightly.",
            )
        parts = (found.head, found.classes, found.choice, found.seed, found.seen, found.about)
        return cls(opened, *parts, kept, notes, found.known)
