"""Which input range does a network want? Tried on photos, all of them, and told with its doubt.

For a classifier with ImageNet's classes: how much it believes in what the built-in network sees. For any other: how
alike its features are to the built-in network's, by the Procrustes similarity (Williams et al. 2021, "Generalized
shape metrics on neural representations", eq. 2 with centred features): a wrong range bends the space of photos away
from what networks agree on. Cross-validated accuracy is shown where classes are known, but does not decide: with
200 photos a wrong range won by 4 points (`benchmarks/RESULTS.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.backbones import labels
from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.hints import RANGES, Feed, Options, feed_of
from headstart.backbones.plugins import plugins
from headstart.backbones.ranges import known as settled
from headstart.errors import BackboneError, DataError, PhotoError
from headstart.heads import fitting, power
from headstart.heads.linear_algebra import one_thread
from headstart.photos import images
from headstart.photos.images import Images
from headstart.photos.reading import readers
from headstart.photos.sources import PhotoSet, find_files, scan
from headstart.photos.splits import stratified_folds
from headstart.progress import Progress

#: Photos that are used; of more, a share of each class.
ENOUGH = 128
FEWEST = 20
_HALVES = 200
_FOLDS = 5
#: Mean difference of red and blue, of 255, below which photos tell nothing of the order of colours.
_COLOURLESS = 2.0
#: A range that wins in fewer of the half-samples is told as doubtful.
SURE = 0.9

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """An input range and what became of it.

    Attributes:
        feed: the range and the order of the colours.
        similarity: of its features to the built-in network's, 0..1.
        belief: mean probability that it gives the class which the built-in network sees; None without those classes.
        agreement: share of photos whose most probable class is that one; None without those classes.
        accuracy: of a ridge head, by 5-fold cross-validation; None without class names.
    """

    feed: Feed
    similarity: float
    belief: float | None
    agreement: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Probed:
    """What a probe found.

    Attributes:
        handle: of the network.
        candidates: the best first.
        photos: how many were used.
        criterion: `belief` or `similarity`: what decided.
        held: share of random halves of the photos in which the best candidate won, too.
        card: where it is kept; empty if it was too doubtful, or nothing had to be found out.
    """

    handle: str
    candidates: tuple[Candidate, ...]
    photos: int
    criterion: Literal["belief", "similarity"]
    held: float
    card: str

    @property
    def sure(self) -> bool:
        """Did the best win in nearly all halves?"""
        return self.held >= SURE

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart backbones probe --json` prints, see docs/json.md."""
        return {
            "backbone": self.handle,
            "input_range": self.candidates[0].feed.name,
            "sure": self.sure,
            "held_in_halves": self.held,
            "criterion": self.criterion,
            "n": self.photos,
            "candidates": [
                {
                    "input_range": one.feed.name,
                    "similarity": one.similarity,
                    "belief": one.belief,
                    "agreement": one.agreement,
                    "accuracy": one.accuracy,
                }
                for one in self.candidates
            ],
            "path": self.card or None,
        }


@dataclass(frozen=True)
class _Tried:
    feed: Feed
    gram: Numbers
    belief: Numbers | None
    agreement: float | None
    accuracy: float | None


@one_thread()
def probe(
    handle: str, photos: str | Path | Sequence[str | Path], progress: Progress | None = None, keep: bool = True
) -> Probed:
    """Find out a network's input range, and keep it for all later runs.

    Args:
        handle: of the network; what is known of its range already is left aside.
        photos: a folder of class folders, a CSV, a folder, or files; at least 20, the more varied the better.
        progress: is told of downloads and of the steps.
        keep: write what was found; not done either when it is doubtful.

    Raises:
        DataError: too few photos can be used.
        BackboneError: the network cannot be read, or is the built-in one.
    """
    say = progress.message if progress is not None else lambda _: None
    paths, classes = _photos(photos)
    first = backbones.load(handle, progress=progress, doubts=False)
    if first.card.handle == backbones.DEFAULT:
        raise BackboneError(f"The input range of {handle} is known: {first.card.feed.name}.\nExpected another network.")
    if handle.partition(":")[0] in plugins():
        raise BackboneError(f"{handle} comes from a plugin, which knows its range.\nExpected a network in a file.")
    pictures, rows = _read(paths, first)
    if np.abs(pictures[..., 0].astype(np.int16) - pictures[..., 2]).mean() < _COLOURLESS:
        raise DataError(
            "The photos are nearly without colour: the order of the colours cannot be found out with them.\nExpected "
            "photos in colour. Or say --input-range yourself."
        )
    known = None if classes is None else np.unique([classes[i] for i in rows], return_inverse=True)[1]
    theirs = backbones.load()
    own, _ = (pictures, rows) if theirs.card.view == first.card.view else _read([paths[i] for i in rows], theirs)
    reference = _gram(theirs.embed(own))
    seen = theirs.classify(own).argmax(axis=1) if first.labels[-1000:] == labels.imagenet() else None
    tried = []
    for feed in _feeds(first):
        say(f"Trying {feed.name} on {len(rows)} photos.")
        network = backbones.load(handle, options=Options(_option(feed)))
        tried.append(_try(network, feed, pictures, seen, known))
    criterion: Literal["belief", "similarity"] = "similarity" if seen is None else "belief"
    everything = np.arange(len(rows))
    order = np.argsort(-_scores(tried, reference, everything, criterion), kind="stable")
    best = tried[order[0]]
    held = _held(tried, reference, int(order[0]), criterion)
    similar = _scores(tried, reference, everything, "similarity")
    candidates = tuple(
        Candidate(
            feed=replace(tried[i].feed, origin="probe"),
            similarity=float(similar[i]),
            belief=None if (belief := tried[i].belief) is None else float(belief.mean()),
            agreement=tried[i].agreement,
            accuracy=tried[i].accuracy,
        )
        for i in order
    )
    result = Probed(first.card.handle, candidates, len(rows), criterion, held, "")
    if not (keep and result.sure):
        return result
    path = settled.keep(first.card.weights, best.feed, result.to_json())
    return replace(result, card=str(path))


