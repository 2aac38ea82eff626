"""Is a new classifier better than an old one? On photos that neither was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.classifier.classifier import Classifier
from headstart.classifier.measuring import vectors_of
from headstart.classifier.trial import Trial
from headstart.evaluation.intervals import Protocol
from headstart.evaluation.paired import Difference, held_out_against_trained
from headstart.features.extraction import require_all
from headstart.progress import Progress
from headstart.safety.printable import counted, show_all


@dataclass(frozen=True)
class Against:
    """A new classifier compared with an old one on the same photos.

    Attributes:
        model: folder of the old classifier.
        protocol: `test set`: photos that neither was trained on. `cross-validation`: photos that the old one was not
            trained on; the answers of the new one come from heads that were trained without the photo.
        new_accuracy, old_accuracy: on these photos, 0..1.
        difference: of the accuracies, the new one's minus the old one's.
        notes: what to know when reading it.
    """

    model: str
    protocol: Protocol
    new_accuracy: float
    old_accuracy: float
    difference: Difference
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The `against` of all documents, see docs/json.md."""
        return {
            "model": self.model,
            "protocol": self.protocol,
            "new_accuracy": self.new_accuracy,
            "old_accuracy": self.old_accuracy,
            "difference": self.difference.to_json(),
            "notes": list(self.notes),
        }


def against(trial: Trial, old: Classifier, model: str, progress: Progress) -> Against | None:
    """Compare what was just trained with an old classifier.

    Args:
        trial: the new classifier, with its answers on the photos that it was measured on.
        old: the other. model: its folder, for the result.
        progress: receives why there is no comparison.

    Returns:
        None if the old one was trained on all photos that the new one was measured on, or knows none of their classes.
    """
    data, answers = trial.data, trial.measured.answers
    photos = data.train if data.test is None else data.test
    seen = np.isin(photos.features.hashes.view(np.uint64).reshape(-1, 4)[:, 0], old.seen)
    # A copy of a photo that the old one was trained on is not new to it; of copies one counts.
    fresh = np.flatnonzero(~np.isin(photos.groups, photos.groups[seen]) & answers.once)
    if not len(fresh):
        progress.caution(
            f"Not compared with {model}: it was trained on all photos that were measured on. Measure on other photos: "
            "--test FOLDER."
        )
        return None
    truth = [photos.labels[i] for i in fresh]
    if not set(truth) & set(old.classes):
        progress.caution(
            f"Not compared with {model}: it knows none of the classes of the photos that were measured on."
        )
        return None
    features = vectors_of(old.backbone, [answers.paths[i] for i in fresh], old.store, progress)
    require_all(features.skipped)
    predicted = old.head.predict_proba(features.vectors).argmax(axis=1)
    right = np.array([old.classes[c] == label for c, label in zip(predicted, truth, strict=True)])
    new = answers.right[:, fresh]
    protocol: Protocol = "cross-validation" if data.test is None else "test set"
    notes = []
    if data.test is None:
        notes.append(
            "Photos that were labelled because the old classifier was uncertain of them are harder for it than other "
            "new photos: on those the difference is smaller. For a fair figure measure on photos chosen at random "
            "(--test)."
        )
    if strange := sorted(set(truth) - set(old.classes)):
        count = counted(sum(label in strange for label in truth), "photo")
        notes.append(f"{count} of classes that the old classifier does not know: {show_all(strange)}.")
    difference = held_out_against_trained(new, right)
    return Against(model, protocol, float(new.mean()), float(right.mean()), difference, tuple(notes))
