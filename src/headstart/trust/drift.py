"""Do new photos differ from those that a classifier was trained and measured on? Two tests, on counts alone.

More refused photos. The limit beyond which a photo is unknown is an order statistic of q distances, so the share that
it refuses of photos like the training ones is itself not known exactly: it follows a beta distribution with parameters
`(q + 1) * rate` and `(q + 1) * (1 - rate)`, whose mean is the rate (Vovk 2012, "Conditional validity of inductive
conformal predictors", section 3). So the number refused of n new photos is beta-binomial, and the p-value is its exact
upper tail. A binomial test would take the rate for exact and, with many photos, find a change where there is none.

Other class shares. The predicted classes of the new photos are compared with the predicted classes of the photos that
the classifier was measured on, not with their true classes: mistakes shift the shares in the same way on both sides.
Both sides are samples. The statistic is the largest deviation of a class from what is expected, in standard deviations,
and its distribution that of 1,999 random tables with the same margins, which is valid for small counts too. The same
tables give each class a p-value that allows for the number of classes (Westfall and Young 1993, section 2.3), so shares
have changed exactly if the share of a class has. Against G of the whole table (Sokal and Rohlf 1995, box 17.6), which
was tried first, a class whose share doubles is found in 40 instead of 24 % of 200 made-up samples (ten classes, 400
photos on either side), with as many false alarms.
The photos that a classifier was measured on often have as many photos of each class as
somebody collected, so a difference need not mean that the world has changed since then.

Photos count as independent. Of photos of the same thing in a row each counts, and the p-values are too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart.evaluation.distributions import beta_binomial_tail
from headstart.evaluation.intervals import wilson
from headstart.evaluation.paired import LEVEL

Numbers = npt.NDArray[np.float64]
Reference = Literal["predicted classes", "true classes"]
#: Random tables that a p-value is taken from: the smallest is 1 / 2,000.
_TABLES = 1999
_SEED = 0


@dataclass(frozen=True)
class UnknownShare:
    """How many photos are refused as unknown, and whether that is more than expected.

    Attributes:
        n: photos. refused: of them.
        interval: 95 % interval of the share refused, 0..1.
        expected: share of photos like the training ones that the classifier refuses, 0..1.
        p: probability that so many or more are refused if the photos are like the training ones, 0..1.
    """

    n: int
    refused: int
    interval: tuple[float, float]
    expected: float
    p: float

    @property
    def share(self) -> float:
        """Of the photos that are refused, 0..1."""
        return self.refused / self.n

    @property
    def is_significant(self) -> bool:
        """Whether more are refused than chance explains: p below 0.05."""
        return self.p < LEVEL

    def to_json(self) -> dict[str, Any]:
        """The `unknown_share` of all documents, see docs/json.md."""
        return {
            "n": self.n,
            "refused": self.share,
            "interval": list(self.interval),
            "expected": self.expected,
            "p": self.p,
            "significant": self.is_significant,
        }


@dataclass(frozen=True)
class ClassShare:
    """How often a class is predicted.

    Attributes:
        name: of the class.
        share: of the new photos, 0..1. expected: of the photos compared with.
        p: probability that any class deviates so much by chance, 0..1.
    """

    name: str
    share: float
    expected: float
    p: float


@dataclass(frozen=True)
class ClassShares:
    """How often each class is predicted, compared with the photos that the classifier was measured on.

    Attributes:
        n: new photos. reference_n: photos compared with.
        reference: what is known of these: their predicted classes or, in some saved classifiers, only their true ones.
        classes: the one with the clearest change first.
    """

    n: int
    reference_n: int
    reference: Reference
    classes: tuple[ClassShare, ...]

    @property
    def p(self) -> float:
        """Probability that the share of any class differs so much by chance, 0..1."""
        return self.classes[0].p

    @property
    def is_significant(self) -> bool:
        """Whether the shares differ by more than chance: p below 0.05."""
        return self.p < LEVEL

    def to_json(self) -> dict[str, Any]:
        """The `class_shares` of all documents, see docs/json.md."""
        return {
            "n": self.n,
            "reference_n": self.reference_n,
            "reference": self.reference,
            "p": self.p,
            "significant": self.is_significant,
            "shares": [
                {"class": one.name, "share": one.share, "expected": one.expected, "p": one.p} for one in self.classes
            ],
        }


@dataclass(frozen=True)
class Drift:
    """Whether new photos differ from those that a classifier was trained and measured on.

    Attributes:
        photos: new ones that were predicted, equal files counted once.
        unknown: how many are refused; None if the classifier refuses none, or there are no photos.
        shares: how often each class is predicted; None if nothing is known to compare with, or there are no photos.
    """

    photos: int
    unknown: UnknownShare | None
    shares: ClassShares | None

    @property
    def is_significant(self) -> bool:
        """Whether one of the two tests finds more than chance."""
        tests = (self.unknown, self.shares)
        return any(one.is_significant for one in tests if one is not None)

    def to_json(self) -> dict[str, Any]:
        """The `drift` of all documents, see docs/json.md."""
        return {
            "n": self.photos,
            "unknown_share": None if self.unknown is None else self.unknown.to_json(),
            "class_shares": None if self.shares is None else self.shares.to_json(),
        }


def unknown_share(refused: int, n: int, rate: float, distances: int) -> UnknownShare:
    """Compare the share of refused photos with the one that is expected.

    Args:
        refused: of n new photos, n >= 1.
        rate: share of photos like the training ones that is refused, between 0 and 1.
        distances: number of training photos whose distances the limit was taken from.
    """
    p = beta_binomial_tail(refused, n, (distances + 1) * rate, (distances + 1) * (1 - rate))
    return UnknownShare(n, refused, wilson(refused / n, n), rate, p)


def class_shares(
    counts: npt.NDArray[np.int64],
    compared: npt.NDArray[np.int64],
    classes: Sequence[str],
    reference: Reference = "predicted classes",
) -> ClassShares:
    """Compare how often each class occurs among two samples of photos.

    Args:
        counts: int64 `(k,)`, new photos of each predicted class; at least one photo.
        compared: int64 `(k,)`, photos of each class that the classifier was measured on; at least one photo.
        classes: k names.
        reference: see `ClassShares`.
    """
    n, m = int(counts.sum()), int(compared.sum())
    both = counts + compared
    tables = np.random.default_rng(_SEED).multivariate_hypergeometric(both, n, _TABLES, method="marginals")
    largest = _deviations(tables, both, n).max(axis=1)
    own = _deviations(counts[None], both, n)[0]
    # Rounding must not make a table that is equal to ours smaller. With ours counted, the p-values are valid with any
    # number of tables (Phipson and Smyth 2010).
    p = [(int((largest >= one - 1e-9).sum()) + 1) / (_TABLES + 1) for one in own.tolist()]
    order = np.argsort(-own, kind="stable").tolist()
    shares = tuple(ClassShare(classes[i], float(counts[i] / n), float(compared[i] / m), p[i]) for i in order)
    return ClassShares(n, m, reference, shares)


def _deviations(tables: npt.NDArray[np.int64], both: npt.NDArray[np.int64], n: int) -> Numbers:
    """How far each class of tables `(t, k)` is from what is expected, in standard deviations."""
    total = int(both.sum())
    expected = n * both / total
    variance = expected * (1 - both / total) * (total - n) / max(1, total - 1)
    deviations: Numbers = np.abs(tables - expected) / np.sqrt(np.maximum(variance, 1e-12))
    return deviations
