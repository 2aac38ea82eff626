"""LiteRT files in LiteRT's interpreter."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.judges import base


class Judge(base.Judge):
    """See `base.Judge`."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._path = path
        self._interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
        self._run = self._interpreter.get_signature_runner("serving_default")

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        from importlib.metadata import version

        return f"ai-edge-litert {version('ai-edge-litert')}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        with zipfile.ZipFile(self._path) as archive:
            return tuple(archive.read("labels.txt").decode().split("\n")[:-1])

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        return np.asarray(self._run(image=given)["probabilities"], np.float32)
