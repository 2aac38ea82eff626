"""A pre-trained model used unchanged: photos -> its own classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import backbones
from headstart.errors import DataError, PhotoError
from headstart.evaluation.results import PhotoCounts
from headstart.evaluation.shown import Shown
from headstart.features.extraction import Skipped, require_all
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.pictures import Pictures, is_one_photo
from headstart.photos.reading import readers
from headstart.photos.sources import find_files
from headstart.progress import Choice, Progress, standard
from headstart.safety.printable import counted

_CHUNK = 32


@dataclass(frozen=True)
class Guess:
    """One of the model's classes: its name, its number and its probability."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True)
class Recognised:
    """A photo and what it may show, the most probable first."""

    path: str
    guesses: tuple[Guess, ...]

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.guesses[0].label

    def to_json(self) -> dict[str, Any]:
        """One of the `predictions` of `headstart classify --json`, see docs/json.md."""
        best = self.guesses[0]
        guesses = [{"class": one.label, "index": one.index, "probability": one.probability} for one in self.guesses]
        return {"path": self.path, "predicted": best.label, "probability": best.probability, "guesses": guesses}


@dataclass(frozen=True, repr=False)
class Classified(Shown):
    """What a pre-trained model recognises.

    Attributes:
        backbone: its handle.
        photos: one entry for each photo that could be used.
        skipped: photos that could not be used.
    """

    backbone: str
    photos: tuple[Recognised, ...]
    skipped: tuple[Skipped, ...]

    def __repr__(self) -> str:
        return f"Classified({self.backbone}: {counted(len(self.photos), 'photo')}, {len(self.skipped):,} skipped)"

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart classify --json` prints, see docs/json.md."""
        return {
            "backbone": self.backbone,
            "predictions": [one.to_json() for one in self.photos],
            "photos": PhotoCounts.of(self.photos, self.skipped).to_json(),
        }


def classify(
    photos: Pictures,
    backbone: str = backbones.DEFAULT,
    top: int = 5,
    options: backbones.Options | None = None,
    progress: Choice = None,
) -> Classified | Recognised:
    """Use a pre-trained model as it is, in its own view.

    Args:
        photos: one photo or many, or folders: paths or pictures in memory, see `headstart.photos.pictures.Pictures`.
        backbone: a handle.
        top: guesses for each photo.
        options: what you know of the model: its input range.
        progress: see `headstart.train`.

    Returns:
        what is recognised in all photos that can be used, and a list of the others; of one photo alone what is
        recognised in it.

    Raises:
        DataError: a path does not exist, or the one photo cannot be used.
        BackboneError: the model has no classes of its own.

    Examples:
        >>> import headstart
        >>> headstart.classify("some.jpg").label
        'daisy'
        >>> headstart.classify(["some.jpg", "new.jpg"])
        Classified(builtin:efficientnet-lite0: 2 photos, 0 skipped)
    """
    report = standard(progress)
    found = classify_all(photos, backbone, top, options, report)
    if is_one_photo(photos):
        require_all(found.skipped)
        return found.photos[0]
    PhotoCounts.of(found.photos, found.skipped).warn(report)
    return found


def classify_all(
    photos: Pictures, backbone: str, top: int, options: backbones.Options | None, progress: Progress
) -> Classified:
    """As `classify`, but one photo is a list of one."""
    if top < 1:
        raise DataError(f"top is {top}.\nExpected the number of guesses for each photo, at least 1.")
    paths = find_files(photos)
    opened = backbones.load(backbone, folder=Store().compiled, options=options, progress=progress).with_fit("crop")
    recognised: list[Recognised] = []
    skipped: list[Skipped] = []

    def read(path: str) -> images.Images | PhotoError:
        try:
            return images.load(path, opened.card.view)
        except PhotoError as error:
            return error

    with readers() as pool:
        for start in range(0, len(paths), _CHUNK):
            part = paths[start : start + _CHUNK]
            outcomes = list(pool.map(read, part))
            pictures = [outcome for outcome in outcomes if not isinstance(outcome, PhotoError)]
            rows = iter(opened.classify(np.stack(pictures)) if pictures else np.empty((0, 0), np.float32))
            for path, outcome in zip(part, outcomes, strict=True):
                if isinstance(outcome, PhotoError):
                    skipped.append(Skipped(path, outcome.reason, outcome.detail))
                    continue
                row = next(rows)
                best = np.argsort(-row, kind="stable")[:top]
                guesses = tuple(Guess(opened.labels[i], int(i), float(row[i])) for i in best)
                recognised.append(Recognised(path, guesses))
    return Classified(opened.card.handle, tuple(recognised), tuple(skipped))
