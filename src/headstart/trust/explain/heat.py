"""How much each place of a picture speaks for a class: what the class loses when the place is taken away.

The loss is measured in log odds, `ln(p / (1 - p))`: the same for all kinds of heads, unlike probabilities it still
changes where the model is certain, and it compares the class with all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from headstart.backbones.base import Backbone, Maps, Vectors
from headstart.heads import power
from headstart.heads.head import Head, NeighbourHead
from headstart.photos.images import Images
from headstart.photos.pixels import PAD_GREY

Heat = npt.NDArray[np.float32]
#: Sides of the patches, as shares of the picture's sides; each scale counts the same.
SCALES = (1 / 2, 1 / 3, 1 / 5)


def log_odds(head: Head, vectors: Vectors, number: int) -> npt.NDArray[np.float64]:
    """`ln(p / (1 - p))` of one class, `(n,)`; vectors as the backbone gives them, `(n, dim)`.

    With nearest neighbours all training photos vote, because the votes of the nearest few often stay the same when a
    little of the picture changes.
    """
    if isinstance(head, NeighbourHead):
        head = replace(head, n_neighbors=len(head.vectors))
    rooted = np.array(vectors, np.float32)
    power.normalise(rooted)
    scores = head.scores(rooted).astype(np.float64) / head.temperature
    others = np.delete(scores, number, axis=1)
    most = others.max(axis=1)
    sums: npt.NDArray[np.float64] = np.log(np.exp(others - most[:, None]).sum(axis=1))
    odds: npt.NDArray[np.float64] = scores[:, number] - most - sums
    return odds


#: Log odds of one class, `(n,)`, for vectors of the part of a picture or of a backbone that is tried, `(n, dim)`.
Odds = Callable[[Vectors], npt.NDArray[np.float64]]


def by_map(odds: Odds, places: Maps) -> Heat:
    """Leave each place out of the mean that is the feature: exact, and no run of the backbone for each place.

    Like class activation maps (Zhou et al. 2016), which are the same for features that a head takes without a root.

    Args:
        odds: of the class that is explained.
        places: float32 `(height, width, dim)`, of one picture.

    Returns:
        float32 `(height, width)`: log odds lost without the place. Negative: the place speaks against the class.
    """
    height, width, dim = places.shape
    flat = places.reshape(-1, dim).astype(np.float64)
    whole, count = flat.mean(axis=0), len(flat)
    if count == 1:  # nothing is left without the only place
        return np.zeros((1, 1), np.float32)
    without = (whole * count - flat) / (count - 1)
    found = odds(np.concatenate([whole[None], without]).astype(np.float32))
    lost: Heat = (found[0] - found[1:]).reshape(height, width).astype(np.float32)
    return lost


def by_occlusion(backbone: Backbone, odds: Odds, picture: Images) -> Heat:
    """Cover the picture with grey patches, one at a time (Zeiler and Fergus 2014, section 4.2), at several scales.

    Args:
        backbone: that sees the picture.
        odds: of the class that is explained.
        picture: uint8 `(height, width, 3)`.

    Returns:
        float32, at most 28 x 28 places: the mean loss of log odds under the patches over a place, mean over scales.
    """
    height, width = picture.shape[:2]
    scales = [list(_patches(height, width, scale)) for scale in SCALES]
    boxes = [box for scale in scales for box in scale]
    left = np.empty(len(boxes))

    def covered() -> Iterator[tuple[slice, Images]]:
        for start in range(0, len(boxes), backbone.batch):
            some = slice(start, min(start + backbone.batch, len(boxes)))
            batch = np.repeat(picture[None], some.stop - start, axis=0)
            for one, box in zip(batch, boxes[some], strict=True):
                one[box] = PAD_GREY
            yield some, batch

    def keep(some: slice, vectors: Vectors) -> None:
        left[some] = odds(vectors)

    backbone.embed_stream(covered(), keep)
    losses = iter((odds(backbone.embed(picture[None]))[0] - left).tolist())
    heat = np.zeros((height, width))
    for scale in scales:
        lost, covers = np.zeros((height, width)), np.zeros((height, width))
        for box in scale:
            lost[box] += next(losses)
            covers[box] += 1
        heat += lost / covers / len(scales)
    return _smoothed(heat.astype(np.float32))


def _patches(height: int, width: int, share: float) -> Iterator[tuple[slice, slice]]:
    """Patches that overlap by half, in both directions: every pixel is below four of them, also at the edges."""
    return product(_ranges(height, share), _ranges(width, share))


def _ranges(side: int, share: float) -> list[slice]:
    edges = np.linspace(0, side, round(2 / share) + 1).round().astype(int).tolist()
    ends = zip([0, *edges[:-1]], [*edges[1:], side], strict=True)
    return [slice(start, end) for start, end in ends if end > start]


def _smoothed(heat: Heat) -> Heat:
    """As many places as the patches can tell apart."""
    height, width = heat.shape
    return np.array(Image.fromarray(heat).resize((min(width, 28), min(height, 28)), Image.Resampling.BOX))


def enlarged(heat: Heat, width: int, height: int, box: tuple[float, float, float, float]) -> Heat:
    """Part of a heat map in another size; `box` is left, top, right, bottom in the map's own places."""
    return np.array(Image.fromarray(heat).resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32)
