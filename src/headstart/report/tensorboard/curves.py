"""Loss and accuracy per epoch, on the photos trained on and on others, with a description of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.classifier.trial import Trial
from headstart.evaluation.cross_validation import FOLDS
from headstart.heads.history import Curve, Examples, logistic_history, point
from headstart.photos.splits import stratified_folds


@dataclass(frozen=True)
class Curves:
    """What Keras' TensorBoard callback writes: `epoch_loss` and `epoch_accuracy` of `train` and `validation`.

    Attributes:
        train, validation: equally long.
        what: a description of an epoch here, and of the photos for validation.
    """

    train: Curve
    validation: Curve
    what: str


def curves(trial: Trial) -> Curves:
    """The solver's way to the chosen head; one point for heads without iterations."""
    classifier, measured, test = trial.classifier, trial.measured, trial.data.test
    vectors, labels = trial.data.train.features.vectors, trial.data.train.numbers(classifier.classes)
    kind, l2 = classifier.choice.kind, classifier.choice.l2
    where = f"the {len(measured.labels):,} photos of the test set"
    if kind != "logistic" or l2 is None:
        if test is None:
            where = (
                f"all {len(labels):,} photos, each predicted by heads that were not trained on it (mean over repeats)"
            )
        what = (
            f"A {kind} head is solved in one step: its curves have one point. Training: the {len(labels):,} photos "
            f"trained on, after calibration. Validation: {where}."
        )
        trained = point(classifier.head.predict_proba(vectors), labels)
        return Curves(trained, point(measured.probabilities, measured.labels), what)
    if test is None:
        training, validation = _one_fold(trial, labels)
        where = (
            f"{len(validation.labels):,} held-out photos, one fold of {FOLDS}; the saved head is trained on them too"
        )
    else:
        training, validation = Examples(vectors, labels), Examples(test.features.vectors, measured.labels)
    what = (
        f"An epoch is one iteration of the solver, from zero to the head with the chosen l2 = {l2:.3g}. Training: "
        f"{len(training.labels):,} photos. Validation: {where}. The loss is the mean of -ln p(true class), without "
        "the penalty and before calibration."
    )
    return Curves(*logistic_history(training, validation, l2), what)


def _one_fold(trial: Trial, labels: np.ndarray[tuple[int], np.dtype[np.intp]]) -> tuple[Examples, Examples]:
    """Photos to train on and photos to validate on; copies of a photo stay together."""
    train = trial.data.train
    folds = stratified_folds(labels, train.content_keys().tolist(), FOLDS, trial.classifier.seed)
    # Every class needs photos to train on: the fold must not have both photos of a class with two.
    fold = next(f for f in range(FOLDS) if len(np.unique(labels[folds != f])) == len(np.unique(labels)))
    inside, outside = folds != fold, folds == fold
    vectors = train.features.vectors
    return Examples(vectors[inside], labels[inside]), Examples(vectors[outside], labels[outside])
