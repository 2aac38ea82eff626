"""Learning curves: accuracy against photos per class, from vectors already computed.

Every point is measured as `headstart train` does, with heads of the same kind whose strength is chosen on the photos
that they are trained on. The last point is the measurement of `headstart train` itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.evaluation.cross_validation import FOLDS
from headstart.evaluation.intervals import Protocol, accuracy_interval
from headstart.evaluation.leakage import Clean
from headstart.evaluation.learning_curve import extrapolation
from headstart.evaluation.learning_curve.class_advice import Advice, advise
from headstart.evaluation.learning_curve.extrapolation import PowerLaw
from headstart.evaluation.learning_curve.measuring import Folds, HeldOut, Split
from headstart.evaluation.metrics import Evaluation, Labels
from headstart.evaluation.results import Answers
from headstart.evaluation.shown import Drawn
from headstart.heads.fitting import fit
from headstart.heads.head import HeadChoice, Kind, Vectors
from headstart.photos.splits import stratified_folds
from headstart.safety.printable import counted, percent

SIZES = (3, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240)
#: Heads trained for each size: more where photos are few, as results vary more there and training is quick.
_MOST_DRAWS, _PHOTOS_TRAINED = 8, 2400
_LEAST_POINTS = 4
_BOOTSTRAP = 400
_AHEAD = (2, 4)
#: For the advice if the head has no l2: the value that cross-validation chooses most often.
_USUAL_L2 = 0.1


@dataclass(frozen=True)
class Point:
    """Accuracy for a number of photos.

    Attributes:
        per_class: photos of each class trained on; the mean if some classes have fewer.
        photos: of all classes. draws: heads that were trained; 0 if extrapolated.
        accuracy: 0..1, their mean. interval: 95 % band.
    """

    per_class: int
    photos: int
    draws: int
    accuracy: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """One of the `points` of a `learning_curve`, see docs/json.md."""
        return {
            "photos_per_class": self.per_class,
            "train": self.photos,
            "draws": self.draws,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
        }


@dataclass(frozen=True, repr=False)
class LearningCurve(Drawn):
    """Accuracy against photos per class.

    Attributes:
        points: measured, the fewest photos first; empty if there are too few.
        law: the power law through the points; None if there are too few points or they do not rise.
        ahead: predictions of the law for more photos.
        advice: which class needs more photos.
    """

    points: tuple[Point, ...]
    law: PowerLaw | None
    ahead: tuple[Point, ...]
    advice: Advice

    def __repr__(self) -> str:
        return f"LearningCurve({counted(len(self.points), 'point')}: {self.text})"

    @property
    def text(self) -> str:
        """The curve in words, without the advice."""
        if not self.points:
            return "There are too few photos for a learning curve."
        last = self.points[-1]
        sentences = [f"With {counted(last.per_class, 'photo')} per class the accuracy is {_percent(last)}"]
        if len(self.points) > 1:
            first = self.points[0]
            sentences[0] += f"; with {first.per_class} it was {percent(first.accuracy)}"
        if self.ahead:
            double = self.ahead[0]
            sentences.append(f"If the trend continues, {double.per_class} per class would give {_percent(double)}")
        elif len(self.points) < _LEAST_POINTS:
            sentences.append("There are too few points to predict what more photos would give")
        else:
            sentences.append("The accuracy did not rise with more photos")
        return ". ".join(sentences) + "."

    def to_json(self) -> dict[str, Any]:
        """The `learning_curve` of all documents, see docs/json.md."""
        ahead = None
        if self.law is not None and self.ahead:
            ahead = {"law": self.law.to_json(), "points": [point.to_json() for point in self.ahead]}
        return {
            "points": [point.to_json() for point in self.points],
            "extrapolation": ahead,
            "advice": self.advice.to_json(),
            "text": self.text,
        }


def learning_curve(
    choice: HeadChoice, train: Clean, test: Clean | None, evaluation: Evaluation, answers: Answers, seed: int
) -> LearningCurve:
    """Measure the accuracy from a few photos a class up to all of them.

    The last point is the `evaluation`, with its accuracy and interval. Without test photos the others are measured by
    cross-validation in five folds. A photo and its copies count as one, in training and in measuring. A class with
    fewer photos than a size contributes all it has.

    Args:
        choice: of the head. Without an l2 the advice by class takes a usual one.
        train: the photos, their vectors power-normalised. test: photos that were not trained on; None: measured by
            cross-validation.
        evaluation, answers: what was measured with a head trained on all of `train`.
        seed: of the draws.
    """
    classes = evaluation.classes
    once = np.sort(np.unique(train.groups, return_index=True)[1])
    vectors, labels = train.features.vectors[once], train.numbers(classes)[once]
    if test is None and int(np.bincount(labels).min()) < _LEAST_POINTS:
        return LearningCurve((), None, (), Advice("Take at least ten photos of each class."))
    keys = train.content_keys()[once].tolist()
    if test is None:
        split: Split = Folds(stratified_folds(labels, keys, FOLDS, seed))
        whole = answers.right[:, once]
    else:
        alone = np.flatnonzero(answers.once)
        split = HeldOut(test.take(alone.tolist()).features.vectors, test.numbers(classes)[alone])
        whole = answers.right[:, alone]
    heads = _Heads(choice.kind, vectors, labels, keys, split, seed)
    points, rights = [], []
    for wanted in heads.sizes():
        right, photos = heads.right(wanted)
        points.append(_point(right, photos, len(classes), evaluation.protocol))
        rights.append(right)
    points.append(_last(evaluation, answers, len(once), len(classes)))
    rights.append(whole)
    law, ahead = _extrapolated(points, rights, len(classes), seed)
    return LearningCurve(
        tuple(points), law, ahead, advise(vectors, labels, classes, choice.l2 or _USUAL_L2, split, seed)
    )


@dataclass(frozen=True)
class _Heads:
    """Trains heads on a number of photos of each class; arguments as for `learning_curve`."""

    kind: Kind
    vectors: Vectors
    labels: Labels
    keys: Sequence[bytes]
    split: Split
    seed: int

    def sizes(self) -> list[int]:
        """Numbers of photos per class, fewer than all."""
        share = 1.0 if self.split.rounds == 1 else 1 - 1 / self.split.rounds
        usual = share * float(np.median(np.bincount(self.labels)))
        return [size for size in SIZES if size < 0.8 * usual]

    def right(self, wanted: int) -> tuple[npt.NDArray[np.bool_], int]:
        """Which photos are classified correctly, bool `(draws, photos)`, and the mean number of photos trained on."""
        k = int(self.labels.max()) + 1
        draws = max(1, min(_MOST_DRAWS, _PHOTOS_TRAINED // min(wanted * k, len(self.labels))))
        draws = -(-draws // self.split.rounds)
        right = np.empty((draws, len(self.split.truth(self.labels))), bool)
        trained = []
        for draw, row in enumerate(right):
            order = np.random.default_rng([self.seed, draw]).permutation(len(self.labels))
            for part in self.split.parts(self.vectors, self.labels):
                chosen = _first(order[part.train[order]], self.labels, wanted)
                head = fit(self.kind, self.vectors[chosen], self.labels[chosen], self._folds(chosen)).head
                row[part.places] = head.predict_proba(part.vectors).argmax(axis=1) == part.labels
                trained.append(len(chosen))
        return right, round(float(np.mean(trained)))

    def _folds(self, chosen: Labels) -> Labels:
        """Folds for choosing the strength of a head."""
        labels = self.labels[chosen]
        most = int(np.bincount(labels).max())
        return stratified_folds(labels, [self.keys[i] for i in chosen], max(2, min(FOLDS, most)), self.seed)


def _first(order: Labels, labels: Labels, wanted: int) -> Labels:
    """The first `wanted` photos of every class in a random order, so that larger draws contain the smaller ones."""
    own = labels[order]
    return np.sort(np.concatenate([order[own == c][:wanted] for c in range(int(labels.max()) + 1)]))


def _point(right: npt.NDArray[np.bool_], photos: int, classes: int, protocol: Protocol) -> Point:
    accuracy = float(right.mean())
    effective = accuracy * (1 - accuracy) / _variance(right) if 0 < accuracy < 1 else right.shape[1]
    interval = accuracy_interval(protocol, accuracy, max(1, round(effective)))
    return Point(round(photos / classes), photos, len(right), accuracy, interval)


def _last(found: Evaluation, answers: Answers, photos: int, classes: int) -> Point:
    """The point of all photos: in k folds each head was trained on (k - 1) / k of them."""
    trained = photos if answers.folds is None else round(photos * (1 - 1 / (int(answers.folds.max()) + 1)))
    return Point(round(trained / classes), trained, len(answers.right), found.accuracy, found.interval)


def _variance(right: npt.NDArray[np.bool_]) -> float:
    """Variance of the mean accuracy: the photos measured on are a sample, and so are the draws.

    `p (1 - p) / n` for n photos, and the variance of the draws' accuracies over their number. Wilson's interval is
    computed for the number of photos that gives this variance (the "effective" sample size, Kish 1965).
    """
    accuracy = min(max(float(right.mean()), 0.5 / right.shape[1]), 1 - 0.5 / right.shape[1])
    draws = float(right.mean(axis=1).var(ddof=1)) / len(right) if len(right) > 1 else 0.0
    return float(accuracy * (1 - accuracy) / right.shape[1] + draws)


def _extrapolated(
    points: Sequence[Point], rights: Sequence[npt.NDArray[np.bool_]], classes: int, seed: int
) -> tuple[PowerLaw | None, tuple[Point, ...]]:
    """The law through the points, and its predictions for two and four times the photos.

    The band is a bootstrap over draws and photos at once: the same photos for all sizes, as they were measured on.
    """
    if len(points) < _LEAST_POINTS:
        return None, ()
    sizes, means = [point.photos / classes for point in points], [point.accuracy for point in points]
    variances = [_variance(right) for right in rights]
    law = extrapolation.fit(sizes, means, variances)
    if law.scale <= 0 or means[-1] <= means[0]:
        return None, ()
    rng = np.random.default_rng([seed, 400])
    n = rights[0].shape[1]
    weights = rng.multinomial(n, np.full(n, 1 / n), _BOOTSTRAP).astype(np.float32) / n
    again = np.empty((_BOOTSTRAP, len(points)))
    for place, right in enumerate(rights):
        drawn = weights @ right.T.astype(np.float32)  # (bootstrap, draws)
        picked = rng.integers(0, len(right), (_BOOTSTRAP, len(right)))
        again[:, place] = np.take_along_axis(drawn, picked, axis=1).mean(axis=1)
    ahead = [times * points[-1].photos / classes for times in _AHEAD]
    low, high = extrapolation.predict(sizes, again, variances, ahead)
    expected = law.accuracy(ahead)
    low, high = np.minimum(low, expected), np.maximum(high, expected)
    return law, tuple(
        Point(round(size), round(size * classes), 0, float(mean), (float(bottom), float(top)))
        for size, mean, bottom, top in zip(ahead, expected, low, high, strict=True)
    )


def _percent(point: Point) -> str:
    low, high = point.interval
    return f"{percent(point.accuracy)} ({100 * low:.1f} to {100 * high:.1f})"
