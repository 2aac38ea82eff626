"""SavedModels in TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.judges import base


class Judge(base.Judge):
    """See `base.Judge`."""

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        self._model = tf.saved_model.load(str(path))
        self._answer = self._model.signatures["serving_default"]

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        import tensorflow as tf

        return f"tensorflow {tf.__version__}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        (asset,) = self._model.asset_paths
        return tuple(Path(asset.asset_path.numpy().decode()).read_text("utf-8").split("\n")[:-1])

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        import tensorflow as tf

        return np.asarray(self._answer(image=tf.constant(given))["probabilities"], np.float32)

    def read(self, photo: Path, height: int, width: int) -> base.Pixels | None:
        """See `base.Judge.read`; TensorFlow leaves photos turned that a camera marked as turned."""
        import tensorflow as tf

        image = tf.io.decode_image(tf.io.read_file(str(photo)), channels=3, expand_animations=False)
        small = tf.image.resize(image, (height, width), method="bicubic", antialias=True)
        return np.asarray(tf.cast(tf.clip_by_value(tf.round(small), 0, 255), tf.uint8))
