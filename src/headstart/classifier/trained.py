"""The result of `train`: a classifier, how good it is, and how it was made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headstart.classifier.against import Against
from headstart.classifier.classifier import Classifier
from headstart.classifier.trial import Trial
from headstart.classifier.viewing import TriedView
from headstart.evaluation.results import Measured
from headstart.evaluation.shown import Reported, presenter
from headstart.features.extraction import Skipped
from headstart.safety.printable import counted
from headstart.trust.explain.explanation import Explanation

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
        against: how it compares with an old classifier; None if that was not asked for, or there are no photos for it.
        views: that `auto` tried; empty: it was not asked for.
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
    against: Against | None = None
    views: tuple[TriedView, ...] = ()

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
            "views": [one.to_json() for one in self.views] or None,
            "features": self.work.to_json(),
            "learning_curve": None if self.learning_curve is None else self.learning_curve.to_json(),
            "against": None if self.against is None else self.against.to_json(),
            "seconds": self.seconds.to_json(),
        }
