"""Loss and accuracy per epoch, on photos trained on and on others, and in words what they were computed on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.evaluation import protocol
from headstart.evaluation.protocol import FOLDS
from headstart.heads.history import Curve, Examples, logistic_history, point
from headstart.photos.splits import stratified_folds
from headstart.report.tensorboard.run import Run


@dataclass(frozen=True)
class Curves:
    """What the course's Keras callback writes: `epoch_loss` and `epoch_accuracy` of `train` and `validation`.

    Attributes:
        train, validation: equally long.
        what: what an epoch is here, and which photos the validation is.
    """

    train: Curve
    validation: Curve
    what: str


def curves(run: Run) -> Curves:
    """Follow the solver to the head that was chosen; heads without iterations have one point."""
    classifier = run.classifier
    labels = protocol.numbers(run.labels, classifier.classes_)
    head = classifier.head_
    if head is None:
        raise AssertionError("a run is of a trained classifier")
    if classifier.kind != "logistic":
        seen = point(head.predict_proba(run.learn.vectors), labels)
        unseen = point(run.measured.probabilities, run.measured.labels)
        where = (
            f"the {len(run.measured.labels):,} photos of the test set"
            if run.held is not None
            else f"all {len(labels):,} photos, each judged by heads that did not see it (mean over repeats)"
        )
        what = (
            f"A {classifier.kind} head is solved in one step: its curves have one point. Training: the "
            f"{len(labels):,} photos trained on, after calibration. Validation: {where}."
        )
        return Curves(seen, unseen, what)
    l2 = classifier.strength_
    if l2 is None:
        raise AssertionError("a logistic head has a strength")
    if run.held is not None:
        training, validation = Examples(run.learn.vectors, labels), Examples(run.held.vectors, run.measured.labels)
        where = f"the {len(validation.labels):,} photos of the test set"
    else:
        training, validation = _one_fold(run, labels)
        where = (
            f"{len(validation.labels):,} held-out photos, one fold of {FOLDS}; the saved head is trained on them too"
        )
    train, held = logistic_history(training, validation, l2)
    what = (
        f"An epoch is one iteration of the solver, from zero to the head with the chosen l2 = {l2:.3g}. Training: "
        f"{len(training.labels):,} photos. Validation: {where}. The loss is the mean of -ln p(true class), without "
        "the penalty and before calibration."
    )
    return Curves(train, held, what)


def _one_fold(run: Run, labels: np.ndarray[tuple[int], np.dtype[np.intp]]) -> tuple[Examples, Examples]:
    """Copies of a photo stay on one side."""
    folds = stratified_folds(labels, protocol.group_keys(run.learn).tolist(), FOLDS, run.classifier.seed)
    # Every class must be trained on: of a class with two photos, neither fold may take both.
    fold = next(f for f in range(FOLDS) if len(np.unique(labels[folds != f])) == len(np.unique(labels)))
    inside, outside = folds != fold, folds == fold
    return Examples(run.learn.vectors[inside], labels[inside]), Examples(run.learn.vectors[outside], labels[outside])
