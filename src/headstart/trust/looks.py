"""Photos that show little: tiny, dark, blank or blurred, judged from their thumbnails and the sizes in their headers.

The limits follow from how photos are used and seen; no set of photos chose them:

- tiny: a shorter side below 64 pixels. Backbones take 160 to 380, so most of what they would get is interpolated.
- dark: 99 of 100 pixels are below 50 of 255, less than 3 % of the light of white (sRGB is about a power of 2.2).
- blank: the brightness spreads (standard deviation over the thumbnail) by less than 4 of 255, about what sensors and
  JPEG add to an even surface.
- blurred: nowhere a sharp edge, even at 48 pixels. Across the steepest 1 % of places, neighbours differ by less than a
  tenth of the photo's range (from its 1st to its 99th percentile). A sharp edge crosses half the range from one pixel
  to the next; blurred over a tenth of the photo, or 5 pixels, it crosses a tenth or less.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Fault = Literal["tiny", "dark", "blank", "blurred"]
FAULTS: tuple[Fault, ...] = ("tiny", "dark", "blank", "blurred")

#: Limits, see above.
_TINY, _DARK, _BLANK, _BLURRED = 64, 50.0, 4.0, 0.1


def faults(grey: npt.NDArray[np.float32], sizes: npt.NDArray[np.intp]) -> list[Fault | None]:
    """The first fault of each photo, in the order of `FAULTS`; None: none.

    Args:
        grey: float32 `(n, 48, 48)`, 0..255, the brightness of whole photos.
        sizes: intp `(n, 2)`, width and height in pixels; zeros if they are not known.
    """
    low, high = np.percentile(grey, (1, 99), axis=(1, 2))
    steps = np.maximum(np.abs(np.diff(grey, axis=1))[:, :, :-1], np.abs(np.diff(grey, axis=2))[:, :-1])
    steepest = np.percentile(steps, 99, axis=(1, 2))
    shorter = sizes.min(axis=1)
    found = np.stack(
        [
            (shorter > 0) & (shorter < _TINY),
            high < _DARK,
            grey.std(axis=(1, 2)) < _BLANK,
            steepest < _BLURRED * (high - low),
        ],
        axis=1,
    )
    return [FAULTS[int(row.argmax())] if row.any() else None for row in found]
