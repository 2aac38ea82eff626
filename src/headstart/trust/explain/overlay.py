"""Heat over a photo, in colours that are perceptually even and that colour-blind people can tell apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headstart.photos.images import Images

Colours = npt.NDArray[np.float64]
#: Hues in degrees of OKLCh, 60 orange and 255 blue: they differ in the blue-yellow axis, which the two frequent kinds
#: of colour blindness keep. Chroma that both hues have within sRGB at their lightness.
_FOR, _AGAINST = (0.76, 0.165, 60.0), (0.58, 0.145, 255.0)
#: Of the colours over the photo, at the strongest place.
_OPACITY = 0.85
#: Contrast of the grey photo below the colours.
_FADE = 0.7
#: Linear sRGB -> grey (Rec. 709).
_LUMA = np.array([0.2126, 0.7152, 0.0722])


def coloured(strength: npt.NDArray[np.float32]) -> Colours:
    """Colours of places: orange for positive strengths, blue for negative ones.

    Args:
        strength: -1..1, any shape.

    Returns:
        sRGB 0..1, one more axis of length 3.
    """
    positive = np.asarray(strength)[..., None] >= 0
    return np.where(positive, _srgb(*_FOR), _srgb(*_AGAINST))


def over(picture: Images, heat: npt.NDArray[np.float32]) -> Images:
    """The picture in grey with the heat over it; the strongest place has the strongest colour.

    Args:
        picture: uint8 `(height, width, 3)`.
        heat: float32 `(height, width)`; positive orange, negative blue.
    """
    most = float(np.abs(heat).max())
    strength = heat / np.float32(most) if most > 0 else heat
    grey = (picture / 255.0) @ _LUMA
    base = (1 - _FADE * (1 - grey))[..., None]
    share = _OPACITY * np.abs(strength)[..., None]
    # Colours take the photo's light and shade, so that what is below them stays recognisable.
    shaded = coloured(strength) * (0.8 + 0.2 * grey[..., None])
    mixed: Images = np.round(255 * ((1 - share) * base + share * shaded)).astype(np.uint8)
    return mixed


def beside(picture: Images, heat: npt.NDArray[np.float32], gap: int = 8) -> Images:
    """The picture and, to the right of it, the same with the heat over it."""
    between = np.full((picture.shape[0], gap, 3), 255, np.uint8)
    return np.concatenate([picture, between, over(picture, heat)], axis=1)


def _srgb(lightness: float, chroma: float, hue: float) -> Colours:
    """OKLCh -> sRGB 0..1, by the definition of OKLab (Ottosson 2020)."""
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    cones = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    ) @ (cones**3)
    linear = np.clip(linear, 0, 1)
    coded: Colours = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return coded
