"""What a proof found: how far a file's answers are from headstart's, how far they may be, and what is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.classifier.exporting import Precision
from headstart.export.proof.child import Answers

#: How far a probability may be from headstart's, by the precision of the weights, and the same for scores (natural
#: logarithms of probabilities), which show more where probabilities are close to 0 or 1.
LIMITS: dict[Precision, tuple[float, float]] = {"float32": (1e-5, 1e-3), "float16": (1e-2, 0.25)}
#: For models that were quantised before: each engine rounds a few numbers the other way, see `Reference.noise`.
QUANTISED = 2e-2
#: For photos that a file resizes itself: headstart reads large JPEGs at a half, a quarter or an eighth of their size.
RESIZED = 0.25
#: How far cosines of nearest neighbours may move by rounding; measured: 1e-6 in float32, 2e-3 in float16.
_GAPS: dict[Precision, float] = {"float32": 1e-5, "float16": 5e-3}
#: Scores are compared where the probability is at least this. Of two classes, scikit-learn computes the smaller
#: probability as 1 - p in float64, which is off by up to 2e-16.
_TINY = 1e-12
Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Limit:
    """How far answers may be apart.

    Attributes:
        probability, score: largest difference; None: any.
        mean: mean difference of a probability; None: any.
        gap: pictures whose `Reference.gaps` are at most this are left out.
        why: in words, for people.
    """

    probability: float | None
    score: float | None
    mean: float | None
    gap: float
    why: str


def limit_for(precision: Precision, quantised: bool, noise: tuple[float, float] = (0.0, 0.0)) -> Limit:
    """The limit for a file.

    Args:
        precision: of its weights.
        quantised: whether the model is quantised, by its maker or on request: then files are compared with the
            quantised model in headstart.
        noise: how far two ways of running a quantised model are apart, see `Reference.noise`.
    """
    probability, score = LIMITS["float32" if precision == "int8" else precision]
    if not quantised:
        return Limit(probability, score, None, _GAPS["float32" if precision == "int8" else precision], precision)
    why = f"a quantised model, whose answers differ by up to {noise[0]:.1e} between two ways of running it in headstart"
    return Limit(max(QUANTISED, probability) + 2 * noise[0], None, QUANTISED + 2 * noise[1], _GAPS["float16"], why)


@dataclass(frozen=True)
class Difference:
    """How far answers are from headstart's.

    Attributes:
        pictures: compared.
        same_class: of them, that got the same class.
        largest, mean_difference: of a probability.
        largest_score: difference of the logarithm of a probability.
    """

    pictures: int
    same_class: int
    largest: float
    mean_difference: float
    largest_score: float

    @classmethod
    def between(cls, wanted: Numbers, found: Numbers) -> Difference:
        """The difference of two `(n, k)` arrays of probabilities."""
        gap = np.abs(wanted - found)
        logarithms = [np.log(np.maximum(one, _TINY)) for one in (wanted.astype(np.float64), found.astype(np.float64))]
        same = int((wanted.argmax(axis=1) == found.argmax(axis=1)).sum())
        score = float(np.abs(logarithms[0] - logarithms[1]).max(initial=0.0))
        return cls(len(gap), same, float(gap.max(initial=0.0)), float(gap.mean()) if gap.size else 0.0, score)


@dataclass(frozen=True)
class Proof:
    """What its own runtime answered for one file.

    Attributes:
        runtime: name and version.
        limit: how far it may be from headstart.
        photos: on real photos, with headstart's pixels; None: there were none.
        blends: on means of two photos; None: there were none.
        made_up: on made-up pictures.
        batch: largest difference between pictures alone and in batches of three, in another order.
        own_reading: on the photos as the runtime's users read them, those that it can open; None: there are none. It
            has no limit.
        seconds: for one picture.
        ties: pictures left out of all this, because a rounding decides which photos vote (`knn`).
        faults: what is wrong, in words; empty: it gives headstart's answers.
    """

    runtime: str
    limit: Limit
    photos: Difference | None
    blends: Difference | None
    made_up: Difference
    batch: float
    own_reading: Difference | None
    seconds: float
    ties: int
    faults: tuple[str, ...]

    @property
    def largest(self) -> float:
        """Largest difference of a probability on all pictures with headstart's pixels."""
        return max(one.largest for one in (self.photos, self.blends, self.made_up) if one is not None)

    def to_json(self) -> dict[str, Any]:
        """The `proof` of all documents, see docs/json.md."""
        return {
            "runtime": self.runtime,
            "limit": self.limit.probability,
            "limit_for": self.limit.why,
            "on_photos": None if self.photos is None else asdict(self.photos),
            "on_blends": None if self.blends is None else asdict(self.blends),
            "on_made_up": asdict(self.made_up),
            "own_reading": None if self.own_reading is None else asdict(self.own_reading),
            "near_ties": self.ties,
            "batch_difference": self.batch,
            "seconds_a_picture": self.seconds,
        }


