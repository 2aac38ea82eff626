"""What a classifier returns: predictions, measurements, and an outcome for every photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from headstart.evaluation.intervals import Protocol
from headstart.evaluation.leakage import Clean
from headstart.evaluation.metrics import Evaluation, evaluate, mean_of
from headstart.evaluation.shown import Reported, Shown
from headstart.features.extraction import Hashes, Skipped
from headstart.progress import Progress, Standard
from headstart.safety.printable import counted


@dataclass(frozen=True)
class PhotoCounts:
    """How many photos there were, and those that were not used.

    Attributes:
        found: all of them. skipped: those not used, with reasons.
    """

    found: int
    skipped: tuple[Skipped, ...]

    @classmethod
    def of(cls, used: Sequence[object], skipped: tuple[Skipped, ...]) -> Self:
        """The counts of photos that were used and others that were not."""
        return cls(len(used) + len(skipped), skipped)

    @property
    def used(self) -> int:
        """Photos that were used."""
        return self.found - len(self.skipped)

    @property
    def reasons(self) -> dict[str, int]:
        """Skipped photos for each reason, in alphabetical order."""
        return dict(sorted(Counter(one.reason for one in self.skipped).items()))

    def warn(self, progress: Progress) -> None:
        """Warn Python users of photos that were not used; the command line lists them at the end."""
        if self.skipped and isinstance(progress, Standard):
            why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
            progress.caution(
                f"{len(self.skipped):,} of {counted(self.found, 'photo')} not used: {why}. "
                "The result's `skipped` lists them."
            )

    def to_json(self) -> dict[str, Any]:
        """The `photos` of all documents, see docs/json.md."""
        return {
            "found": self.found,
            "used": self.used,
            "skipped": len(self.skipped),
            "reasons": self.reasons,
            "files": [asdict(one) for one in self.skipped],
        }


@dataclass(frozen=True)
class Nearest:
    """A training photo, as class/file, and the cosine of its features and those of a photo, -1..1."""

    name: str
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """One of the `nearest` of all documents, see docs/json.md."""
        return {"training_photo": self.name, "cosine": self.cosine}


@dataclass(frozen=True, repr=False)
class Predictions(Shown):
    """What a classifier predicts for photos.

    Attributes:
        paths: m photos that could be used.
        probabilities: float64 `(m, k)`, calibrated, columns in the order of `classes`.
        classes: class names.
        skipped: the other photos.
        unknown: bool `(m,)`, whether a photo is unlike all training photos; its probabilities mean little. None: the
            classifier keeps no training photos, or was asked to refuse none.
        nearest: of each photo the nearest training photos, if they were asked for.
        hashes: V32 `(m,)`, SHA-256 of each file's bytes.
    """

    paths: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    unknown: npt.NDArray[np.bool_] | None = None
    nearest: tuple[tuple[Nearest, ...], ...] | None = None
    hashes: Hashes = field(default_factory=lambda: np.empty(0, "V32"))

    def __repr__(self) -> str:
        return f"Predictions({counted(len(self.paths), 'photo')}, {len(self.skipped):,} skipped)"

    @property
    def labels(self) -> list[str]:
        """The most probable class of each photo."""
        return [self.classes[i] for i in self.probabilities.argmax(axis=1)]

    def to_json(self) -> dict[str, Any]:
        """The `predictions` and `photos` of `headstart predict --json`, see docs/json.md."""
        unknown = [None] * len(self.paths) if self.unknown is None else self.unknown.tolist()
        predictions: list[dict[str, Any]] = [
            {
                "path": path,
                "predicted": label,
                "probability": float(row.max()),
                "probabilities": dict(zip(self.classes, row.tolist(), strict=True)),
                "unknown": refused,
            }
            for path, label, row, refused in zip(self.paths, self.labels, self.probabilities, unknown, strict=True)
        ]
        if self.nearest is not None:
            for one, nearest in zip(predictions, self.nearest, strict=True):
                one["nearest"] = [photo.to_json() for photo in nearest]
        return {
            "predictions": predictions,
            "photos": PhotoCounts.of(self.paths, self.skipped).to_json(),
        }


@dataclass(frozen=True)
class Answers:
    """Which photos were predicted right: what a paired test needs.

    Attributes:
        paths: n photos measured on.
        right: bool `(r, n)`, for r repeats of cross-validation; r is 1 for a test set.
        folds: int8 `(r, n)`, the fold that photo i was in; None for a test set.
        once: bool `(n,)`, true for one photo of each group of copies.
    """

    paths: tuple[str, ...]
    right: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int8] | None
    once: npt.NDArray[np.bool_]


@dataclass(frozen=True, repr=False)
class Measured(Reported):
    """An evaluation with all predictions that it was made from.

    Attributes:
        evaluation: the figures, which refer to classes and mistakes by name.
        labels: intp `(n,)`, the true class of each photo.
        probabilities: float32 `(n, k)` of each photo; over repeats of cross-validation, their mean.
        answers: which photos, and whether each was predicted right.
        photos: how many were looked at, and those that could not be used.
        seen: photos measured on that the head was trained on.
        unknown: bool `(n,)`, see `Predictions.unknown`; refused photos count in the other figures all the same.
        notes: what was left out and why.
    """

    evaluation: Evaluation
    labels: npt.NDArray[np.intp]
    probabilities: npt.NDArray[np.float32]
    answers: Answers
    photos: PhotoCounts
    seen: int = 0
    unknown: npt.NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Measured({self.evaluation.summary})"

    def warn(self, progress: Progress) -> None:
        """Warn Python users of what makes the figures doubtful; the command line prints it with the figures."""
        if isinstance(progress, Standard):
            for note in self.notes:
                progress.caution(note)
            if self.seen:
                progress.caution(
                    f"{self.seen:,} of the {self.evaluation.n:,} photos measured on were trained on: the figures are "
                    "optimistic. Measure on other photos."
                )
            self.photos.warn(progress)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Photos that were not used, with reasons."""
        return self.photos.skipped

    @property
    def accuracy(self) -> float:
        """Share of right predictions, 0..1."""
        return self.evaluation.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy."""
        return self.evaluation.interval

    @property
    def refused(self) -> float | None:
        """Share of photos refused as unknown, 0..1; None if the classifier refuses none."""
        return None if self.unknown is None else float(self.unknown.mean())

    @property
    def accuracy_of_kept(self) -> float | None:
        """Accuracy on the photos that are not refused, 0..1; None if none is refused or none is left."""
        if self.unknown is None or self.unknown.all():
            return None
        return float((self.probabilities.argmax(axis=1) == self.labels)[~self.unknown].mean())

    @property
    def confusion(self) -> npt.NDArray[np.float64]:
        """Photos of each true class (row) predicted as each class (column), float64 `(k, k)`."""
        return self.evaluation.confusion

    @property
    def paths(self) -> tuple[str, ...]:
        """Photos measured on, n of them."""
        return self.answers.paths


def measured_on(
    photos: Clean,
    classes: Sequence[str],
    repeats: Sequence[npt.NDArray[np.float64]],
    counts: PhotoCounts,
    folds: npt.NDArray[np.int8] | None = None,
) -> Measured:
    """What predictions of photos with known classes show.

    Args:
        photos: n of them, with labels among `classes`. classes: k names.
        repeats: for each repeat (one for a test set) float64 `(n, k)` probabilities.
        counts: all photos that were looked at.
        folds: int8 `(r, n)` of cross-validation; None: a test set.
    """
    labels, paths, mean = photos.numbers(classes), photos.features.paths, mean_of(repeats)
    protocol: Protocol = "test set" if folds is None else "cross-validation"
    evaluation = evaluate(labels, repeats, classes, paths, protocol, photos.independent, mean)
    return Measured(evaluation, labels, mean, answers_of(paths, labels, repeats, photos.groups, folds), counts)


def answers_of(
    paths: tuple[str, ...],
    labels: npt.NDArray[np.intp],
    repeats: Sequence[npt.NDArray[np.float64]],
    groups: npt.NDArray[np.void],
    folds: npt.NDArray[np.int8] | None = None,
) -> Answers:
    """Which photos were predicted right.

    Args:
        paths: n photos. labels: intp `(n,)`, true classes. repeats: for each float64 `(n, k)` probabilities.
        groups: a key for each photo, equal for copies; void `(n,)`.
        folds: int8 `(r, n)` of cross-validation.
    """
    once = np.zeros(len(labels), bool)
    once[len(groups) - 1 - np.unique(groups[::-1], return_index=True)[1]] = True
    return Answers(paths, np.stack([p.argmax(axis=1) == labels for p in repeats]), folds, once)
