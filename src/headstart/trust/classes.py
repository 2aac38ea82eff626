"""Classes that are too small, that have two names, or that no head can tell apart; photos unlike their class."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headstart.evaluation.intervals import Z95, wilson

#: Photos of each of two classes without which nothing is said about whether they can be told apart.
_ENOUGH = 10
#: Signs between words, but not between two digits.
_SEPARATORS = re.compile(r"(?<!\d)[\s_.,:;'’()/-]+(?=[^\W_])|[\s_.,:;'’()/-]+(?=[^\W\d_])")
#: Letters of names that may differ in one; shorter words do so by nature (shirt, short).
_LONG = 7
#: Photos of a class without which none of them is called unlike the others.
_MANY = 10
_NEAR = 3
_FENCE = 1.5
_CHUNK = 1024


def same_names(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of classes whose names differ in case, accents, spaces, punctuation, a plural, or a letter of a long word.

    Names that differ in a digit (`type 1`, `type 2`), between digits (`1.5`, `15`) or in a sign at the end (`C`, `C++`,
    `C#`) are different.
    """
    words = {name: _word(name) for name in classes}
    return [(a, b) for a, b in itertools.combinations(classes, 2) if _same(words[a], words[b])]


def _word(name: str) -> str:
    """A name in small letters without accents and separators; those between digits remain."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _SEPARATORS.sub("", plain).rstrip(" ._") or name


def _same(one: str, two: str) -> bool:
    short, long = sorted((one, two), key=len)
    if short == long:
        return True
    if len(short) > 2 and (long in (f"{short}s", f"{short}es") or (short[-1] == "y" and long == f"{short[:-1]}ies")):
        return True
    if len(long) < _LONG or short[0] != long[0] or re.search(r"\d", one + two):
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    left, right = short[at:], long[at:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return swapped or (left[len(left) - len(right) + 1 :] == right[1:] and len(long) - len(short) <= 1)


def not_told_apart(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.intp]
) -> list[tuple[int, int, float, tuple[float, float]]]:
    """Pairs of classes between which a head guesses: the interval of its accuracy on the two contains 50 %.

    The accuracy is the mean of both classes' shares for which the right one of the two was more probable.

    Args:
        probabilities: `(n, k)`, each photo's by heads that did not see it. labels: intp `(n,)`.

    Returns:
        for each pair the numbers of the classes, the accuracy, and its 95 % interval.
    """
    k = probabilities.shape[1]
    counts = np.bincount(labels, minlength=k)
    known = np.flatnonzero(counts >= _ENOUGH)
    wins = np.zeros((k, k))  # share of a class's photos for which it was more probable than each other class
    for c in known:
        own = probabilities[labels == c]
        wins[c] = (own[:, c : c + 1] > own).mean(axis=0)
    accuracies, trials = (wins + wins.T) / 2, 2 * np.minimum.outer(counts, counts)
    # Wilson's interval contains 50 % where the share is less than z standard errors, at 50 %, above it.
    guessed = accuracies - 0.5 <= Z95 * 0.5 / np.sqrt(np.maximum(trials, 1))
    first, second = known[np.argwhere(np.triu(guessed[np.ix_(known, known)], 1))].T
    return [
        (a, b, float(accuracies[a, b]), wilson(float(accuracies[a, b]), int(trials[a, b])))
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]


def unlike(vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.intp]) -> list[tuple[int, float]]:
    """Photos unlike all others of their class, the most unlike first.

    Of each photo the cosine to its third nearest of the class counts. It is unlike them below Tukey's fence: the first
    quartile of the class less 1.5 times the distance between the quartiles (Tukey 1977, Exploratory Data Analysis,
    chapter 2).

    Args:
        vectors: float32 `(n, dim)`, power-normalised features. labels: intp `(n,)`.

    Returns:
        the number of each photo, and its cosine.
    """
    found: list[tuple[float, int, float]] = []
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        if len(rows) < _MANY:
            continue
        own = vectors[rows] / np.maximum(np.linalg.norm(vectors[rows], axis=1, keepdims=True), 1e-12)
        parts = [own[i : i + _CHUNK] @ own.T for i in range(0, len(own), _CHUNK)]
        # The photo itself is the nearest.
        near = np.concatenate([np.partition(part, -_NEAR - 1, axis=1)[:, -_NEAR - 1] for part in parts]).astype(float)
        low, high = np.percentile(near, (25, 75))
        fence = low - _FENCE * (high - low)
        found += [(float(near[i] - fence), int(rows[i]), float(near[i])) for i in np.flatnonzero(near < fence)]
    return [(row, cosine) for _, row, cosine in sorted(found)]
