"""Which pictures may show the same: the nearest of each, by a short description that small changes hardly alter."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from headstart.photos.reading import processors
from headstart.progress import Progress
from headstart.safety.printable import counted
from headstart.trust.copies.alignment import weights
from headstart.trust.copies.thumbnails import SIDE, Floats, Gallery, unpacked

#: A description has so many values in height and width.
_POINTS = 10
_REACH = 18.0
#: What lies between these standard deviations, in pixels, is described.
_FINE, _COARSE = 2.0, 6.0
#: Also the inner part of each picture is described, as a crop would show it.
_CROPPED = 0.88
#: Of altered copies, crops by 6 % and pictures turned by 4 degrees included, 99 % were 0.83 or more alike.
_LEAST = 0.7
#: Candidates of each picture.
_NEAREST = 8
#: Descriptions are kept as whole numbers, a quarter of the memory: values times this.
_SCALE = np.float32(127)
_ROWS, _COLUMNS = 192, 1024
#: From so many pictures on a graph of neighbours is faster than comparing all (benchmarks/copies.py).
_MANY = 50_000
#: Links of a picture in the graph; pictures looked at to add one, and to find the neighbours of one.
_LINKS, _ADDING, _SEARCHING = 16, 64, 32

Index = npt.NDArray[np.int8]


class _Hits(NamedTuple):
    """Pictures that are alike: numbers among those looked for and among all, how alike, and whether mirrored."""

    own: npt.NDArray[np.intp]
    other: npt.NDArray[np.intp]
    score: Floats
    mirrored: npt.NDArray[np.bool_]


class _Search(Protocol):
    def hits(self, query: Floats) -> _Hits:
        """Pictures like those with the descriptions `(m, 100)`, see `_halves`."""
        ...


def candidates(
    gallery: Gallery, count: int, pool: Executor, progress: Progress
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Pairs of pictures that may show the same.

    Args:
        gallery: of `count` pictures. pool: of threads that compare.
        progress: receives a message if a library would make it faster.

    Returns:
        intp `(p, 2)`, ascending, and bool `(p,)`: whether one of the two is the other's mirror image.
    """
    index = np.empty((count, _POINTS**2), np.int8)
    for start in range(0, count, _ROWS):
        rows = np.arange(start, min(start + _ROWS, count))
        packed, good = gallery.get(rows)
        index[rows] = np.rint(_SCALE * _halves(described(unpacked(packed).grey)) * good[:, None])
    search = _search(index, progress)

    def nearest(start: int) -> npt.NDArray[np.int64]:
        rows = np.arange(start, min(start + _ROWS, count))
        return _nearest(search, count, rows, unpacked(gallery.get(rows)[0]).grey)

    codes = np.unique(np.concatenate([np.empty(0, np.int64), *pool.map(nearest, range(0, count, _ROWS))]))
    first, second = np.divmod(codes // 2, count)
    return np.stack([first, second], axis=1), codes % 2 == 1


def _search(index: Index, progress: Progress) -> _Search:
    """A graph of neighbours for many pictures, if the library for it is installed."""
    if len(index) >= _MANY:
        try:
            return _Graph(index)
        except ImportError:
            progress.message(
                f"Each of {counted(len(index), 'photo')} is compared with all others to find copies. A library makes "
                "this faster: pip install 'headstart[neighbours]'"
            )
    return _All(index)


def described(grey: Floats, part: float = 1.0) -> Floats:
    """The descriptions of pictures `(n, 48, 48)`, or of their inner part: `(n, 100)`, of length 1."""
    places = np.linspace(-_REACH, _REACH, _POINTS) * part + (SIDE - 1) / 2
    fine, coarse = (weights(places, SIDE, sigma * part) for sigma in (_FINE, _COARSE))
    found = (fine @ grey @ fine.T - coarse @ grey @ coarse.T).reshape(len(grey), -1)
    found -= found.mean(axis=1, keepdims=True)
    normal: Floats = (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-3)).astype(np.float32)
    return normal


