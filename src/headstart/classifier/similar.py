"""`similar`: the photos that look most like a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import backbones
from headstart.classifier.measuring import vectors_of
from headstart.errors import DataError
from headstart.evaluation.results import PhotoCounts
from headstart.features.embedder import load_backbone
from headstart.features.extraction import Skipped, require_all
from headstart.photos.folders import identity
from headstart.photos.pictures import InMemory, Picture, Pictures, is_one_photo
from headstart.photos.sources import find_files
from headstart.progress import Choice, Silent, standard
from headstart.safety.printable import counted


@dataclass(frozen=True)
class Neighbour:
    """A photo and its similarity, -1..1: the cosine of the angle between two vectors; 1: equal vectors."""

    path: str
    similarity: float


@dataclass(frozen=True, repr=False)
class Similar:
    """The photos nearest to a photo.

    Attributes:
        photo: what was looked for.
        backbone: handle of the model whose features were compared.
        neighbours: the most similar first; photos that are equally similar in the order of the folder.
        photos: how many photos it was compared with, and those that cannot be used.
    """

    photo: str
    backbone: str
    neighbours: tuple[Neighbour, ...]
    photos: PhotoCounts

    def __repr__(self) -> str:
        return f"Similar({counted(len(self.neighbours), 'photo')} like {self.photo})"

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Photos that cannot be used."""
        return self.photos.skipped

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart similar --json` prints, see docs/json.md."""
        return {
            "photo": self.photo,
            "backbone": self.backbone,
            "similar": [{"path": one.path, "cosine": one.similarity} for one in self.neighbours],
            "photos": self.photos.to_json(),
        }


def similar(
    photo: Picture,
    photos: Pictures,
    *,
    top: int = 10,
    backbone: str | Sequence[str] = backbones.DEFAULT,
    view: backbones.Viewing = "squash",
    options: backbones.Options | None = None,
    store: str | Path | None = None,
    progress: Choice = None,
) -> Similar:
    """Find the photos most like a photo, by the cosine of their feature vectors (power-normalised, as for heads).

    Args:
        photo: what to look for.
        photos: where to look: folders, or a list of photos. The file `photo` itself is left out, copies of it are not.
        top: how many to find.
        backbone: a handle; of a list, the features are joined.
        view: how photos are fitted to its input: `squash`, `crop`, `pad`, or `both` of the first two, joined.
        options: what you know of the backbone: input range, layers.
        store: folder of the feature store; the user's if not given.
        progress: see `headstart.train`.

    Raises:
        DataError: `photo` is not one photo or cannot be used; a path does not exist.
        BackboneError: the model cannot be loaded.

    Examples:
        >>> import headstart
        >>> found = headstart.similar("some.jpg", "photos", top=3)
        >>> [neighbour.path.split("/")[1] for neighbour in found.neighbours]
        ['cherry', 'cherry', 'cherry']
    """
    if not is_one_photo(photo):
        raise DataError("The photo to look for is a folder or a list.\nExpected one photo, and then where to look.")
    if top < 1:
        raise DataError(f"top is {top}.\nExpected the number of photos to find, at least 1.")
    report = standard(progress)
    loaded = load_backbone(backbone, view=view, options=options, store=store, progress=report)
    (wanted,) = find_files(photo)
    paths = find_files(photos)
    if not isinstance(wanted, InMemory):
        itself = identity(wanted)
        paths = [path for path in paths if isinstance(path, InMemory) or identity(path) != itself]
    sought = vectors_of(loaded.backbone, [wanted], loaded.store, Silent())
    require_all(sought.skipped)
    found = vectors_of(loaded.backbone, paths, loaded.store, report)
    lengths = np.linalg.norm(found.vectors, axis=1) * np.linalg.norm(sought.vectors)
    cosines = np.clip(found.vectors @ sought.vectors[0] / np.maximum(lengths, np.finfo(np.float32).tiny), -1.0, 1.0)
    best = np.argsort(-cosines, kind="stable")[:top]
    neighbours = tuple(Neighbour(found.paths[i], float(cosines[i])) for i in best)
    counts = PhotoCounts(len(paths), found.skipped)
    counts.warn(report)
    return Similar(wanted, loaded.card.handle, neighbours, counts)
