"""Labels that are probably wrong, found with predictions of heads that did not see the photo.

A low probability of a photo's own label is not enough: a head is unsure of hard photos, too, and the sum of 1 - p(own
label) over a list counts them as wrong. On clothing10 with 5 % of the labels replaced at random, of 76 photos with the
lowest probabilities that sum is 72, but 35 are wrong. So labels are modelled as a mixture. A share `e` of them was
drawn at random from all k classes, the others follow the head:

    P(label | photo) = (1 - e) q(label) + e / k,    q proportional to p ** t

`t` undoes the caution that the head learned from the wrong labels. `e` and `t` are those of the highest likelihood
on the held-out photos. The two are told apart by shape: the mistakes of a head become rare quickly where it is certain,
random labels do not. Bayes' rule then gives the probability that a label is random; times 1 - q(label), because a
random label may be right, it is the probability that it is wrong. The sum over a list is the number of wrong labels to
expect in it. A list is made only if the likelihood with `e` is
significantly higher than without (twice the log ratio above 2.71: 5 %, one-sided, because `e` cannot be negative).

That labels and predictions show which labels are wrong, if the mistakes depend on the classes alone: Northcutt, Jiang
and Chuang 2021 (Journal of Artificial Intelligence Research 70:1373). Photos that people systematically label wrong in
the same way teach the head that mistake; such labels are not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: A label is listed if it is more probably wrong than right.
_LISTED = 0.5
#: Twice a log-likelihood ratio that chance exceeds in 5 %, for a share that cannot be negative.
_SIGNIFICANT = 2.71
_POWERS = 2.0 ** np.arange(-1, 2.26, 0.25)
_STEPS = 100
_NEAREST = 3

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SuspiciousLabel:
    """A photo whose label is probably wrong.

    Attributes:
        path: of the photo. label: that it has. suggested: the class that it looks like.
        wrong_probability: that the label is wrong, 0..1.
        like_label: the nearest other photos with its label. like_suggested: those of the suggested class.
    """

    path: str
    label: str
    suggested: str
    wrong_probability: float
    like_label: tuple[str, ...]
    like_suggested: tuple[str, ...]


@dataclass(frozen=True)
class SuspiciousLabels:
    """Labels that are probably wrong.

    Attributes:
        listed: the most probably wrong first.
        expected: number of them that are wrong, estimated.
        share: of all labels that are wrong, estimated, 0..1; 0 if it is not significant.
        photos: whose labels were looked at.
    """

    listed: tuple[SuspiciousLabel, ...]
    expected: float
    share: float
    photos: int

    def to_json(self) -> dict[str, Any]:
        """The `suspicious` of `headstart check --json`, see docs/json.md."""
        return {
            "expected_wrong": self.expected,
            "wrong_share": self.share,
            "n": self.photos,
            "labels": [
                {
                    "path": one.path,
                    "label": one.label,
                    "suggested": one.suggested,
                    "wrong_probability": one.wrong_probability,
                    "like_label": list(one.like_label),
                    "like_suggested": list(one.like_suggested),
                }
                for one in self.listed
            ],
        }


def wrong_probabilities(probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.intp]) -> Numbers:
    """The probability that each label is wrong, float64 `(n,)`; zeros if no label is significantly so.

    Args:
        probabilities: `(n, k)`, each photo's by heads that did not see it.
        labels: intp `(n,)`.
    """
    n, k = probabilities.shape
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), 1e-12))
    none, best, found = -np.inf, -np.inf, np.zeros(n)
    for power in _POWERS:
        scores = power * (logarithms - logarithms.max(axis=1, keepdims=True))
        own = np.exp(scores[np.arange(n), labels]) / np.exp(scores).sum(axis=1)
        share = 0.05
        for _ in range(_STEPS):  # expectation and maximisation: the share is the mean of the posteriors
            random = share / k / (share / k + (1 - share) * own)
            share = float(random.mean())
        likelihood = float(np.log(share / k + (1 - share) * own).sum())
        none = max(none, float(np.log(np.maximum(own, 1e-300)).sum()))
        if likelihood > best:
            best, found = likelihood, random * (1 - own)  # random, and not the class that it shows
    return found if 2 * (best - none) > _SIGNIFICANT else np.zeros(n)


def suspicious(
    paths: Sequence[str],
    labels: npt.NDArray[np.intp],
    classes: Sequence[str],
    probabilities: npt.NDArray[np.floating],
    vectors: npt.NDArray[np.float32],
) -> SuspiciousLabels:
    """The labels that are more probably wrong than right.

    Args:
        paths: n photos. labels: intp `(n,)`, the class of each. classes: k names.
        probabilities: `(n, k)`, each photo's by heads that did not see it.
        vectors: float32 `(n, dim)`, power-normalised features, for the nearest neighbours.
    """
    wrong = wrong_probabilities(probabilities, labels)
    rows = np.flatnonzero(wrong >= _LISTED)
    rows = rows[np.argsort(-wrong[rows], kind="stable")]
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    listed = []
    for i in rows.tolist():
        suggested = int(others[i].argmax())
        near = [_nearest(vectors, np.flatnonzero(labels == c), i) for c in (labels[i], suggested)]
        like = [tuple(paths[j] for j in found) for found in near]
        listed.append(
            SuspiciousLabel(paths[i], classes[labels[i]], classes[suggested], float(wrong[i]), like[0], like[1])
        )
    return SuspiciousLabels(tuple(listed), float(wrong[rows].sum()), float(wrong.mean()), len(labels))


def _nearest(vectors: npt.NDArray[np.float32], among: npt.NDArray[np.intp], photo: int) -> list[int]:
    """The photos nearest to a photo by cosine, itself left out."""
    among = among[among != photo]
    some = vectors[among]
    cosines = some @ vectors[photo] / np.maximum(np.linalg.norm(some, axis=1), np.finfo(np.float32).tiny)
    nearest: list[int] = among[np.argsort(-cosines, kind="stable")[:_NEAREST]].tolist()
    return nearest
