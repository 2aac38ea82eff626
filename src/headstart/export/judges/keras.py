"""Files of Keras 3 in Keras, on the backend that `KERAS_BACKEND` names, else on OpenVINO's."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.judges import base

#: Where class names stand in the file; Keras itself does not read them.
CLASSES = "assets/classes.txt"


def imported() -> Any:
    """The module `keras`, imported without the settings file that it would write into the user's home."""
    with TemporaryDirectory() as folder:
        before = dict(os.environ)
        os.environ["KERAS_HOME"] = folder
        os.environ.setdefault("KERAS_BACKEND", "openvino")
        try:
            import keras
        finally:
            os.environ.clear()
            os.environ.update(before)
    return keras


class Judge(base.Judge):
    """See `base.Judge`."""

    def __init__(self, path: Path) -> None:
        self._keras = imported()
        self._model = self._keras.saving.load_model(path)
        self._path = path

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        return f"keras {self._keras.__version__} on {self._keras.backend.backend()}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        with zipfile.ZipFile(self._path) as archive:
            return tuple(archive.read(CLASSES).decode().split("\n")[:-1])

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        return np.asarray(self._model.predict(given, verbose=0), np.float32)

    def read(self, photo: Path, height: int, width: int) -> base.Pixels | None:
        """See `base.Judge.read`; Keras leaves photos turned that a camera marked as turned."""
        image = self._keras.utils.load_img(photo, target_size=(height, width), interpolation="bicubic")
        return np.asarray(image)
