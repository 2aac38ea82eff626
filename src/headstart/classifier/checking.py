"""`check`: one look over a collection of photos, before or after a training."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
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
from headstart.evaluation.leakage import Clean, distinct, without_classes, without_conflicts
from headstart.evaluation.metrics import mean_of
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Features
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.archives import unpacked
from headstart.photos.checks import LEAST
from headstart.photos.formats import open_header, sniff
from headstart.photos.pictures import Pictures
from headstart.photos.reading import readers
from headstart.photos.sources import open_source
from headstart.progress import Choice, Progress, Silent, standard
from headstart.trust import classes as doubtful
from headstart.trust.copies.finding import Pair, find, groups
from headstart.trust.copies.thumbnails import Gallery
from headstart.trust.copies.thumbnails import unpacked as pictures_of
from headstart.trust.copies.together import together
from headstart.trust.labels import SuspiciousLabels, suspicious
from headstart.trust.looks import faults

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
        photos, labels, test: see `headstart.train`.
        backbone: a handle.
        options: what you know of the backbone: input range, layers.
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
    features = vectors_of(opened, source.paths, kept, report)
    clock = time.perf_counter()
    given = [source.labels[i] for i in features.rows]
    measured = features.rows >= len(source.train)
    clean = together(without_conflicts(features, given), kept, Silent())
    counts = distinct(clean)
    names = source.train.classes
    found, apart = _judged(clean, [name for name in names if counts[name] < LEAST])
    return Check(
        source=name_of(photos, len(source.paths)),
        backbone=opened.card.handle,
        photos=PhotoCounts(len(source.paths), features.skipped),
        copies=_copies(features, given, measured, kept, report),
        suspicious=found,
        unlike=_unlike(features, given),
        poor=_poor(features, given, kept, report),
        classes=CheckedClasses(
            tuple(SmallClass(name, counts[name]) for name in names if counts[name] < _RECOMMENDED),
            tuple(doubtful.same_names(names)),
            apart,
        ),
        seconds=time.perf_counter() - clock,
    )


def _judged(clean: Clean, small: Sequence[str]) -> tuple[SuspiciousLabels | None, tuple[Confusable, ...]]:
    """What cross-validated predictions show of labels and classes; None if there are too few photos."""
    clean = without_classes(clean, small)
    names = clean.classes
    if len(names) < LEAST:
        return None, ()
    probabilities = mean_of(cross_validate("logistic", clean, names, 0).held_out)
    numbers = clean.numbers(names)
    listed = suspicious(clean.features.paths, numbers, names, probabilities, clean.features.vectors)
    pairs = doubtful.not_told_apart(probabilities, numbers)
    return listed, tuple(Confusable((names[a], names[b]), share, interval) for a, b, share, interval in pairs)


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


def _poor(features: Features, labels: Sequence[str], store: Store, progress: Progress) -> tuple[Poor, ...]:
    """Photos that show little; each file once."""
    hashes, rows = np.unique(features.hashes, return_index=True)
    gallery = Gallery([features.paths[i] for i in rows], hashes, store, progress)
    made = []
    with readers() as pool:
        for start in range(0, len(rows), _CHUNK):
            some = np.arange(start, min(start + _CHUNK, len(rows)))
            thumbnails, there = gallery.get(some)
            sizes = list(pool.map(_size, [features.paths[rows[i]] for i in some]))
            for i, known, fault in zip(
                some, there, faults(pictures_of(thumbnails).grey, np.array(sizes, np.intp)), strict=True
            ):
                if known and fault is not None:
                    made.append((int(rows[i]), fault))
    return tuple(Poor(features.paths[i], labels[i], fault) for i, fault in sorted(made))


def _size(path: str) -> tuple[int, int]:
    """Width and height of a photo from its header; zeros if that cannot be read. Runs in the pool's threads."""
    try:
        data = images.read(path)
        if isinstance(data, bytes):
            return open_header(sniff(data[:32]), io.BytesIO(data)).size
    except Exception:  # Pillow raises anything on damaged headers; the photo itself was readable
        pass
    return 0, 0
