"""Which photos are unlike everything that a classifier was trained on.

The distance of a photo is 1 minus the cosine of its features to its fifth nearest training photo. The features are
power-normalised and not centred: what the training photos have in common is what a strange photo lacks, and centring
would take it away. The limit is a quantile of the distances of training photos to the others, so the share of refused
photos among photos like the training ones is chosen, not the distance (conformal prediction, Vovk et al. 2005, 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import HeadError
from headstart.evaluation.leakage import Clean
from headstart.evaluation.results import Nearest, Predictions
from headstart.heads.head import Arrays, Vectors, unit_length
from headstart.heads.linear_algebra import one_thread
from headstart.safety import untrusted

#: Share of photos like the training ones that is refused, unless another is asked for.
RATE = 0.05
#: Largest share that can be asked for.
MOST_REFUSED = 0.5
#: The neighbour whose distance counts: one odd training photo, or a wrong label, does not make its like known.
NEIGHBOUR = 5
#: Training photos kept, spread evenly over all (51 MB with 1,280 features), and photos that the limit is taken from.
KEPT, CALIBRATED = 20_000, 2_000
_MOST_BLANKS = 100
#: Characters of a photo's name with its class.
_LONGEST = 2000
#: Photos at a time, and training photos at a time: with more, threads and fresh memory take four times as long.
_CHUNK, _PART = 512, 128
_HALF = np.float16
#: Names of the arrays in a saved classifier.
ARRAYS = ("known_photos", "known_blanks", "known_distances", "known_names")


@dataclass(frozen=True)
class Looked:
    """How photos compare with the training photos.

    Attributes:
        unknown: bool `(n,)`, whether a photo is unlike all training photos.
        nearest: of each photo the training photos nearest to it, the nearest first.
    """

    unknown: npt.NDArray[np.bool_]
    nearest: tuple[tuple[Nearest, ...], ...]


@dataclass(frozen=True, eq=False)
class Known:
    """What a classifier keeps of its training photos.

    Attributes:
        photos: float16 `(m, dim)`, features of unit length, one of each group of copies.
        names: of these photos, class/file.
        blanks: float16 `(b, dim)`, of made pictures that show nothing, see `trust.blanks`.
        distances: float32 `(q,)`, of training photos from the others, ascending; 2 is the largest possible.
        margin: how much nearer than the training photos a made picture must be before a photo is refused for it.
        rate: share of photos like these that is refused, above 0.
    """

    photos: npt.NDArray[np.float16]
    names: tuple[str, ...]
    blanks: npt.NDArray[np.float16]
    distances: npt.NDArray[np.float32]
    margin: float
    rate: float

    def limit(self, rate: float | None = None) -> float:
        """The distance above which a photo is unknown.

        It is the order statistic `(q + 1) * (1 - rate)`, interpolated: a new photo like these is beyond it with
        probability `rate`. Where that is beyond the largest of few distances, the upper half is taken for exponential.
        """
        share, ordered = self.rate if rate is None else rate, self.distances
        if not share:
            return math.inf
        if (len(ordered) + 1) * share >= 1:
            return float(np.quantile(ordered, 1 - share, method="weibull"))
        middle = float(np.median(ordered))
        upper = ordered[ordered >= middle]
        return max(float(ordered[-1]), middle + float(upper.mean() - middle) * math.log(0.5 / share))

    def look(self, features: Vectors, nearest: int = 0, rate: float | None = None) -> Looked:
        """Compare photos with the training photos.

        Args:
            features: float32 `(n, dim)`, power-normalised.
            nearest: how many training photos to name for each.
            rate: see `Known.rate`; None: the one chosen at the training.
        """
        limit, k = self.limit(rate), min(NEIGHBOUR, len(self.photos))
        unknown = np.zeros(len(features), bool)
        named: list[tuple[Nearest, ...]] = []
        for start, cosines, blank in _cosines(features, self.photos, self.blanks):
            distance = 1 - _largest(cosines, k)
            unknown[start : start + len(cosines)] = (distance > limit) | (1 - blank < distance - self.margin)
            named += [self._nearest(row, min(nearest, len(row))) for row in cosines] if nearest else []
        return Looked(unknown, tuple(named))

    def _nearest(self, cosines: Vectors, count: int) -> tuple[Nearest, ...]:
        largest = np.argpartition(-cosines, count - 1)[:count]
        ordered = largest[np.argsort(-cosines[largest], kind="stable")].tolist()
        return tuple(Nearest(self.names[i], float(cosines[i])) for i in ordered)

    def arrays(self) -> Arrays:
        """What is saved beside the head's arrays."""
        # As bytes: thousands of names would make the JSON slow to read.
        names = np.frombuffer("\0".join(self.names).encode("utf-8", "surrogateescape"), np.uint8)
        return dict(zip(ARRAYS, (self.photos, self.blanks, self.distances, names), strict=True))

    def to_json(self) -> dict[str, Any]:
        """The `unknown` of a saved classifier."""
        return {"margin": self.margin, "rate": self.rate}

    @classmethod
    def read(cls, value: Any, arrays: Arrays, dim: int) -> Known:
        """Read back what `to_json` and `arrays` gave, from a file that may come from anyone.

        Raises:
            ValueError, KeyError: a field is missing, of another type or out of range.
            HeadError: the arrays do not fit together.
        """
        facts = untrusted.fields({name: value[name] for name in _FIELDS}, _FIELDS)
        photos, blanks, distances, spelled = (arrays[name] for name in ARRAYS)
        good = _vectors(photos, dim, KEPT) and _vectors(blanks, dim, _MOST_BLANKS)
        good = good and spelled.dtype == np.uint8 and spelled.ndim == 1 and distances.dtype == np.float32
        good = good and distances.ndim == 1
        good = good and 1 <= len(distances) <= CALIBRATED and bool((np.abs(distances) <= 2.01).all())
        names = tuple(spelled.tobytes().decode("utf-8", "surrogateescape").split("\0")) if good else ()
        if not good or len(names) != len(photos) or max(map(len, names)) > _LONGEST or (np.diff(distances) < 0).any():
            raise HeadError("what it keeps of its training photos is damaged")
        return cls(photos, names, blanks, distances, facts["margin"], facts["rate"])


