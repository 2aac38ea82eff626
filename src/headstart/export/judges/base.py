"""`Judge`: a written file as its own runtime reads and runs it."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.photos.pixels import AnyFit

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]


class Judge(ABC):
    """Reads a file and answers with it; made in a child process with `Judge(path)`.

    It uses the runtime and NumPy, and none of headstart's code that writes or trains.
    """

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Read the file or folder that the format's writer made."""

    @abstractmethod
    def runtime(self) -> str:
        """Name and version of the runtime, such as `onnxruntime 1.32`."""

    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """The class names as they stand in the file; None: the format has no place for them."""

    @abstractmethod
    def run(self, given: npt.NDArray[Any]) -> Probabilities:
        """Probabilities for a batch.

        Args:
            given: uint8 `(n, height, width, 3)`, RGB, 0..255; of formats of the head alone, float32 features
                `(n, dim)`. Runtimes whose files take one picture at a time are called n times.

        Returns:
            float32 `(n, k)`.
        """

    def close(self) -> None:
        """End what it has started, such as a browser."""
        return

    def read(self, photo: Path, height: int, width: int) -> Pixels | None:
        """A photo as someone reads it who uses this runtime without headstart and follows our recipe.

        Returns:
            uint8 `(height, width, 3)`; None: the format takes no photos.
        """
        return pillow(photo, height, width)


def pillow(photo: Path, height: int, width: int, fit: AnyFit = "squash", fraction: float = 1.0) -> Pixels:
    """What the recipe for Python in the README of each export does; arguments as those of `View`."""
    from PIL import Image, ImageCms, ImageOps

    with Image.open(photo) as image:
        profile = image.info.get("icc_profile") if image.mode == "RGB" else None
        side = ceil(max(width, height) / (fraction if fit == "crop" else 1))
        if fit == "pad":
            side = max(side * min(image.size) // max(image.size), 1)
        image.draft(None, (side, side))
        whole = ImageOps.exif_transpose(image).convert("RGB")
    size, box = (width, height), (0.0, 0.0, float(whole.width), float(whole.height))
    if fit == "crop":
        scale = min(whole.width / width, whole.height / height) * fraction
        left, top = (whole.width - width * scale) / 2, (whole.height - height * scale) / 2
        box = (left, top, left + width * scale, top + height * scale)
    if fit == "pad":
        scale = min(width / whole.width, height / whole.height)
        size = max(round(whole.width * scale), 1), max(round(whole.height * scale), 1)
    small = whole.resize(size, Image.Resampling.BICUBIC, box=box)
    if profile:
        with suppress(ImageCms.PyCMSError):
            srgb = ImageCms.createProfile("sRGB")
            small = ImageCms.profileToProfile(small, io.BytesIO(profile), srgb) or small
    canvas = Image.new("RGB", (width, height), (127, 127, 127))
    canvas.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(canvas)


def upright(photo: Path) -> Pixels:
    """A whole photo, turned as its EXIF says: uint8 `(its height, its width, 3)`."""
    from PIL import Image, ImageOps

    with Image.open(photo) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
