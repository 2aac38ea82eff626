"""Find photos that show the same picture: candidates by description, the verdict by alignment.

Only the photos decide, no backbone: the groups are the same for all backbones, so that their figures can be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from headstart.disk import atomic
from headstart.features.extraction import Hashes
from headstart.features.store import Store
from headstart.heads.linear_algebra import one_thread
from headstart.photos.reading import processors
from headstart.progress import Progress
from headstart.trust.copies.alignment import Likeness, likeness
from headstart.trust.copies.nearest import candidates
from headstart.trust.copies.shots import FACTS, in_sequence, within_seconds
from headstart.trust.copies.thumbnails import Gallery, unpacked

Reason = Literal["copy", "mirrored copy", "burst"]

#: Increased when other pairs are found in the same photos.
_REVISION = 2
#: Copies: of altered copies of clothes, food and fruit 99 % reached 0.90. Of 17,000 pairs of clothes that are laid out
#: alike one reached 0.87, the others 0.83. Colours need only agree roughly: those of brightened copies are cut off.
_STRUCTURE, _COLOUR = 0.88, 0.5
#: Photos that one camera took within seconds may differ more, since things move; those that only have names in
#: sequence less, since many photograph one thing after the other on the same table.
_TIMED_ROUGH, _TIMED_COLOUR = 0.8, 0.8
_NAMED_ROUGH, _NAMED_STRUCTURE, _NAMED_COLOUR = 0.9, 0.5, 0.9
#: The first may be a crop: pairs that are so alike, roughly or in structure, are compared the other way round, too.
_AGAIN_ROUGH, _AGAIN_STRUCTURE = 0.85, 0.3
_CHUNK = 64


@dataclass(frozen=True)
class Pair:
    """Two photos, by number, that show the same picture.

    Attributes:
        first, second: numbers of the photos, `first < second`.
        reason: `copy`, `mirrored copy` or `burst`.
        score: how alike the fine structure is, 0..1.
    """

    first: int
    second: int
    reason: Reason
    score: float


@dataclass(frozen=True)
class Group:
    """Photos, by number, that are linked by pairs."""

    photos: tuple[int, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class _Alike:
    """A pair that was found: a `copy`, or a burst if it is `timed` or has names in sequence."""

    first: int
    second: int
    mirrored: bool
    copy: bool
    timed: bool
    score: float


def find(paths: Sequence[str], hashes: Hashes, store: Store, progress: Progress) -> tuple[Pair, ...]:
    """Find pairs of photos that show the same picture; what was found in the same photos before is in the store.

    Photos that can no longer be read are not compared. Equal files are not listed as pairs.

    Args:
        paths: n photos. hashes: `V32` `(n,)`, SHA-256 of each photo's bytes.
        store: keeps thumbnails and findings.
        progress: receives a message if it takes long.
    """
    unique, rows = np.unique(hashes, return_index=True)
    alike = _known(store, unique)
    if alike is None:
        gallery = Gallery([paths[i] for i in rows.tolist()], unique, store, progress)
        alike = _compared(gallery, len(unique), progress)
        if gallery.complete:  # a photo that is gone may be back next time
            _remember(store, unique, alike)
    pairs = []
    for one in alike:
        first, second = sorted((int(rows[one.first]), int(rows[one.second])))
        reason: Reason = "mirrored copy" if one.mirrored else "copy"
        if not one.copy:
            if not one.timed and not in_sequence(paths[first], paths[second]):
                continue
            reason = "burst"
        pairs.append(Pair(first, second, reason, one.score))
    return tuple(sorted(pairs, key=lambda pair: (pair.first, pair.second)))


def groups(pairs: Iterable[Pair]) -> tuple[Group, ...]:
    """The groups that pairs form, in the order of their first photos."""
    pairs = list(pairs)
    root: dict[int, int] = {}

    def top(photo: int) -> int:
        while root.setdefault(photo, photo) != photo:
            root[photo] = photo = root[root[photo]]
        return photo

    for pair in pairs:
        low, high = sorted((top(pair.first), top(pair.second)))
        root[high] = low
    photos: dict[int, list[int]] = {}
    for photo in sorted(root):
        photos.setdefault(top(photo), []).append(photo)
    links: dict[int, list[Pair]] = {}
    for pair in pairs:
        links.setdefault(top(pair.first), []).append(pair)
    return tuple(Group(tuple(members), tuple(links[first])) for first, members in photos.items())


def _compared(gallery: Gallery, count: int, progress: Progress) -> list[_Alike]:
    """Compare all candidates among `count` photos."""
    with one_thread(), ThreadPoolExecutor(processors()) as pool:
        pairs, mirrored = candidates(gallery, count, pool, progress)
        starts = range(_CHUNK, len(pairs), _CHUNK)
        parts = pool.map(_judged, repeat(gallery), np.split(pairs, starts), np.split(mirrored, starts))
        return [one for part in parts for one in part]


def _judged(gallery: Gallery, pairs: npt.NDArray[np.intp], mirrored: npt.NDArray[np.bool_]) -> list[_Alike]:
    """Those of some candidates that are alike."""
    if not len(pairs):
        return []
    (one, has_one), (two, has_two) = gallery.get(pairs[:, 0]), gallery.get(pairs[:, 1])
    first, second = unpacked(one), unpacked(two).mirrored(mirrored)
    found = likeness(first, second)
    promising = (found.rough >= _AGAIN_ROUGH) | (found.structure >= _AGAIN_STRUCTURE)
    again = np.flatnonzero(promising & (found.structure < _STRUCTURE))
    if len(again):
        _take_better(found, again, likeness(second.take(again), first.take(again)))
    copy = (found.structure >= _STRUCTURE) & (found.colour >= _COLOUR)
    near = within_seconds(*(np.ascontiguousarray(packed[:, -FACTS:]).view("<i8") for packed in (one, two)))
    timed = near & ~mirrored & (found.rough >= _TIMED_ROUGH) & (found.colour >= _TIMED_COLOUR)
    named = (found.rough >= _NAMED_ROUGH) & (found.structure >= _NAMED_STRUCTURE) & (found.colour >= _NAMED_COLOUR)
    kept = np.flatnonzero((copy | timed | (named & ~mirrored)) & has_one & has_two)
    facts = (*pairs[kept].T, mirrored[kept], copy[kept], timed[kept], found.structure[kept].astype(float).round(3))
    return [_Alike(*one) for one in zip(*(values.tolist() for values in facts), strict=True)]


def _take_better(found: Likeness, rows: npt.NDArray[np.intp], other: Likeness) -> None:
    better = other.structure > found.structure[rows]
    for one, two in ((found.rough, other.rough), (found.structure, other.structure), (found.colour, other.colour)):
        one[rows[better]] = two[better]


def _file(store: Store, unique: Hashes) -> Path:
    digest = hashlib.sha256(b"%d " % _REVISION + unique.tobytes()).hexdigest()
    return store.copies / f"{digest[:32]}.json"


def _known(store: Store, unique: Hashes) -> list[_Alike] | None:
    """What was found in these photos before; None if it is not known."""
    try:
        found = [_Alike(*one) for one in json.loads(_file(store, unique).read_bytes())]
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    sound = all(0 <= one.first < len(unique) and 0 <= one.second < len(unique) for one in found)
    return found if sound else None


def _remember(store: Store, unique: Hashes, alike: Sequence[_Alike]) -> None:
    """Keep what was found; a full disk only means that it is looked for again."""
    facts = [[one.first, one.second, one.mirrored, one.copy, one.timed, one.score] for one in alike]
    with suppress(OSError):
        atomic.write(_file(store, unique), json.dumps(facts), lasting=False)
