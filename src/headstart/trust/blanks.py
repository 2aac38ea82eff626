"""Made pictures that show nothing: plain colours, noise, blocks, stripes and gradients.

A photo that is more like one of these than like the training photos is refused, however varied those are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SIDE = 256
#: RGB of the plain pictures: greys, the corners of the colour cube, and tones of skin, sky, leaves and wood.
_COLOURS = [
    *[(grey, grey, grey) for grey in (0, 64, 128, 192, 255)],
    *[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)],
    *[(230, 200, 170), (130, 180, 230), (60, 110, 50), (110, 75, 45), (128, 40, 40), (40, 40, 100)],
]


def pictures() -> list[npt.NDArray[np.uint8]]:
    """The pictures, uint8 `(256, 256, 3)`, always the same."""
    random = np.random.default_rng(0)
    plain = [np.full((_SIDE, _SIDE, 3), colour, np.uint8) for colour in _COLOURS]
    # Noise: of every pixel and colour, grey only, faint around grey, in blocks of 8 and 32 pixels.
    noise: list[npt.NDArray[np.floating]] = [random.uniform(0, 255, (_SIDE, _SIDE, colours)) for colours in (3, 1)]
    noise += [random.normal(level, spread, (_SIDE, _SIDE, 3)) for level, spread in ((128, 10), (128, 40), (40, 20))]
    for block in (8, 32):
        coarse = random.uniform(0, 255, (_SIDE // block, _SIDE // block, 3))
        noise.append(np.kron(coarse, np.ones((block, block, 1))))
    ramp = np.linspace(0, 255, _SIDE)[None, :, None]
    stripes = random.uniform(0, 255, (1, _SIDE, 1))
    made = [np.broadcast_to(one, (_SIDE, _SIDE, 3)) for one in (*noise, ramp, ramp.swapaxes(0, 1), stripes)]
    return [*plain, *(np.clip(one, 0, 255).astype(np.uint8) for one in made)]