def _halves(descriptions: Floats) -> Floats:
    """Descriptions, turned so that mirroring a picture only changes the sign of the second half of its values."""
    left, right = np.split(descriptions.reshape(-1, _POINTS, _POINTS), 2, axis=2)
    right = right[:, :, ::-1]
    found: Floats = np.concatenate([left + right, left - right], axis=1).reshape(len(descriptions), -1) / np.sqrt(
        np.float32(2)
    )
    return found


class _All:
    """Compares with all pictures, block by block."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def hits(self, query: Floats) -> _Hits:
        """See `_Search.hits`."""
        found = []
        half = query.shape[1] // 2
        query = query / _SCALE
        room = np.empty((3, len(query), _COLUMNS), np.float32)
        for start in range(0, len(self._index), _COLUMNS):
            block = self._index[start : start + _COLUMNS].astype(np.float32)
            same, sided, either = room[:, :, : len(block)]
            np.matmul(query[:, :half], block[:, :half].T, out=same)
            np.matmul(query[:, half:], block[:, half:].T, out=sided)
            np.abs(sided, out=either)
            either += same
            own, other = np.divmod(np.flatnonzero(either > _LEAST), len(block))
            plain, turned = same[own, other], sided[own, other]
            for mirrored, score in ((False, plain + turned), (True, plain - turned)):
                good = score > _LEAST
                found.append(_Hits(own[good], other[good] + start, score[good], np.full(int(good.sum()), mirrored)))
        return _joined(found)


class _Graph:
    """Follows a graph from neighbour to neighbour (HNSW, Malkov and Yashunin 2018), which misses few.

    Built by one thread, so that the same pictures have the same graph.
    """

    def __init__(self, index: Index) -> None:
        from usearch.index import Index as Graph

        self._index = index
        self._graph: Any = Graph(
            ndim=index.shape[1],
            metric="ip",
            dtype="i8",
            connectivity=_LINKS,
            expansion_add=_ADDING,
            expansion_search=_SEARCHING,
        )
        rows = np.flatnonzero(index.any(axis=1))
        for start in range(0, len(rows), _COLUMNS):
            some = rows[start : start + _COLUMNS]
            self._graph.add(some.astype(np.uint64), index[some], threads=1)

    def hits(self, query: Floats) -> _Hits:
        """See `_Search.hits`."""
        found = []
        for mirrored in (False, True):
            if mirrored:
                query = query * np.repeat((1, -1), query.shape[1] // 2).astype(np.float32)
            matches = self._graph.search(np.rint(query * _SCALE).astype(np.int8), 2 * _NEAREST, threads=processors())
            own, place = np.nonzero(np.arange(matches.keys.shape[1]) < matches.counts[:, None])
            other = matches.keys[own, place].astype(np.intp)
            score = np.einsum("id,id->i", query[own], self._index[other].astype(np.float32)) / _SCALE
            good = score > _LEAST
            found.append(_Hits(own[good], other[good], score[good], np.full(int(good.sum()), mirrored)))
        return _joined(found)


def _joined(hits: Sequence[_Hits]) -> _Hits:
    return _Hits(*(np.concatenate(parts) for parts in zip(*hits, strict=True)))


def _nearest(search: _Search, count: int, rows: npt.NDArray[np.intp], grey: Floats) -> npt.NDArray[np.int64]:
    """Pairs of some pictures with their nearest others: `2 * (lower * count + higher)`, and 1 more if mirrored."""
    hits = _joined([search.hits(_halves(described(grey, part))) for part in (1.0, _CROPPED)])
    order = np.lexsort((-hits.score, hits.own))
    order = order[rows[hits.own[order]] != hits.other[order]]  # no picture is its own candidate
    own, other, mirrored = hits.own[order], hits.other[order], hits.mirrored[order]
    first = np.searchsorted(own, own)  # where each picture's candidates start
    kept = np.arange(len(own)) - first < 2 * _NEAREST  # most are found twice, whole and cropped
    one, two = rows[own[kept]], other[kept]
    return np.unique(2 * (np.minimum(one, two) * count + np.maximum(one, two)) + mirrored[kept])
