"""The photos of shards that can be learned from or measured on, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.heads import power
from headstart.heads.head import Vectors
from headstart.scale.job import results
from headstart.scale.places import Place
from headstart.scale.survey import Survey, prints_of, usable

#: Rows of a table that are read at a time.
_ROWS = 1024


@dataclass(frozen=True)
class Part:
    """Photos with a class: float32 `(n, dim)` vectors, power-normalised; class numbers, folds, prints and addresses."""

    vectors: Vectors
    labels: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp]
    prints: npt.NDArray[np.uint64]
    hashes: list[bytes]
    paths: list[str]

    def take(self, rows: npt.NDArray[np.intp]) -> Part:
        """Some of the photos."""
        hashes, paths = [self.hashes[i] for i in rows], [self.paths[i] for i in rows]
        return Part(self.vectors[rows], self.labels[rows], self.folds[rows], self.prints[rows], hashes, paths)


def parts_of(shards: Sequence[str], survey: Survey, tested: bool) -> Iterator[Part]:
    """The photos of some shards that can be learned from, or those to be measured on.

    Args:
        shards: addresses. survey: of all photos. tested: which of the two.
    """
    place = {name: i for i, name in enumerate(survey.classes)}
    columns = ["address", "hash", "vector", "label", "split", "outcome"]
    for address in shards:
        with results(Place(address)) as file:
            for rows in file.iter_batches(_ROWS, columns=columns):
                yield from _part(rows, survey, place, tested)


def _part(rows: Any, survey: Survey, place: dict[str, int], tested: bool) -> Iterator[Part]:
    import pyarrow as pa

    table, testing = usable(pa.Table.from_batches([rows]))
    if not len(table):
        return
    prints, folds = prints_of(table.column("hash"))
    kept = (testing == tested) & ~np.isin(prints, survey.left_out)
    if not tested:
        kept &= ~np.isin(prints, survey.held_back)
    if not kept.any():
        return
    lists = table.column("vector").combine_chunks()
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(table), -1)[kept].astype(np.float32)
    power.normalise(vectors)
    chosen = np.flatnonzero(kept)
    labels, paths = table.column("label").to_pylist(), table.column("address").to_pylist()
    hashes = table.column("hash").to_pylist()
    yield Part(
        vectors,
        np.array([place[labels[i]] for i in chosen], np.intp),
        folds[kept].astype(np.intp),
        prints[kept],
        [hashes[i] for i in chosen],
        [paths[i] for i in chosen],
    )


def joined(parts: Sequence[Part]) -> Part:
    """Photos of several parts; there is at least one part."""
    return Part(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.folds for part in parts]),
        np.concatenate([part.prints for part in parts]),
        [one for part in parts for one in part.hashes],
        [one for part in parts for one in part.paths],
    )