_FIELDS: dict[str, untrusted.Check[Any]] = {
    "margin": untrusted.number(0, 4),
    "rate": untrusted.number(1e-9, MOST_REFUSED),
}


def check_rate(rate: float) -> None:
    """Check a share of photos to refuse.

    Raises:
        HeadError: it is not between 0 and 0.5.
    """
    if not 0 <= rate <= MOST_REFUSED:
        raise HeadError(
            f"The share of refused photos is {rate:g}.\nExpected 0 to {MOST_REFUSED:g}, such as 0.05 or 5%; 0 refuses "
            "none."
        )


@one_thread()
def learn_known(train: Clean, blanks: Vectors, rate: float = RATE) -> Known:
    """Keep what is needed to recognise photos unlike the training photos.

    Args:
        train: the training photos, power-normalised.
        blanks: float32 `(b, dim)`, features of `trust.blanks.pictures`, power-normalised.
        rate: see `Known.rate`.
    """
    # One of each group of copies: a copy of a photo as its neighbour would make photos seem closer than new ones are.
    rows = _spread(np.sort(np.unique(train.groups, return_index=True)[1]), KEPT)
    photos, blanks = unit_length(train.features.vectors[rows]), unit_length(blanks)
    names = tuple(_name(train.labels[i], train.features.paths[i]) for i in rows.tolist())
    own = _spread(np.arange(len(rows)), CALIBRATED)
    distances, nearer = np.empty(len(own), np.float32), np.empty(len(own), np.float32)
    # A new photo has all n photos of its class to be near to, a training photo n - 1 others. The k-th nearest of n is
    # about as near as the k * n / (n + 1)-th of n - 1.
    each = len(rows) / len(train.classes)
    k = max(1.0, min(NEIGHBOUR, len(rows) - 1) * each / (each + 1))
    for start, cosines, blank in _cosines(photos[own], photos, blanks):
        part = slice(start, start + len(cosines))
        cosines[np.arange(len(cosines)), own[part]] = -np.inf  # a photo is not its own neighbour
        distances[part] = 1 - _largest(cosines, k)
        nearer[part] = distances[part] - (1 - blank)
    # Plain walls or skies may be what a class shows: at most 1 in 100 training photos counts as blank.
    margin = max(0.0, float(np.quantile(nearer, 0.99, method="higher")))
    distances[nearer > margin] = 2.0
    return Known(photos.astype(_HALF), names, blanks.astype(_HALF), np.sort(distances), margin, rate)


def _cosines(
    features: Vectors, photos: npt.NDArray[Any], blanks: npt.NDArray[Any]
) -> Iterator[tuple[int, Vectors, Vectors]]:
    """For c photos at a time: the number of the first, cosines `(c, m)` to the training photos, best to blanks."""
    for start in range(0, len(features), _CHUNK):
        part = unit_length(features[start : start + _CHUNK])
        cosines = np.empty((len(part), len(photos)), np.float32)
        for row in range(0, len(photos), _PART):  # a copy of all photos in float32 would triple the memory
            cosines[:, row : row + _PART] = part @ photos[row : row + _PART].astype(np.float32, copy=False).T
        yield start, np.clip(cosines, -1, 1), (part @ blanks.astype(np.float32, copy=False).T).max(axis=1)


def word_for(classes: Sequence[str]) -> str:
    """What photos unlike the training photos are called: `unknown`, or longer if a class has this name itself."""
    taken, word = {name.casefold() for name in classes}, "unknown"
    while word in taken:
        word += " photo"
    return word


def names_of(answer: Predictions) -> list[str]:
    """The class of each photo, or `unknown (dog?)` for one that is refused."""
    if answer.unknown is None:
        return answer.labels
    word = word_for(answer.classes)
    marks = zip(answer.labels, answer.unknown.tolist(), strict=True)
    return [f"{word} ({label}?)" if refused else label for label, refused in marks]


def _largest(cosines: Vectors, k: float) -> Vectors:
    """The k-th largest of each row, k >= 1; between two of them if k is not whole."""
    above, below = math.floor(k), math.ceil(k)
    ordered = np.partition(cosines, (-below, -above), axis=1)
    largest: Vectors = ordered[:, -above] + np.float32(k - above) * (ordered[:, -below] - ordered[:, -above])
    return largest


def _spread(rows: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """At most `most` of the rows, spread evenly."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def _name(label: str, path: str) -> str:
    """Class and file name only: folders would show where the photos of others lie."""
    return f"{label}/{path.replace(chr(92), '/').rpartition('/')[2]}"


def _vectors(array: npt.NDArray[Any], dim: int, most: int) -> bool:
    """Whether these are float16 `(n, dim)`, 1 <= n <= most, all from -1 to 1."""
    if array.dtype != _HALF or array.ndim != 2 or array.shape[1] != dim or not 1 <= len(array) <= most:
        return False
    return bool(((array.view(np.uint16) & 0x7FFF) <= np.float16(1).view(np.uint16)).all())  # NaN and inf are above
