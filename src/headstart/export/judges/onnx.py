"""ONNX files in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.judges import base


class Judge(base.Judge):
    """See `base.Judge`."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        return tuple(json.loads(self._session.get_modelmeta().custom_metadata_map["classes"]))

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        (found,) = self._session.run(None, {self._session.get_inputs()[0].name: given})
        return np.asarray(found, np.float32)
