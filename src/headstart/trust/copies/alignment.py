"""Whether two small pictures show the same: one is moved, scaled and turned until it lies on the other.

What is compared is the fine structure of every part and the colours. They differ even between two photos of the same
thing, but not between copies. Brightness and contrast do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.trust.copies.thumbnails import SIDE, Floats, Thumbnails

#: This share of the sides is not compared at each border: a turned or cropped copy lacks it.
_BORDER = 12
#: Standard deviations of Gaussians, in pixels. Pictures are aligned smooth at first; structure is what lies between
#: fine and coarse.
_SMOOTH, _FINE, _COARSE = 2.0, 0.8, 2.0
_STEPS = 4
#: Side of the square parts that are compared one by one.
_PART = 8
#: Parts with a weaker structure than this (standard deviation, in grey levels), such as the sky, are not compared.
#: Of the others it is the difference that compression may make, so weak ones count less.
_NOISE = 1.0
_LEAST_PARTS = 4
#: This share of the parts may differ, such as under a caption; the next worst decides.
_MAY_DIFFER = 0.15
#: Weaker colours (standard deviation, in levels) are not compared.
_PALE = 4.0
#: A copy may be scaled and turned by so much; and the scales of height and width may differ by so much.
_SCALED, _TURNED, _STRETCHED = 0.3, 0.2, 0.08
#: Least share of the compared pixels that must lie on the other picture.
_COVERED = 0.6
#: Pairs whose structure is less alike at half size are not looked at further.
_WORTH = 0.75

Warps = Floats


@dataclass(frozen=True)
class Likeness:
    """How alike n pairs of pictures are; all float32 `(n,)`, 1: equal, 0: nothing in common.

    Attributes:
        structure: correlation of the fine structure, of the worst parts but a few.
        rough: correlation of the structure at half size.
        colour: correlation of the colours; 1 where there are none.
    """

    structure: Floats
    rough: Floats
    colour: Floats


def likeness(first: Thumbnails, second: Thumbnails) -> Likeness:
    """Compare picture i of `first` with picture i of `second`."""
    n = len(first.grey)
    found = Likeness(*(np.zeros(n, np.float32) for _ in range(3)))
    one, two = _halved(first.grey), _halved(second.grey)
    warps = _follow(blurred(one, _SMOOTH / 2), blurred(two, _SMOOTH / 2), np.repeat(_STILL[None], n, axis=0))
    one, two = _structure(one), _structure(two)
    values, inside = _sampled(two, warps)
    covered = inside.mean(axis=1) >= _COVERED
    found.rough[:] = _correlation(_still(one), values, inside) * covered
    rows = np.flatnonzero((found.rough >= _WORTH) & _plausible(warps))
    if len(rows):
        first, second, warps = first.take(rows), second.take(rows), warps[rows] * _DOUBLED
        one, two = _structure(first.grey), _structure(second.grey)
        warps = _follow(one, two, warps)
        values, inside = _sampled(two, warps)
        found.structure[rows] = _by_parts(_still(one), values, inside) * _plausible(warps)
        found.colour[rows] = _colours(first, second, warps)
    return found


def _halved(pictures: Floats) -> Floats:
    half = pictures[:, ::2] + pictures[:, 1::2]
    found: Floats = (half[:, :, ::2] + half[:, :, 1::2]) * np.float32(0.25)
    return found


def blurred(pictures: Floats, sigma: float) -> Floats:
    """Square pictures, blurred; at the border the weights are scaled up."""
    blur = _blur(pictures.shape[1], sigma)
    found: Floats = blur @ (pictures @ blur.T)
    return found


@lru_cache
def _blur(side: int, sigma: float) -> Floats:
    return weights(np.arange(side), side, sigma)


def weights(positions: npt.NDArray[Any], side: int, sigma: float) -> Floats:
    """The matrix `(p, side)` that gives the blurred values of a row at p positions."""
    found = np.exp(-0.5 * ((positions[:, None] - np.arange(side)) / sigma) ** 2)
    normal: Floats = (found / found.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal


def _structure(pictures: Floats) -> Floats:
    return blurred(pictures, _FINE) - blurred(pictures, _COARSE)


@lru_cache
def _positions(side: int) -> tuple[Floats, Floats]:
    """Positions of the m compared pixels from the centre, y and x."""
    border = side // _BORDER
    inner = np.arange(border, side - border, dtype=np.float32) - (side - 1) / 2
    y, x = np.meshgrid(inner, inner, indexing="ij")
    return y.ravel(), x.ravel()


#: A warp is `(w0, ..., w5)`: y' = w0 + w1 y + w2 x and x' = w3 + w4 y + w5 x, from the centre.
_STILL = np.array([0, 1, 0, 0, 0, 1], np.float32)
#: Times this, it fits pictures of twice the size.
_DOUBLED = np.array([2, 1, 1, 2, 1, 1], np.float32)


def _still(pictures: Floats) -> Floats:
    """The compared pixels of pictures, `(n, m)`."""
    border = pictures.shape[1] // _BORDER
    return pictures[:, border:-border, border:-border].reshape(len(pictures), -1)


def _sampled(pictures: Floats, warps: Warps) -> tuple[Floats, Floats]:
    """Pictures at the warped positions, `(n, m)`, and 1 where a position is inside the picture, else 0."""
    side = pictures.shape[1]
    middle, (ys, xs) = np.float32((side - 1) / 2), _positions(side)
    w = warps[:, :, None]
    y, x = w[:, 0] + w[:, 1] * ys + w[:, 2] * xs + middle, w[:, 3] + w[:, 4] * ys + w[:, 5] * xs + middle
    inside = ((np.abs(y - middle) < side / 2) & (np.abs(x - middle) < side / 2)).astype(np.float32)
    np.clip(y, 0, side - 1.001, out=y)
    np.clip(x, 0, side - 1.001, out=x)
    top, left = y.astype(np.int32), x.astype(np.int32)
    y -= top
    x -= left
    place = top * side + left + (np.arange(len(pictures), dtype=np.int32) * side**2)[:, None]
    flat = pictures.ravel()
    upper = flat.take(place)
    upper += (flat.take(place + 1) - upper) * x
    lower = flat.take(place + side)
    lower += (flat.take(place + (side + 1)) - lower) * x
    return upper + (lower - upper) * y, inside


def _normalised(values: Floats, inside: Floats) -> Floats:
    """Rows with mean 0 and length 1 over the pixels inside; the others are 0."""
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    centred = (values - (values * inside).sum(axis=1, keepdims=True) / count) * inside
    length: Floats = np.linalg.norm(centred, axis=1, keepdims=True)
    normal: Floats = centred / np.maximum(length, 1e-6)
    return normal


def _correlation(first: Floats, second: Floats, inside: Floats) -> Floats:
    found: Floats = (_normalised(first, inside) * _normalised(second, inside)).sum(axis=1)
    return found


def _follow(first: Floats, second: Floats, warps: Warps) -> Warps:
    """Improve the positions in `second` at which it looks like `first`, by Gauss-Newton steps.

    Baker and Matthews 2004, "Lucas-Kanade 20 years on", section 3.2 (inverse compositional), with pictures that are
    normalised anew in every step.
    """
    template, (ys, xs) = _still(first), _positions(first.shape[1])
    everywhere = np.ones_like(template)
    scale = np.maximum(np.linalg.norm(template - template.mean(axis=1, keepdims=True), axis=1), 1e-6)[:, None]
    gy, gx = (_still(np.gradient(first, axis=axis)) / scale for axis in (1, 2))
    slopes = np.stack([gy, gy * ys, gy * xs, gx, gx * ys, gx * xs], axis=1)
    slopes -= slopes.mean(axis=2, keepdims=True)
    # The little that is added keeps pictures without structure where they are.
    square = slopes @ slopes.transpose(0, 2, 1) + np.diag(np.array([1, 100, 100, 1, 100, 100], np.float32)) * 1e-4
    template = _normalised(template, everywhere)
    descent = np.linalg.inv(square) @ slopes
    for _ in range(_STEPS):
        values, inside = _sampled(second, warps)
        off = (_normalised(values, inside) - template) * inside
        warps = _composed(warps, (descent @ off[:, :, None])[:, :, 0])
    return warps


def _composed(warps: Warps, steps: Warps) -> Warps:
    """The warps after the inverse of steps, which are kept small."""
    linear = warps[:, [1, 2, 4, 5]].reshape(-1, 2, 2)
    steps = np.clip(steps, -3.0, 3.0)
    small = np.clip(steps[:, [1, 2, 4, 5]], -0.2, 0.2).reshape(-1, 2, 2) + np.eye(2, dtype=np.float32)
    turned = linear @ np.linalg.inv(small)
    moved = warps[:, [0, 3]] - (turned @ steps[:, [0, 3], None])[:, :, 0]
    flat = turned.reshape(-1, 4)
    return np.stack([moved[:, 0], flat[:, 0], flat[:, 1], moved[:, 1], flat[:, 2], flat[:, 3]], axis=1)


def _plausible(warps: Warps) -> npt.NDArray[np.bool_]:
    """Whether a copy may have been moved like this; two different things of a kind are mostly stretched, too."""
    height, width = warps[:, 1], warps[:, 5]
    scaled = (np.abs(np.log(np.maximum(height, 0.01))) < _SCALED) & (np.abs(np.log(np.maximum(width, 0.01))) < _SCALED)
    turned = (np.abs(warps[:, 2]) < _TURNED) & (np.abs(warps[:, 4]) < _TURNED)
    plausible: npt.NDArray[np.bool_] = scaled & turned & (np.abs(height - width) < _STRETCHED * (height + width) / 2)
    return plausible


def _by_parts(first: Floats, second: Floats, inside: Floats) -> Floats:
    """The correlation that all parts but the worst few reach; 0 if too few parts have structure."""
    n, parts = len(first), (SIDE - 2 * (SIDE // _BORDER)) // _PART
    shape = (n, parts, _PART, parts, _PART)
    one, two, weight = (
        one.reshape(shape).transpose(0, 1, 3, 2, 4).reshape(n, parts**2, _PART**2) for one in (first, second, inside)
    )
    count = np.maximum(weight.sum(axis=2), 1)
    one = (one - (_dots(one, weight) / count)[:, :, None]) * weight
    two = (two - (_dots(two, weight) / count)[:, :, None]) * weight
    ones, twos = _dots(one, one), _dots(two, two)
    grain = count * _NOISE**2
    found = (_dots(one, two) + grain) / np.sqrt((ones + grain) * (twos + grain))
    strength = np.maximum(ones, twos) / count
    good = (strength > _NOISE**2) & (count > _PART**2 / 2)
    ranked = np.sort(np.where(good, found, np.inf), axis=1)
    compared = good.sum(axis=1)
    decides = ranked[np.arange(n), np.floor(compared * _MAY_DIFFER).astype(int)]
    return np.where(compared >= _LEAST_PARTS, decides, 0).astype(np.float32)


def _dots(first: Floats, second: Floats) -> Floats:
    """The products of rows: `(n, p, m)` and `(n, p, m)` to `(n, p)`."""
    found: Floats = np.einsum("npm,npm->np", first, second)
    return found


def _spread(colours: Floats) -> Floats:
    """Colours `(n, 12, 12)` at the size of the grey pictures, smooth."""
    blur = _blur(SIDE, _COARSE).reshape(SIDE, colours.shape[1], -1).sum(axis=2)
    found: Floats = blur @ (colours @ blur.T)
    return found


def _colours(first: Thumbnails, second: Thumbnails, warps: Warps) -> Floats:
    """The correlation of both colour channels together."""
    pairs = [
        (_still(_spread(one)), *_sampled(_spread(two), warps))
        for one, two in ((first.blue, second.blue), (first.red, second.red))
    ]
    inside = pairs[0][2]
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    one, two = (
        np.concatenate([(p[i] - (p[i] * inside).sum(axis=1, keepdims=True) / count) * inside for p in pairs], axis=1)
        for i in (0, 1)
    )
    ones, twos = (one**2).sum(axis=1), (two**2).sum(axis=1)
    found = (one * two).sum(axis=1) / np.sqrt(np.maximum(ones * twos, 1e-6))
    pale = np.minimum(ones, twos) < _PALE**2 * count[:, 0]
    return np.where(pale, 1.0, found).astype(np.float32)
