"""Pages in Chromium, opened from disk."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import ExportError
from headstart.export.judges import base
from headstart.export.judges.chromium import Chromium


class Judge(base.Judge):
    """See `base.Judge`.

    Attributes:
        browser: that shows the page.
    """

    def __init__(self, path: Path) -> None:
        """Open the page and wait until it has checked itself.

        Raises:
            ExportError: the check fails, or the page requests anything.
        """
        self.browser = Chromium()
        address = path.resolve().as_uri()
        self.browser.open(address)
        self.browser.wait("window.headstart || document.readyState === 'complete'")
        good = self.browser.evaluate("window.headstart && headstart.checked")
        if not good:
            found = self.browser.evaluate("document.getElementById('check').textContent.trim()")
            raise ExportError(f"The page {path} does not work. It reports: {found}")
        if self.browser.requests != [address]:
            raise ExportError(f"The page {path} requests what is not in it: {', '.join(self.browser.requests[1:])}")

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        return f"TensorFlow.js {self.browser.evaluate('tf.version_core')} in {self.browser.version.replace('/', ' ')}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        return tuple(self.browser.evaluate("headstart.classes"))

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        return np.array(self.browser.evaluate(f"headstart.predict({_text(given.tobytes())})"), np.float32)

    def read(self, photo: Path, height: int, width: int) -> base.Pixels | None:
        """As the page reads it: decoded by the browser, resized by the page's own script."""
        pixels = self.browser.evaluate(f"headstart.read({_text(photo.read_bytes())})")
        return np.array(pixels, np.uint8).reshape(height, width, 3)


def _text(content: bytes) -> str:
    return json.dumps(b64encode(content).decode())
