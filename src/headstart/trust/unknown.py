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
from headstart.evaluation.results import Nearest
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
#: Photos at a time.
_CHUNK = 512
_HALF = np.float16
#: Names of the arrays in a saved classifier.
ARRAYS = ("known_photos", "known_blanks", "known_distances")


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

    @one_thread()
    def look(self, features: Vectors, nearest: int = 0, rate: float | None = None) -> Looked:
        """Compare photos with the training photos.

        Args:
            features: float32 `(n, dim)`, power-normalised.
            nearest: how many training photos to name for each.
            rate: see `Known.rate`; None: the one chosen at the training.
        """
        limit, k = self.limit(rate), min(NEIGHBOUR, len(self.photos))
        unknown, named = np.zeros(len(features), bool), []
        for start, cosines, blank in self._cosines(features):
            distance = 1 - _largest(cosines, k)
            unknown[start : start + len(cosines)] = (distance > limit) | (1 - blank < distance - self.margin)
            best = np.argsort(-cosines, axis=1, kind="stable")[:, :nearest] if nearest else ()
            named += [
                tuple(Nearest(self.names[i], float(row[i])) for i in of.tolist())
                for row, of in zip(cosines, best, strict=False)
            ]
        return Looked(unknown, tuple(named))

    def _cosines(self, features: Vectors) -> Iterator[tuple[int, Vectors, Vectors]]:
        """For c photos at a time: the number of the first, cosines `(c, m)` to the training photos, best to blanks."""
        for start in range(0, len(features), _CHUNK):
            part = unit_length(features[start : start + _CHUNK])
            cosines = np.empty((len(part), len(self.photos)), np.float32)
            for row in range(0, len(self.photos), _CHUNK):  # a copy of all photos in float32 would double the memory
                cosines[:, row : row + _CHUNK] = part @ self.photos[row : row + _CHUNK].astype(np.float32).T
            yield start, np.clip(cosines, -1, 1), (part @ self.blanks.astype(np.float32).T).max(axis=1)

    def arrays(self) -> Arrays:
        """What is saved beside the head's arrays."""
        return dict(zip(ARRAYS, (self.photos, self.blanks, self.distances), strict=True))

    def to_json(self) -> dict[str, Any]:
        """The `unknown` of a saved classifier."""
        return {"names": list(self.names), "margin": self.margin, "rate": self.rate}

    @classmethod
    def read(cls, value: Any, arrays: Arrays, dim: int) -> Known:
        """Read back what `to_json` and `arrays` gave, from a file that may come from anyone.

        Raises:
            ValueError, KeyError: a field is missing, of another type or out of range.
            HeadError: the arrays do not fit together.
        """
        facts = untrusted.fields({name: value[name] for name in _FIELDS}, _FIELDS)
        photos, blanks, distances = (arrays[name] for name in ARRAYS)
        good = _vectors(photos, dim, KEPT) and _vectors(blanks, dim, _MOST_BLANKS)
        good = good and len(photos) == len(facts["names"]) and distances.dtype == np.float32 and distances.ndim == 1
        good = good and 1 <= len(distances) <= CALIBRATED and bool((np.abs(distances) <= 2.01).all())
        if not good or (np.diff(distances) < 0).any():
            raise HeadError("what it keeps of its training photos is damaged")
        return cls(photos, facts["names"], blanks, distances, facts["margin"], facts["rate"])


_FIELDS: dict[str, untrusted.Check[Any]] = {
    "names": untrusted.many(untrusted.text(2000), 1, KEPT),
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
    photos = unit_length(train.features.vectors[rows]).astype(_HALF)
    names = tuple(_name(train.labels[i], train.features.paths[i]) for i in rows.tolist())
    found = Known(photos, names, unit_length(blanks).astype(_HALF), np.zeros(1, np.float32), 0.0, rate)
    own = _spread(np.arange(len(rows)), CALIBRATED)
    distances, nearer = np.empty(len(own), np.float32), np.empty(len(own), np.float32)
    # A new photo has all n photos of its class to be near to, a training photo n - 1 others. The k-th nearest of n is
    # about as near as the k * n / (n + 1)-th of n - 1.
    each = len(rows) / len(train.classes)
    k = max(1.0, min(NEIGHBOUR, len(rows) - 1) * each / (each + 1))
    for start, cosines, blank in found._cosines(train.features.vectors[rows[own]]):
        part = slice(start, start + len(cosines))
        cosines[np.arange(len(cosines)), own[part]] = -np.inf  # a photo is not its own neighbour
        distances[part] = 1 - _largest(cosines, k)
        nearer[part] = distances[part] - (1 - blank)
    # Plain walls or skies may be what a class shows: at most 1 in 100 training photos counts as blank.
    margin = max(0.0, float(np.quantile(nearer, 0.99, method="higher")))
    distances[nearer > margin] = 2.0
    return Known(photos, names, found.blanks, np.sort(distances), margin, rate)


def word_for(classes: Sequence[str]) -> str:
    """What photos unlike the training photos are called: `unknown`, or longer if a class has this name itself."""
    taken, word = {name.casefold() for name in classes}, "unknown"
    while word in taken:
        word += " photo"
    return word


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
    """Whether these are float16 `(n, dim)`, 1 <= n <= most, finite and at most of length 1."""
    if array.dtype != _HALF or array.ndim != 2 or array.shape[1] != dim or not 1 <= len(array) <= most:
        return False
    rows = (array[i : i + _CHUNK].astype(np.float32) for i in range(0, len(array), _CHUNK))
    return all(bool((np.linalg.norm(part, axis=1) <= 1.01).all()) for part in rows)