def _photos(photos: str | Path | Sequence[str | Path]) -> tuple[list[str], list[str] | None]:
    """At most `ENOUGH` paths, and their class names if the photos lie in class folders or a CSV."""
    if isinstance(photos, (str, Path)):
        try:
            chosen: PhotoSet = scan(photos).train
        except DataError:
            photos = [photos]  # a folder without classes, or a single photo: accuracy is not shown then
        else:
            share = ENOUGH / len(chosen)
            chosen = chosen.share(share, 0) if share < 1 else chosen
            return list(chosen.paths), list(chosen.labels)
    paths = find_files(photos)
    spread = np.linspace(0, len(paths) - 1, min(ENOUGH, len(paths))).round().astype(int)
    return [paths[i] for i in spread], None


def _read(paths: Sequence[str], network: Backbone) -> tuple[Images, list[int]]:
    """The pictures that can be read, and which they are."""

    def one(path: str) -> Images | None:
        try:
            return images.load(path, network.card.view)
        except PhotoError:
            return None

    with readers() as pool:
        read = list(pool.map(one, paths))
    rows = [i for i, picture in enumerate(read) if picture is not None]
    if len(rows) < FEWEST:
        raise DataError(
            f"{len(rows)} of the {len(paths)} photos can be used.\nExpected at least {FEWEST}, of different things: "
            "with fewer, chance decides."
        )
    return np.stack([picture for picture in read if picture is not None]), rows


def _feeds(network: Backbone) -> list[Feed]:
    """What is tried: every range in both orders; of a quantised network, whose range is fixed, the orders."""
    names = ["0..255"] if network.card.range_from == "network" else list(RANGES)
    return [feed_of(f"{name},{order}") for name in names for order in ("RGB", "BGR")]


def _option(feed: Feed) -> str:
    return f"{feed.name.removesuffix(', BGR')},{feed.channels}"


def _try(
    network: Backbone,
    feed: Feed,
    pictures: Images,
    seen: npt.NDArray[np.intp] | None,
    known: npt.NDArray[np.intp] | None,
) -> _Tried:
    vectors = network.embed(pictures)
    belief = agreement = accuracy = None
    if seen is not None:
        p = network.classify(pictures)[:, -1000:].astype(np.float64)  # without "background", where there is one
        belief = p[np.arange(len(p)), seen]
        agreement = float((p.argmax(axis=1) == seen).mean())
    gram = _gram(vectors)
    if known is not None and len(np.unique(known)) > 1 and np.bincount(known).min() > 1:
        keys = [i.to_bytes(4, "big") for i in range(len(known))]
        folds = stratified_folds(known, keys, min(_FOLDS, int(np.bincount(known).max())), 0)
        power.normalise(vectors)
        held_out = fitting.fit("ridge", vectors, known, folds).held_out
        accuracy = float((held_out.argmax(axis=1) == known).mean())
    return _Tried(feed, gram, belief, agreement, accuracy)


def _gram(vectors: Vectors) -> Numbers:
    """Inner products of power-normalised features, float64 `(n, n)`; not changed: the vectors."""
    rooted = vectors.copy()
    power.normalise(rooted)
    wide = rooted.astype(np.float64)
    return wide @ wide.T


def _scores(
    tried: Sequence[_Tried], reference: Numbers, rows: npt.NDArray[np.intp], criterion: Literal["belief", "similarity"]
) -> Numbers:
    """The criterion of every candidate on some of the photos."""
    if criterion == "belief":
        return np.array([0.0 if one.belief is None else one.belief[rows].mean() for one in tried])
    root = _root(reference, rows)
    return np.array([procrustes(_root(one.gram, rows), root) for one in tried])


def _root(gram: Numbers, rows: npt.NDArray[np.intp]) -> Numbers:
    """Coordinates `(m, m)` whose inner products are those of the centred features of some photos."""
    part = gram[np.ix_(rows, rows)]
    part = part - part.mean(axis=0) - part.mean(axis=1)[:, None] + part.mean()
    values, vectors = np.linalg.eigh(part)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


def procrustes(x: Numbers, y: Numbers) -> float:
    """How alike two configurations of n points are, turned onto each other as well as can be.

    `|x' y|_* / (|x| |y|)`: nuclear norm over Frobenius norms, the cosine of the Procrustes angle (Williams et al.
    2021, section 2.2). 1: one is the other turned and scaled.

    Args:
        x: float64 `(n, p)`, columns of mean 0. y: float64 `(n, q)`, the same.
    """
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(np.linalg.svd(x.T @ y, compute_uv=False).sum() / norm) if norm else 0.0


def _held(tried: Sequence[_Tried], reference: Numbers, best: int, criterion: Literal["belief", "similarity"]) -> float:
    """Share of random halves of the photos in which the best candidate is the best, too."""
    rng = np.random.default_rng(0)
    n = len(reference)
    halves = (np.sort(rng.permutation(n)[: n // 2]) for _ in range(_HALVES))
    wins = 0
    for rows in halves:
        scores = _scores(tried, reference, rows, criterion)
        wins += bool(scores[best] > np.delete(scores, best).max())  # a tie is no win
    return wins / _HALVES
