"""OpenVINO IR in OpenVINO."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.judges import base


class Judge(base.Judge):
    """See `base.Judge`. Sums are float32 on every processor: some would take bfloat16 by themselves."""

    def __init__(self, path: Path) -> None:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # documented: makes its import fail
        import openvino

        self._version = openvino.__version__.split("-")[0]
        core = openvino.Core()
        self._model = core.read_model(path)
        self._compiled = core.compile_model(self._model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._one = self._model.inputs[0].get_partial_shape()[0].is_static

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        return f"openvino {self._version}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        return tuple(json.loads(self._model.get_rt_info(["headstart", "classes"]).astype(str)))

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        batches = [given[i : i + 1] for i in range(len(given))] if self._one else [given]
        return np.concatenate([np.array(self._compiled(batch)[0]) for batch in batches])
