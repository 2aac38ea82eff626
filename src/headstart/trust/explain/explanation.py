"""`Explanation`: what a classifier looks at in a photo, and the job that makes it."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from headstart.backbones.base import Backbone, Maps, Vectors
from headstart.disk import atomic
from headstart.errors import DataError, PhotoError
from headstart.evaluation.metrics import Mistake
from headstart.evaluation.shown import Shown
from headstart.heads import power
from headstart.heads.head import Head
from headstart.photos import images
from headstart.photos.images import Images, View
from headstart.safety.printable import percent, show
from headstart.trust.explain import overlay
from headstart.trust.explain.heat import Heat, by_map, by_occlusion, enlarged, log_odds

Method = Literal["map", "occlusion"]
#: Pixels of a picture's longer side; in reports less.
SIDE, SMALL = 448, 168
#: Mistakes that get a heat map, at most: as many as reports show.
_MISTAKES = 24


class WithoutMapError(DataError):
    """The backbone has no map before a mean."""


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """Which places of a photo speak for a class.

    Attributes:
        path: of the photo.
        label: the class that is explained.
        classes: k class names.
        probabilities: float64 `(k,)`, in the order of `classes`.
        heat: float32 `(height, width)`, a number for each pixel of `picture`: how much log odds the class loses
            without this place. Positive: it speaks for the class; negative: against it.
        picture: uint8 `(height, width, 3)`, what the backbone sees of the photo, in the photo's own proportions.
        method: `map` (places of the map before the mean are left out) or `occlusion` (patches cover the picture).
    """

    path: str
    label: str
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    heat: Heat
    picture: Images
    method: Method

    def __repr__(self) -> str:
        return f"Explanation({show(self.path)}: {show(self.label)}, {percent(self.probability)}, by {self.method})"

    @property
    def predicted(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """Of the class that is explained."""
        return float(self.probabilities[self.classes.index(self.label)])

    @property
    def overlay(self) -> Images:
        """The picture in grey with the heat over it, uint8 `(height, width, 3)`: orange for the class, blue against."""
        return overlay.over(self.picture, self.heat)

    def save(self, path: str | Path) -> None:
        """Write the picture, and beside it the same with the heat over it, as a PNG; an existing file is replaced.

        Raises:
            DataError: it cannot be written.
        """
        data = io.BytesIO()
        Image.fromarray(overlay.beside(self.picture, self.heat)).save(data, "PNG", optimize=True)
        with _writing(path):
            atomic.write(Path(path), data.getvalue())

    def to_json(self) -> dict[str, Any]:
        """What `headstart explain --json` prints for a photo, see docs/json.md."""
        return {
            "path": self.path,
            "predicted": self.predicted,
            "probability": float(self.probabilities.max()),
            "explained": self.label,
            "probabilities": dict(zip(self.classes, self.probabilities.tolist(), strict=True)),
            "method": self.method,
        }


def check(path: str | Path) -> None:
    """Raise before the work what `Explanation.save` would raise after it."""
    with _writing(path):
        atomic.check_writable(Path(path))


@contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{show(str(path))} cannot be written: {error.strerror or error}.\nExpected a file in an existing folder, "
            "such as heat.png."
        ) from error


def explain(
    backbone: Backbone,
    head: Head,
    classes: Sequence[str],
    path: str,
    label: str | None = None,
    method: Method | None = None,
    side: int = SIDE,
) -> Explanation:
    """Explain a class of a photo.

    Args:
        backbone, head, classes: of a classifier. Of a joined backbone, each part is explained as if the others saw what
            they see, and the heat is added up.
        path: of the photo.
        label: the class; the most probable one if not given.
        method: `map` where the backbone has a map, else `occlusion`, if not given.
        side: pixels of the longer side of its picture.

    Raises:
        PhotoError: the photo cannot be used.
        DataError: there is no such class.
        WithoutMapError: the method is `map`, and the backbone has none.
    """
    if label is not None and label not in classes:
        near = difflib.get_close_matches(label, classes, n=1, cutoff=0.5)
        hint = f" Did you mean '{show(near[0])}'?" if near else ""
        known = ", ".join(map(show, classes[:30])) + (", ..." if len(classes) > 30 else "")
        raise DataError(f"The classifier has no class '{show(label)}'.{hint}\nExpected one of {known}.")
    view = backbone.card.view
    data = images.read(path)
    seen = images.decode(data, view)
    vectors = backbone.embed(seen[None])
    whole = vectors[0].copy()
    power.normalise(vectors)
    probabilities = head.predict_proba(vectors)[0]
    label = label or classes[int(probabilities.argmax())]
    pictures = [view.part(seen[None], part.card.view) for part in backbone.parts]
    maps: list[Maps] = []
    if method != "occlusion":
        found = [part.maps(picture) for part, picture in zip(backbone.parts, pictures, strict=True)]
        maps = [one for one in found if one is not None]
    mapped = len(maps) == len(pictures)
    if method == "map" and not mapped:
        raise WithoutMapError(
            f"The vectors of {backbone.card.handle} are not the mean of a map.\nExpected a convolutional model, as the "
            "method 'map' needs one. Use the method 'occlusion'."
        )
    shown = _shown(data, view, side)
    heat = np.zeros(shown.shape[:2], np.float32)
    for i, part in enumerate(backbone.parts):
        odds = partial(_odds, head, list(classes).index(label), backbone, part, whole)
        one = by_map(odds, maps[i][0]) if mapped else by_occlusion(part, odds, pictures[i][0])
        heat += _placed(one, part.card.view, shown, is_cut=view.fit == "crop")
    return Explanation(path, label, tuple(classes), probabilities, heat, shown, "map" if mapped else "occlusion")


def _odds(
    head: Head, number: int, backbone: Backbone, part: Backbone, whole: Vectors, own: Vectors
) -> npt.NDArray[np.float64]:
    """Log odds of a class if one part of the backbone sees other pictures, and the others what they saw."""
    return log_odds(head, backbone.exchanged(whole, part, own), number)


def explain_mistakes(
    backbone: Backbone, head: Head, classes: Sequence[str], mistakes: Sequence[Mistake]
) -> tuple[Explanation, ...]:
    """Heat maps of the classes that were predicted by mistake, for reports: small, and by `map` alone, which is quick.

    Args:
        backbone, head, classes: of a classifier.
        mistakes: on photos that it was measured on; the first 24 are explained.

    Returns:
        in the order of the mistakes; without photos that can no longer be read, and none if the backbone has no map.
    """
    found = []
    for one in mistakes[:_MISTAKES]:
        try:
            found.append(explain(backbone, head, classes, one.path, one.predicted, "map", SMALL))
        except PhotoError:
            continue
        except WithoutMapError:
            break
    return tuple(found)


def _shown(data: images.Data, view: View, side: int) -> Images:
    """What the backbone sees of a photo, larger and not squashed: for `crop` the middle, else all of it."""
    if view.fit == "crop":
        most = max(view.height, view.width)
        height, width = round(side * view.height / most), round(side * view.width / most)
        return images.decode(data, View(height, width, "crop", view.fraction))
    return images.decode(data, View(side, side, "pad"), fill=False)


def _placed(heat: Heat, view: View, shown: Images, is_cut: bool) -> Heat:
    """Heat of a view's picture, where it belongs in the photo; `is_cut`: only what the view sees of it is shown."""
    (height, width), (rows, columns) = shown.shape[:2], heat.shape
    if view.fit == "crop" and not is_cut:
        scale = min(width / view.width, height / view.height) * view.fraction
        high, wide = max(round(view.height * scale), 1), max(round(view.width * scale), 1)
        top, left = (height - high) // 2, (width - wide) // 2
        canvas = np.zeros((height, width), np.float32)
        canvas[top : top + high, left : left + wide] = enlarged(heat, wide, high, (0, 0, columns, rows))
        return canvas
    if view.fit != "pad":
        return enlarged(heat, width, height, (0, 0, columns, rows))
    scale = min(view.height / height, view.width / width)
    right, bottom = width * scale / view.width, height * scale / view.height  # shares; the rest is grey
    box = (1 - right) / 2 * columns, (1 - bottom) / 2 * rows, (1 + right) / 2 * columns, (1 + bottom) / 2 * rows
    return enlarged(heat, width, height, box)
