"""Which photos to label next: those that stand for many others of which a head is uncertain.

A set of photos is worth the sum, over all photos, of the doubt about a photo times its similarity (the cosine of the
features, at least 0) to the nearest one of the set: facility location, which Wei, Iyer and Bilmes 2015 (ICML, section
4) use for active learning. Photos are added one at a time, each the one that raises the sum most, which comes within
1 - 1/e of the best set (Nemhauser, Wolsey and Fisher 1978). So they are uncertain and differ from each other, and one
odd photo counts little. `benchmarks/drift.py` measures it against chance, and against the product of uncertainty and
distance, which was tried first and chooses odd photos.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headstart.heads.head import Vectors

Numbers = npt.NDArray[np.float64]
#: Photos at least so alike count as one, and one of them is asked for.
_ALIKE = 0.9
_PART = 128


def doubt(probability: Numbers, unknown: npt.NDArray[np.bool_] | None, rate: float) -> Numbers:
    """The probability that the predicted class is wrong, float64 `(n,)`, 0..1.

    Of photos like the training ones a share `rate` is refused as well. So if a share s is refused, a refused photo is
    strange with probability `1 - rate / s`, and then its class is wrong; otherwise its probability holds as for others.

    Args:
        probability: float64 `(n,)`, of each photo's predicted class, calibrated.
        unknown: bool `(n,)`, which photos are refused; None: none.
        rate: see `trust.unknown.Known.rate`.
    """
    if unknown is None or not unknown.any():
        return 1 - probability
    strange = max(0.0, 1 - rate / float(unknown.mean()))
    return 1 - probability * np.where(unknown, 1 - strange, 1.0)


def worth_labelling(
    photos: Vectors, doubts: Numbers, most: int, labelled: Vectors, known: npt.NDArray[np.float16] | None = None
) -> list[int]:
    """The rows of the photos most worth labelling, the one most worth it first; none nearly the same as another.

    Args:
        photos: float32 `(n, dim)`, power-normalised features of unit length.
        doubts: float64 `(n,)`, of `doubt`.
        most: at most so many.
        labelled: float32 `(l, dim)`, of such photos that are labelled already: what they stand for needs no other.
        known: float16 `(m, dim)`, of the training photos; none nearly the same as one of them is chosen.
    """
    covered = _nearest(photos, labelled)
    alike = covered >= _ALIKE
    if known is not None:
        alike |= _nearest(photos, known) >= _ALIKE
    similar = np.clip(photos @ photos.T, 0, 1)
    chosen: list[int] = []
    while len(chosen) < most and not alike.all():
        gains = np.maximum(similar - covered, 0) @ doubts.astype(np.float32)
        best = int(np.where(alike, -1, gains).argmax())
        chosen.append(best)
        covered = np.maximum(covered, similar[best])
        alike |= similar[best] >= _ALIKE
        alike[best] = True
    return chosen


def _nearest(photos: Vectors, others: npt.NDArray[np.floating]) -> Vectors:
    """The cosine of each photo to the nearest of the others, 0..1."""
    nearest = np.zeros(len(photos), np.float32)
    for start in range(0, len(others), _PART):  # a copy of all in float32 would take twice their memory
        part = others[start : start + _PART].astype(np.float32, copy=False)
        nearest = np.maximum(nearest, (photos @ part.T).max(axis=1))
    return nearest
