"""The pipeline in scikit-learn, made by the exported `pipeline.py`."""

from __future__ import annotations

import runpy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import ExportError
from headstart.export.formats.sklearn import TEMPLATE
from headstart.export.judges import base


class Judge(base.Judge):
    """See `base.Judge`."""

    def __init__(self, path: Path) -> None:
        if path.read_bytes() != TEMPLATE.read_bytes():
            raise ExportError(
                f"{path} is not what this version of headstart writes, so it was not run: it could do anything.\n"
                "Expected an unchanged export. Export the classifier again, or read the file and run it yourself."
            )
        self._pipeline = runpy.run_path(str(path))["load"]()

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        return f"scikit-learn {version('scikit-learn')}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        return tuple(self._pipeline.classes_.tolist())

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        return np.asarray(self._pipeline.predict_proba(given), np.float32)

    def read(self, photo: Path, height: int, width: int) -> None:
        """See `base.Judge.read`."""
