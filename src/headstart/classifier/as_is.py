"""A pre-trained model used unchanged: photos -> its own classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import backbones
from headstart.errors import PhotoError
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Skipped
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.reading import readers
from headstart.photos.sources import find_files
from headstart.progress import Progress

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

    def to_json(self) -> dict[str, Any]:
        """One of the `predictions` of `headstart classify --json`, see docs/json.md."""
        best = self.guesses[0]
        guesses = [{"class": one.label, "index": one.index, "probability": one.probability} for one in self.guesses]
        return {"path": self.path, "predicted": best.label, "probability": best.probability, "guesses": guesses}


@dataclass(frozen=True)
class Classified:
    """What a pre-trained model recognises.

    Attributes:
        backbone: its handle.
        photos: one entry for each photo that could be used.
        skipped: photos that could not be used.
    """

    backbone: str
    photos: tuple[Recognised, ...]
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart classify --json` prints, see docs/json.md."""
        return {
            "backbone": self.backbone,
            "predictions": [one.to_json() for one in self.photos],
            "photos": PhotoCounts(len(self.photos) + len(self.skipped), self.skipped).to_json(),
        }


def classify(
    photos: Sequence[str | Path],
    backbone: str = backbones.DEFAULT,
    top: int = 5,
    options: backbones.Options | None = None,
    progress: Progress | None = None,
) -> Classified:
    """Use a pre-trained model as it is, in its own view.

    Args:
        photos: files, or folders of them.
        backbone: a handle.
        top: guesses for each photo.
        options: what you know of the model: its input range.
        progress: receives the progress of downloads.

    Raises:
        DataError: a path does not exist. BackboneError: the model has no classes of its own.
    """
    paths = find_files([photos] if isinstance(photos, (str, os.PathLike)) else photos)
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
