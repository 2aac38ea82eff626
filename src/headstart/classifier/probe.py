"""Find out a model's input range: run it on photos in every range, and report the best and how certain it is.

A classifier with ImageNet's classes is judged by the probability that it gives to the class which the built-in
backbone sees. Any other is judged by how similar its features are to the built-in backbone's (Procrustes similarity;
Williams et al. 2021, "Generalized shape metrics on neural representations", eq. 2 with centred features), because a
wrong range distorts the space of photos on which models agree. Cross-validated accuracy is shown where classes are
known, but does not decide: with 200 photos a wrong range won by 4 points (`benchmarks/RESULTS.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.backbones import labels
from headstart.backbones.base import Backbone, Vectors
from headstart.backbones.hints import Options
from headstart.backbones.ranges import known
from headstart.backbones.ranges.feeds import RANGES, Feed, feed_of
from headstart.errors import BackboneError, DataError, PhotoError
from headstart.evaluation.cross_validation import FOLDS
from headstart.heads import fitting, power
from headstart.heads.linear_algebra import one_thread
from headstart.photos import images
from headstart.photos.images import Images
from headstart.photos.reading import readers
from headstart.photos.sources import PhotoSet, find_files, scan
from headstart.photos.splits import stratified_folds
from headstart.progress import Progress, Silent

#: Photos that are used at most; of more, the same fraction of each class.
ENOUGH = 128
FEWEST = 20
_HALVES = 200
#: Mean difference of red and blue, of 255, below which photos do not show the colour order.
_COLOURLESS = 2.0
#: A range that wins in a smaller fraction of the half-samples is reported as uncertain.
SURE = 0.9

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Criterion = Literal["belief", "similarity"]


@dataclass(frozen=True)
class RangeScore:
    """How well an input range does.

    Attributes:
        feed: the range and the colour order.
        similarity: of its features to the built-in backbone's, 0..1.
        belief: mean probability of the class which the built-in backbone sees; None without those classes.
        agreement: fraction of photos whose most probable class is that one; None without those classes.
        accuracy: of a ridge head, by 5-fold cross-validation; None without class names.
    """

    feed: Feed
    similarity: float
    belief: float | None
    agreement: float | None
    accuracy: float | None


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found.

    Attributes:
        handle: of the model.
        candidates: the best first.
        photos: how many were used.
        criterion: `belief` or `similarity`, whichever decided.
        wins: fraction of random halves of the photos in which the best candidate is the best too.
        card: the file where it is kept; empty if it is uncertain, or was not to be kept.
    """

    handle: str
    candidates: tuple[RangeScore, ...]
    photos: int
    criterion: Criterion
    wins: float
    card: str

    @property
    def sure(self) -> bool:
        """Whether the best won in nearly all halves."""
        return self.wins >= SURE

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart backbones probe --json` prints, see docs/json.md."""
        return {
            "backbone": self.handle,
            "input_range": self.candidates[0].feed.name,
            "sure": self.sure,
            "share_of_halves_won": self.wins,
            "criterion": self.criterion,
            "n": self.photos,
            "candidates": [
                {"input_range": one.feed.name} | {name: value for name, value in asdict(one).items() if name != "feed"}
                for one in self.candidates
            ],
            "path": self.card or None,
        }


@dataclass(frozen=True)
class _Outcome:
    """What a model gives in one range: inner products of its features, and the figures of `RangeScore` by photo."""

    feed: Feed
    gram: Numbers
    belief: Numbers | None
    agreement: float | None
    accuracy: float | None


@one_thread()
def probe(
    handle: str, photos: str | Path | Sequence[str | Path], progress: Progress | None = None, keep: bool = True
) -> ProbeResult:
    """Find out a model's input range, and keep it for all later runs.

    Args:
        handle: of the model; what is already known of its range is ignored.
        photos: a folder of class folders, a CSV, a folder, or files; at least 20, the more varied the better.
        progress: receives downloads and the steps.
        keep: whether to save the result; an uncertain one is never saved.

    Raises:
        DataError: too few photos can be used.
        BackboneError: the model cannot be read, or its range is known because it is built in or a plugin's.
    """
    progress = progress or Silent()
    paths, classes = _photos(photos)
    first = backbones.load(handle, progress=progress, doubts=False)
    if backbones.locate(handle).source in ("builtin", "plugin"):
        raise BackboneError(
            f"The input range of {handle} is known: {first.card.feed.name}.\nExpected another model, from a file or a "
            "server."
        )
    pictures, rows = _read(paths, first)
    if np.abs(pictures[..., 0].astype(np.int16) - pictures[..., 2]).mean() < _COLOURLESS:
        raise DataError(
            "The photos have hardly any colour, so they do not show the colour order.\nExpected colour photos. If you "
            "know the range: --input-range."
        )
    classes_of = None if classes is None else np.unique([classes[i] for i in rows], return_inverse=True)[1]
    builtin = backbones.load()
    same_view = builtin.card.view == first.card.view
    own = pictures if same_view else _read([paths[i] for i in rows], builtin)[0]
    reference = _gram(builtin.embed(own))
    seen = builtin.classify(own).argmax(axis=1) if first.labels[-1000:] == labels.imagenet() else None
    outcomes = []
    for feed in _feeds(first):
        progress.message(f"Trying {feed.name} on {len(rows)} photos.")
        backbone = backbones.load(handle, options=Options(f"{feed.name.removesuffix(', BGR')},{feed.channels}"))
        outcomes.append(_run(backbone, feed, pictures, seen, classes_of))
    criterion: Criterion = "similarity" if seen is None else "belief"
    everything = np.arange(len(rows))
    similar = _scores(outcomes, reference, everything, "similarity")
    order = np.argsort(-_scores(outcomes, reference, everything, criterion), kind="stable")
    candidates = tuple(
        RangeScore(
            feed=replace(outcomes[i].feed, origin="probe"),
            similarity=float(similar[i]),
            belief=None if (belief := outcomes[i].belief) is None else float(belief.mean()),
            agreement=outcomes[i].agreement,
            accuracy=outcomes[i].accuracy,
        )
        for i in order
    )
    wins = _wins(outcomes, reference, int(order[0]), criterion)
    result = ProbeResult(first.card.handle, candidates, len(rows), criterion, wins, "")
    if not (keep and result.sure):
        return result
    path = known.keep(first.card.weights, outcomes[order[0]].feed, result.to_json())
    return replace(result, card=str(path))


def _photos(photos: str | Path | Sequence[str | Path]) -> tuple[list[str], list[str] | None]:
    """At most `ENOUGH` paths, and their class names if the photos are in class folders or a CSV."""
    if isinstance(photos, (str, Path)):
        try:
            chosen: PhotoSet = scan(photos).train
        except DataError:
            photos = [photos]  # a folder without classes or a single photo, so there is no accuracy
        else:
            share = ENOUGH / len(chosen)
            chosen = chosen.share(share, 0) if share < 1 else chosen
            return list(chosen.paths), list(chosen.labels)
    paths = find_files(photos)
    spread = np.linspace(0, len(paths) - 1, min(ENOUGH, len(paths))).round().astype(int)
    return [paths[i] for i in spread], None


def _read(paths: Sequence[str], backbone: Backbone) -> tuple[Images, list[int]]:
    """The pictures that can be read, and their places in `paths`."""

    def one(path: str) -> Images | None:
        try:
            return images.load(path, backbone.card.view)
        except PhotoError:
            return None

    with readers() as pool:
        read = list(pool.map(one, paths))
    rows = [i for i, picture in enumerate(read) if picture is not None]
    if len(rows) < FEWEST:
        raise DataError(
            f"{len(rows)} of the {len(paths)} photos can be used.\nExpected at least {FEWEST}, of different things: "
            "with fewer, the result would be chance."
        )
    return np.stack([picture for picture in read if picture is not None]), rows


def _feeds(backbone: Backbone) -> list[Feed]:
    """What is tried: every range in both colour orders; for a quantised model, whose range is fixed, the orders."""
    names = ["0..255"] if backbone.card.range_from == "network" else list(RANGES)
    return [feed_of(f"{name},{order}") for name in names for order in ("RGB", "BGR")]


def _run(backbone: Backbone, feed: Feed, pictures: Images, seen: Indices | None, classes: Indices | None) -> _Outcome:
    vectors = backbone.embed(pictures)
    belief = agreement = accuracy = None
    if seen is not None:
        p = backbone.classify(pictures)[:, -1000:].astype(np.float64)  # without "background", where there is one
        belief = p[np.arange(len(p)), seen]
        agreement = float((p.argmax(axis=1) == seen).mean())
    gram = _gram(vectors)
    if classes is not None and len(np.unique(classes)) > 1 and np.bincount(classes).min() > 1:
        keys = [i.to_bytes(4, "big") for i in range(len(classes))]
        folds = stratified_folds(classes, keys, min(FOLDS, int(np.bincount(classes).max())), 0)
        power.normalise(vectors)
        held_out = fitting.fit("ridge", vectors, classes, folds).held_out
        accuracy = float((held_out.argmax(axis=1) == classes).mean())
    return _Outcome(feed, gram, belief, agreement, accuracy)


def _gram(vectors: Vectors) -> Numbers:
    """Inner products of power-normalised features, float64 `(n, n)`; the vectors are not modified."""
    rooted = vectors.copy()
    power.normalise(rooted)
    wide = rooted.astype(np.float64)
    return wide @ wide.T


def _scores(outcomes: Sequence[_Outcome], reference: Numbers, rows: Indices, criterion: Criterion) -> Numbers:
    """The criterion of every range on some of the photos."""
    if criterion == "belief":
        return np.array([0.0 if one.belief is None else one.belief[rows].mean() for one in outcomes])
    root = _root(reference, rows)
    return np.array([procrustes(_root(one.gram, rows), root) for one in outcomes])


def _root(gram: Numbers, rows: Indices) -> Numbers:
    """Coordinates `(m, m)` whose inner products are those of the centred features of some photos."""
    part = gram[np.ix_(rows, rows)]
    part = part - part.mean(axis=0) - part.mean(axis=1)[:, None] + part.mean()
    values, vectors = np.linalg.eigh(part)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


def procrustes(x: Numbers, y: Numbers) -> float:
    """How similar two configurations of n points are after the best rotation of one onto the other.

    `|x' y|_* / (|x| |y|)`: nuclear norm over Frobenius norms, the cosine of the Procrustes angle (Williams et al.
    2021, section 2.2). 1: one is the other rotated and scaled.

    Args:
        x: float64 `(n, p)`, columns of mean 0. y: float64 `(n, q)`, the same.
    """
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(np.linalg.svd(x.T @ y, compute_uv=False).sum() / norm) if norm else 0.0


def _wins(outcomes: Sequence[_Outcome], reference: Numbers, best: int, criterion: Criterion) -> float:
    """Fraction of random halves of the photos in which the best range is the best too."""
    rng = np.random.default_rng(0)
    n = len(reference)
    wins = 0
    for _ in range(_HALVES):
        scores = _scores(outcomes, reference, np.sort(rng.permutation(n)[: n // 2]), criterion)
        wins += bool(scores[best] > np.delete(scores, best).max())  # a tie is not a win
    return wins / _HALVES
