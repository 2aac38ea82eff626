"""Made pictures that show nothing: plain colours, noise, blocks, stripes and gradients.

A photo that is more like one of these than like the training photos is refused, however varied those are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SIDE = 128
#: RGB of the plain pictures: greys, the corners of the colour cube, and tones of skin, sky, leaves and wood.
_COLOURS = [
    *[(grey, grey, grey) for grey in (0, 64, 128, 192, 255)],
    *[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)],
    *[(230, 200, 170), (130, 180, 230), (60, 110, 50), (110, 75, 45), (128, 40, 40), (40, 40, 100)],
]


def pictures() -> list[npt.NDArray[np.uint8]]:
    """The pictures, uint8 `(128, 128, 3)`, always the same."""
    random = np.random.default_rng(0)
    plain = [np.full((_SIDE, _SIDE, 3), colour, np.uint8) for colour in _COLOURS]
    # Noise of every pixel, in colour and in grey, in blocks of 4 and 16 pixels, in stripes.
    sizes = [(_SIDE, _SIDE, 3), (_SIDE, _SIDE, 1), (32, 32, 3), (8, 8, 3), (1, _SIDE, 1)]
    noise = [random.integers(0, 256, size, np.uint8) for size in sizes]
    noise = [one.repeat(_SIDE // one.shape[0], 0).repeat(_SIDE // one.shape[1], 1) for one in noise]
    # Faint noise: on grey, less faint, in the dark.
    faint = [random.normal(level, spread, (_SIDE, _SIDE, 3)) for level, spread in ((128, 10), (128, 40), (40, 20))]
    noise += [np.clip(one, 0, 255).astype(np.uint8) for one in faint]
    ramp = np.linspace(0, 255, _SIDE).astype(np.uint8)[None, :, None].repeat(_SIDE, 0)
    noise += [ramp, ramp.swapaxes(0, 1)]
    return [*plain, *(np.ascontiguousarray(np.broadcast_to(one, (_SIDE, _SIDE, 3))) for one in noise)]