def judged(
    answers: Answers,
    wanted: tuple[Numbers, Numbers, Numbers],
    classes: tuple[str, ...],
    limit: Limit,
    gaps: Numbers,
    with_resize: bool = False,
) -> Proof:
    """Compare what a file answered with headstart's answers.

    Args:
        answers: of photos, blends and made-up pictures, in this order.
        wanted: headstart's answers for each of the three, `(n, k)`.
        classes: class names in headstart's order.
        limit: how far they may be apart.
        gaps: `(n,)`, see `Reference.gaps`.
        with_resize: whether the file fits photos to the input itself: then that is proven, too.
    """
    whole = np.concatenate(wanted)
    faults = []
    if answers.classes is not None and answers.classes != classes:
        faults.append(f"the class names in the file are {list(answers.classes)[:5]}, not {list(classes)[:5]}")
    if answers.alone.shape != whole.shape or not np.isfinite(answers.alone).all():
        shape = f"answers of shape {answers.alone.shape} that may not be finite; expected {whole.shape}"
        nothing = Difference(0, 0, float("nan"), float("nan"), float("nan"))
        return Proof(answers.runtime, limit, None, None, nothing, 0.0, None, answers.seconds, 0, (*faults, shape))
    ends = np.cumsum([len(one) for one in wanted])[:2]
    clear = np.split(gaps > limit.gap, ends)
    photos, blends, made_up = (
        Difference.between(one[rows], part[rows]) if len(one) else None
        for one, part, rows in zip(wanted, np.split(answers.alone, ends), clear, strict=True)
    )
    for name, one in (("photos", photos), ("blends of photos", blends), ("made-up pictures", made_up)):
        if one is not None:
            faults += _over(name, one, limit)
    again = answers.alone[::-1][: len(answers.together)]
    sure = (gaps > limit.gap)[::-1][: len(again)]
    batch = float(np.abs(again - answers.together)[sure].max(initial=0.0))
    if batch > max(limit.probability or 0.0, LIMITS["float32"][0]):
        faults.append(f"a picture's probabilities change by {batch:.1e} with the pictures beside it")
    own = None if answers.photos is None else _of_those_read(wanted[0], answers.photos)
    if with_resize and own is not None and own.largest > RESIZED:
        faults.append(f"probabilities of whole photos differ by up to {own.largest:.1e} (at most {RESIZED:.1e})")
    assert made_up is not None
    ties = len(gaps) - int(np.concatenate(clear).sum())
    return Proof(answers.runtime, limit, photos, blends, made_up, batch, own, answers.seconds, ties, tuple(faults))


def _of_those_read(wanted: Numbers, found: Numbers) -> Difference | None:
    """The difference on the first photos, of those that the runtime could open; the others are NaN."""
    rows = np.isfinite(found).all(axis=1)
    return Difference.between(wanted[: len(found)][rows], found[rows]) if rows.any() else None


def _over(name: str, found: Difference, limit: Limit) -> list[str]:
    """What is over the limit. A class may differ only where two were so close that the limit allows it."""
    faults = []
    if limit.probability is not None and found.largest > limit.probability:
        faults.append(
            f"probabilities of {name} differ by up to {found.largest:.1e} (at most {limit.probability:.1e}; "
            f"{found.same_class:,} of {found.pictures:,} have the same class)"
        )
    if limit.mean is not None and found.mean_difference > limit.mean:
        faults.append(
            f"probabilities of {name} differ by {found.mean_difference:.1e} on average (at most {limit.mean:.1e})"
        )
    if limit.score is not None and found.largest_score > limit.score:
        faults.append(f"scores of {name} differ by up to {found.largest_score:.1e} (at most {limit.score:.1e})")
    return faults
