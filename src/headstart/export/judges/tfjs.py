"""TensorFlow.js graph models in Chromium, in the TensorFlow.js that `page` uses."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.formats import web
from headstart.export.judges import base
from headstart.export.judges.chromium import Chromium


class Judge(base.Judge):
    """See `base.Judge`.

    Attributes:
        browser: that runs the model.
    """

    def __init__(self, path: Path) -> None:
        self._description = json.loads((path / "model.json").read_text("utf-8"))
        files = [name for group in self._description["weightsManifest"] for name in group["paths"]]
        weights = b"".join((path / name).read_bytes() for name in files)
        self.browser = Chromium()
        for script in web.scripts():
            self.browser.evaluate(f"{script};0")
        arguments = f"{_bytes(web.wasm())}, {json.dumps(self._description)}, {_bytes(weights)}"
        self.browser.evaluate(f"model.open({arguments})")

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        return f"TensorFlow.js {web.VERSION} in {self.browser.version.replace('/', ' ')}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        return tuple(self._description["userDefinedMetadata"]["classes"])

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        height, width = given.shape[1:3]
        found = self.browser.evaluate(f"model.predict({_bytes(given.tobytes())}, {height}, {width})")
        return np.array(found, np.float32)


def _bytes(content: bytes) -> str:
    """As a JavaScript expression."""
    return f'model.bytes("{b64encode(content).decode()}")'
