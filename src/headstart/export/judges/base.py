"""`Judge`: a written file as its own runtime reads and runs it."""

from __future__ import annotations

import runpy
from abc import ABC, abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.recipe import for_view
from headstart.photos.images import Fit, View

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


def pillow(photo: Path, height: int, width: int, fit: Fit = "squash", fraction: float = 1.0) -> Pixels:
    """The recipe for Python, run as it stands in the README of each export; arguments as those of `View`."""
    with TemporaryDirectory() as folder:
        program = Path(folder) / "read.py"
        program.write_text(for_view(View(height, width, fit, fraction)).python, "utf-8")
        found: Pixels = runpy.run_path(str(program))["read"](photo)[0]
    return found


def upright(photo: Path) -> Pixels:
    """A whole photo, turned as its EXIF says: uint8 `(its height, its width, 3)`."""
    from PIL import Image, ImageOps

    with Image.open(photo) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
