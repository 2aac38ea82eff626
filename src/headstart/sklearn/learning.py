"""What the classifiers share: labels of any type, and a head that is trained on features as `headstart.train` does."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from headstart.classifier.trial import check_settings
from headstart.errors import DataError
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.leakage import check_complete, without_conflicts
from headstart.features.extraction import Features
from headstart.heads.head import Head, Kind, Vectors
from headstart.progress import warn
from headstart.safety.printable import counted, show

#: Where the type of labels shows; numbers of all types are one kind.
_KINDS = ((str, "text"), ((bool, np.bool_), "booleans"), (numbers.Real, "numbers"))
_SHOWN = 3
_CHUNK = 1024


@dataclass(frozen=True)
class Target:
    """What is to be learned.

    Attributes:
        classes: `(k,)`, the labels that there are, sorted, in the type of y.
        numbers: intp `(n,)`, position of each photo's label in `classes`.
        seed: of the folds in which the strength is chosen.
    """

    classes: npt.NDArray[Any]
    numbers: npt.NDArray[np.intp]
    seed: int


class HeadLearner(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A classifier whose `head_` is trained as `headstart.train` trains one.

    Attributes:
        classes_: `(k,)`, the labels in the order of the columns of `predict_proba`.
        head_: the trained head.
        strength_: what cross-validation chose: l2 of `logistic` and `ridge`, shrinkage of `lda`, neighbours of `knn`;
            None for `centroid`.
    """

    head: Kind
    random_state: int | np.random.RandomState | None
    classes_: npt.NDArray[Any]
    head_: Head
    strength_: float | None

    @abstractmethod
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64 `(n, k)`."""

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label of each row of X, `(n,)`, in the type of the labels given to `fit`.

        Raises:
            NotFittedError: `fit` was not called. See also `predict_proba`.
        """
        best = self.predict_proba(X).argmax(axis=1)
        most: npt.NDArray[Any] = self.classes_[best]
        return most

    def _target(self, y: Any, rows: int) -> Target:
        """Check the settings and the labels, before any work."""
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31)
        check_settings(self.head, int(seed))
        classes, positions = np.unique(_labels(y, rows), return_inverse=True)
        if len(classes) == 1:
            raise DataError(f"y has one class, {show(repr(classes.tolist()[0]))}.\nExpected at least two classes.")
        return Target(classes, positions.astype(np.intp), int(seed))

    def _learn(self, features: Features, target: Target) -> None:
        """Train the head on power-normalised features."""
        names = [str(label) for label in target.classes.tolist()]
        clean = without_conflicts(features, [names[position] for position in target.numbers])
        if clean.skipped:
            some = "; ".join(f"{show(one.path)}: {show(one.detail)}" for one in clean.skipped[:_SHOWN])
            left_out = f"{counted(len(clean.skipped), 'photo')} left out of the training, because nobody knows which"
            warn(f"{left_out} label is right: {some}")
        check_complete(names, clean, clean.skipped)
        fitted = cross_validate(self.head, clean, names, target.seed, measuring=False)
        self.classes_, self.head_, self.strength_ = target.classes, fitted.head, fitted.strength

    def _probabilities(self, vectors: Vectors) -> npt.NDArray[np.float64]:
        """The head's answer, computed in float64: a row's probabilities do not depend on how many rows there are."""
        parts = np.split(vectors, range(_CHUNK, len(vectors), _CHUNK))
        return np.concatenate([self.head_.predict_proba(part.astype(np.float64)) for part in parts])


def _labels(y: Any, rows: int) -> npt.NDArray[Any]:
    """The labels as a one-dimensional array of one type.

    Raises:
        DataError: there is no y, there are not as many labels as rows of X, a label is missing or is neither text, a
            number nor a boolean, or they mix these.
        ValueError: y is no column, or its numbers are not classes.
    """
    if y is None:
        raise DataError("The estimator requires y to be passed, but the target y is None.\nExpected a label a row.")
    listed = isinstance(y, (list, tuple))  # NumPy would turn [0, "a"] into text in silence; objects keep their types
    labels: npt.NDArray[Any] = column_or_1d(np.array(y, dtype=object) if listed else np.asarray(y), warn=True)
    if len(labels) != rows:
        raise DataError(f"X has {rows} rows but y has {len(labels)} labels.\nExpected one label for each row.")
    if labels.dtype.kind in "Of":
        kinds = sorted({_kind(label, row) for row, label in enumerate(labels)})
        if len(kinds) > 1:
            raise DataError(f"y mixes {' and '.join(kinds)}.\nExpected labels of one type.")
        if labels.dtype.kind == "O" and kinds != ["text"] and not listed:  # the scores of scikit-learn refuse them
            raise DataError(f"Unknown label type: y holds {kinds[0]} as objects.\nConvert them: y.astype(int).")
    if labels.dtype.kind == "O":
        labels = np.array(labels.tolist())
    check_classification_targets(labels)
    return labels


def _kind(label: Any, row: int) -> str:
    for types, kind in _KINDS:
        if isinstance(label, types) and label == label:  # NaN is not equal to itself
            return kind
    raise DataError(
        f"The label y[{row}] is {show(repr(label))}.\nExpected text, numbers or booleans, and none missing."
    )
