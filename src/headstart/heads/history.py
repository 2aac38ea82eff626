"""Loss and accuracy after each iteration of a head's solver, on photos trained on and on others.

Heads are solved for many strengths and folds at once, each strength starting from the last, so the search itself has
no meaningful curve. The chosen head is therefore solved once more, alone and from zero, and measured after each step. A
step corresponds to an epoch of gradient descent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.heads import logistic
from headstart.heads.basis import Basis
from headstart.heads.fitting import class_weights
from headstart.heads.head import Vectors, softmax
from headstart.heads.linear_algebra import one_thread


@dataclass(frozen=True)
class Curve:
    """One point for each iteration, in their order.

    Attributes:
        loss: mean of `-ln p(true class)` over the photos, all counting the same, without the penalty and before
            calibration.
        accuracy: share of right predictions, 0..1.
    """

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class Examples:
    """Photos with known classes.

    Attributes:
        vectors: float32 `(n, dim)`.
        labels: intp `(n,)`, `0..k-1`.
    """

    vectors: Vectors
    labels: npt.NDArray[np.intp]


@one_thread()
def logistic_history(training: Examples, validation: Examples, l2: float) -> tuple[Curve, Curve]:
    """Solve a logistic head from zero and measure it after each iteration.

    Args:
        training: every class present. validation: photos that are not trained on.
        l2: the strength that was chosen.

    Returns:
        the curves of training and validation, equally long.
    """
    weights = class_weights(training.labels)
    basis = Basis(training.vectors, weights)
    points: list[tuple[float, float, float, float]] = []
    for inside, intercept in logistic.follow(basis, training.labels, weights[:, None].astype(np.float32), l2):
        seen = np.empty((len(training.labels), len(intercept)), np.float32)
        for rows, scores in basis.scores(inside):
            seen[rows] = scores + intercept
        outside = basis.back(inside)
        unseen = validation.vectors @ outside + (intercept - basis.mean @ outside)
        points.append((*_figures(seen, training.labels), *_figures(unseen, validation.labels)))
    loss, accuracy, held_loss, held_accuracy = zip(*points, strict=True)
    return Curve(loss, accuracy), Curve(held_loss, held_accuracy)


def point(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.intp]) -> Curve:
    """The one point of a head that is solved in one step."""
    loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12))
    return Curve((float(loss.mean()),), (float((probabilities.argmax(axis=1) == labels).mean()),))


def _figures(scores: Vectors, labels: npt.NDArray[np.intp]) -> tuple[float, float]:
    one = point(softmax(scores), labels)
    return one.loss[0], one.accuracy[0]
