"""`check`: one look over a collection of photos, before or after a training."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.classifier.checked import (
    RELATIONS,
    Check,
    CheckedClasses,
    Confusable,
    Copies,
    CopyPair,
    Kinship,
    Member,
    Poor,
    SmallClass,
    Unlike,
)
from headstart.classifier.measuring import vectors_of
from headstart.classifier.training import name_of
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.leakage import Clean, distinct, joined, without_classes, without_conflicts
from headstart.evaluation.metrics import mean_of
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Features, Hashes
from headstart.features.store import Store
from headstart.photos.archives import unpacked
from headstart.photos.checks import LEAST
from headstart.photos.pictures import Pictures
from headstart.photos.reading import readers
from headstart.photos.sources import Source, open_source
from headstart.progress import Choice, Progress, Silent, standard
from headstart.trust import classes as doubtful
from headstart.trust.copies.finding import Pair, find, groups
from headstart.trust.copies.thumbnails import Gallery
from headstart.trust.copies.thumbnails import unpacked as pictures_of
from headstart.trust.copies.together import together
from headstart.trust.give_aways import GiveAway, Properties, borders, described, give_away, properties
from headstart.trust.labels import SuspiciousLabels, suspicious
from headstart.trust.looks import Fault, faults

#: Different photos of a class that are recommended.
_RECOMMENDED = 10
_CHUNK = 1024


def check(
    photos: Pictures,
    labels: Iterable[str] | None = None,
    *,
    backbone: str = backbones.DEFAULT,
    options: backbones.Options | None = None,
    test: str | Path | None = None,
    unpack: bool = False,
    store: str | Path | None = None,
    progress: Choice = None,
) -> Check:
    """Look over a collection of photos: what cannot be read, copies, labels and photos that are doubtful.

    Photos are never changed, and nothing is left out: `Check` lists what was found.

    Args:
        photos: see `headstart.train`.
        labels: class names of a list of photos.
        backbone: a handle.
        options: what you know of the backbone: input range, layers.
        test: a folder or CSV of further photos, to measure on.
        unpack: if `photos` or `test` is a zip or tar, unpack it beside itself first.
        store: folder of the feature store; the user's if not given.
        progress: see `headstart.train`.

    Raises:
        DataError: see `headstart.photos.sources.open_source`.
        BackboneError: the model cannot be loaded.

    Examples:
        >>> import headstart
        >>> len(headstart.check("photos").copies)
        0
    """
    report = standard(progress)
    kept = Store(store)
    if unpack:
        photos, test = unpacked(photos, report), unpacked(test, report)
    source = open_source(photos, labels, test)
    for note in source.notes:
        report.caution(note)
    opened = backbones.load(backbone, folder=kept.compiled, options=options, progress=report)
    features = vectors_of(opened, source.paths, kept, report, compared=True)
    return looked_over(source, features, name_of(photos, len(source.paths)), opened.card.handle, kept, report)


def looked_over(
    source: Source, features: Features, name: str, backbone: str, store: Store, progress: Progress
) -> Check:
    """The look itself, over features that are there.

    Args:
        source: the photos. features: of `source.paths`, power-normalised, as far as they could be used.
        name: of the source. backbone: handle of the one that the features come from.
        store: keeps thumbnails. progress: receives messages.
    """
    clock = time.perf_counter()
    given = [source.labels[i] for i in features.rows]
    measured = features.rows >= len(source.train)
    sound = without_conflicts(features, given)
    # Training counts the photos of a class as different if all of them are copies of one; here they are one.
    alike = find(sound.features.paths, sound.features.hashes, store, progress)
    links = [(one.first, one.second) for one in alike if sound.labels[one.first] == sound.labels[one.second]]
    different = distinct(joined(sound, links))
    clean = together(sound, store, Silent())
    counts = distinct(clean)
    names = source.train.classes
    clean = without_classes(clean, [name for name in names if counts[name] < LEAST])
    looks = _looks(features, store, progress)
    found, apart, given_away = _judged(clean, looks)
    return Check(
        source=name,
        backbone=backbone,
        photos=PhotoCounts(len(source.paths), features.skipped),
        copies=_copies(features, given, measured, store, progress),
        suspicious=found,
        unlike=_unlike(features, given),
        poor=tuple(
            Poor(features.paths[i], given[i], fault)
            for i, fault in zip(looks.rows.tolist(), looks.faults, strict=True)
            if fault is not None
        ),
        classes=CheckedClasses(
            tuple(SmallClass(name, different[name]) for name in names if different[name] < _RECOMMENDED),
            tuple(doubtful.same_names(names)),
            apart,
        ),
        give_aways=given_away,
        seconds=time.perf_counter() - clock,
    )


@dataclass(frozen=True)
class _Looks:
    """How n different photos look, in the order of their content hashes.

    Attributes:
        hashes: `V32` `(n,)`, in ascending order. rows: intp `(n,)`, the first photo of each.
        faults: of each; None: none. borders: float32 `(n, m)`. properties: of the files.
    """

    hashes: Hashes
    rows: npt.NDArray[np.intp]
    faults: list[Fault | None]
    borders: npt.NDArray[np.float32]
    properties: list[Properties]


def _looks(features: Features, store: Store, progress: Progress) -> _Looks:
    """Look at each different photo once."""
    hashes, rows = np.unique(features.hashes, return_index=True)
    gallery = Gallery([features.paths[i] for i in rows], hashes, store, progress)
    edges: list[npt.NDArray[np.float32]] = []
    faulty: list[Fault | None] = []
    with readers() as pool:
        found = list(pool.map(properties, [features.paths[i] for i in rows]))
    sizes = np.array([(one.width, one.height) for one in found], np.intp).reshape(-1, 2)
    for start in range(0, len(rows), _CHUNK):
        some = np.arange(start, min(start + _CHUNK, len(rows)))
        packed, there = gallery.get(some)
        pictures = pictures_of(packed)
        found_here = faults(pictures.grey, sizes[some])
        faulty += [fault if known else None for fault, known in zip(found_here, there, strict=True)]
        edges.append(borders(pictures))
    return _Looks(hashes, rows, faulty, np.concatenate(edges) if edges else np.zeros((0, 1), np.float32), found)


def _judged(
    clean: Clean, looks: _Looks
) -> tuple[SuspiciousLabels | None, tuple[Confusable, ...], tuple[GiveAway, ...]]:
    """What cross-validated predictions show of labels, classes and backgrounds; None if there are too few photos."""
    names = clean.classes
    if len(names) < LEAST:
        return None, (), ()
    probabilities = mean_of(cross_validate("logistic", clean, names, 0).held_out)
    numbers, paths = clean.numbers(names), clean.features.paths
    listed = suspicious(paths, numbers, names, probabilities, clean.features.vectors)
    pairs = doubtful.not_told_apart(probabilities, numbers)
    accuracy = float((probabilities.argmax(axis=1) == numbers).mean())
    places = np.searchsorted(looks.hashes, clean.features.hashes)
    given_away = (
        give_away("borders", clean, looks.borders[places], accuracy),
        give_away("file properties", clean, described([looks.properties[i] for i in places], paths), accuracy),
    )
    return (
        listed,
        tuple(Confusable((names[a], names[b]), share, interval) for a, b, share, interval in pairs),
        tuple(one for one in given_away if one is not None),
    )


def _copies(
    features: Features, labels: Sequence[str], measured: npt.NDArray[np.bool_], store: Store, progress: Progress
) -> tuple[Copies, ...]:
    """Groups of photos that show the same picture."""
    paths, hashes = features.paths, features.hashes
    _, first, same = np.unique(hashes, return_index=True, return_inverse=True)
    equal = [Pair(int(first[same[i]]), i, "copy", 1.0) for i in range(len(paths)) if first[same[i]] != i]
    kinds: dict[tuple[int, int], Kinship] = {(one.first, one.second): "same file" for one in equal}
    made = []
    for group in groups([*equal, *find(paths, hashes, store, progress)]):
        members = tuple(Member(paths[i], labels[i], bool(measured[i])) for i in group.photos)
        pairs = tuple(
            CopyPair(paths[one.first], paths[one.second], kinds.get((one.first, one.second), one.reason), one.score)
            for one in group.pairs
        )
        classes, sides = {one.label for one in members}, {one.test for one in members}
        relation = RELATIONS[0 if len(classes) > 1 else 1 if len(sides) > 1 else 2]
        made.append(Copies(relation, members, pairs))
    return tuple(sorted(made, key=lambda one: RELATIONS.index(one.relation)))


def _unlike(features: Features, labels: Sequence[str]) -> tuple[Unlike, ...]:
    numbers = np.unique(labels, return_inverse=True)[1] if labels else np.zeros(0, np.intp)
    return tuple(
        Unlike(features.paths[i], labels[i], cosine) for i, cosine in doubtful.unlike(features.vectors, numbers)
    )
