"""Does something beside the subject give the class away: the background, or the camera and the file?

A head that learns the background or the camera looks accurate until photos come from elsewhere. So two small heads
are cross-validated that cannot see the subject: one gets the borders of the 48-pixel thumbnail alone (the outer twelfth
on each side, 4 by 4 pixels averaged), one gets properties of the file alone (sides, bytes, format, camera, orientation,
the pattern of its name). That they beat guessing is no fault in itself: shoes stand on floors. What is reported
explains at least half of what the real head achieves: the lower end of the 95 % interval is at least halfway between
guessing (always the most frequent class) and the accuracy of the real head.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

import numpy as np
import numpy.typing as npt

from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.intervals import accuracy_interval
from headstart.evaluation.leakage import Clean
from headstart.evaluation.metrics import mean_of
from headstart.photos import images
from headstart.photos.formats import open_header, sniff
from headstart.trust.copies.thumbnails import Thumbnails

Kind = Literal["borders", "file properties"]
#: Values of a property that get a column of their own.
_VALUES = 20
#: Cells of a thumbnail in height and width.
_CELLS = 12
_ORIENTATION, _MAKER, _MODEL = 0x0112, 0x010F, 0x0110


@dataclass(frozen=True)
class GiveAway:
    """Something beside the subject from which the class can be told.

    Attributes:
        kind: `borders` or `file properties`.
        accuracy: of a head that sees nothing else, cross-validated. interval: its 95 % interval.
        chance: accuracy of always guessing the most frequent class.
    """

    kind: Kind
    accuracy: float
    interval: tuple[float, float]
    chance: float


@dataclass(frozen=True)
class Properties:
    """Properties of a photo's file; empty or 0 where they are not known."""

    width: int = 0
    height: int = 0
    size: int = 0
    kind: str = ""
    camera: str = ""
    orientation: int = 0


def properties(path: str) -> Properties:
    """Read the properties of a photo's file from its header."""
    found = Properties()
    with suppress(Exception):  # Pillow raises anything on damaged headers; the photo itself was readable
        data = images.read(path)
        if isinstance(data, bytes):
            kind = sniff(data[:32])
            header = open_header(kind, io.BytesIO(data))
            found = Properties(*header.size, len(data), kind)
            exif = header.getexif() if kind == "jpeg" else {}
            camera = f"{exif.get(_MAKER, '')} {exif.get(_MODEL, '')}".strip()
            found = replace(found, camera=camera, orientation=int(exif.get(_ORIENTATION, 0)))
    return found


def borders(thumbnails: Thumbnails) -> npt.NDArray[np.float32]:
    """The mean colours of the outer cells of n thumbnails, float32 `(n, 132)`."""
    parts = []
    for channel in (thumbnails.grey, thumbnails.blue, thumbnails.red):
        n, side, _ = channel.shape
        cells = channel.reshape(n, _CELLS, side // _CELLS, _CELLS, side // _CELLS).mean(axis=(2, 4))
        parts += [cells[:, 0], cells[:, -1], cells[:, 1:-1, 0], cells[:, 1:-1, -1]]
    return np.concatenate(parts, axis=1).astype(np.float32)


def described(found: Sequence[Properties], paths: Sequence[str]) -> npt.NDArray[np.float32]:
    """Properties of n files as numbers, float32 `(n, m)`: logarithms of sizes, and a column for each frequent value."""
    sizes = np.log1p(np.array([[one.width, one.height, one.size] for one in found], np.float32).reshape(-1, 3))
    names = [re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", PurePath(path).stem)) for path in paths]
    words: list[list[Hashable]] = [
        [one.kind for one in found],
        [one.camera for one in found],
        [one.orientation for one in found],
        list(names),
    ]
    columns = [sizes, sizes[:, :1] - sizes[:, 1:2]]
    for values in words:
        frequent = [value for value, _ in Counter(values).most_common(_VALUES)]
        columns += [np.array([[one == value] for one in values], np.float32) for value in frequent]
    return np.concatenate(columns, axis=1)


def give_away(kind: Kind, clean: Clean, description: npt.NDArray[np.float32], accuracy: float) -> GiveAway | None:
    """What a head achieves that sees only the description; None if that is less than half of the real head's.

    Args:
        kind: what is described.
        clean: n photos with labels. description: float32 `(n, m)`.
        accuracy: of the real head.
    """
    spread = description.std(axis=0)
    varied = spread > 1e-6
    if not varied.any():
        return None
    scaled = (description[:, varied] - description[:, varied].mean(axis=0)) / spread[varied]
    blind = replace(clean, features=replace(clean.features, vectors=np.ascontiguousarray(scaled, np.float32)))
    classes = clean.classes
    labels = clean.numbers(classes)
    predicted = mean_of(cross_validate("ridge", blind, classes, 0).held_out).argmax(axis=1)
    own = float((predicted == labels).mean())
    interval = accuracy_interval("cross-validation", own, clean.independent)
    chance = float(np.bincount(labels).max() / len(labels))
    return GiveAway(kind, own, interval, chance) if interval[0] >= (chance + accuracy) / 2 > chance else None
