"""The head's arrays in NumPy: what `about` in the file describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.export.judges import base


class Judge(base.Judge):
    """See `base.Judge`."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self._arrays = dict(file)

    def runtime(self) -> str:
        """See `base.Judge.runtime`."""
        return f"numpy {np.__version__}"

    def classes(self) -> tuple[str, ...] | None:
        """See `base.Judge.classes`."""
        return tuple(self._arrays["classes"].tolist())

    def run(self, given: npt.NDArray[Any]) -> base.Probabilities:
        """See `base.Judge.run`."""
        x, arrays = np.sign(given) * np.sqrt(np.abs(given)), self._arrays
        scores = x @ arrays["weights"] + arrays["bias"] if "weights" in arrays else self._votes(x)
        scores = scores / arrays["temperature"]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

    def read(self, photo: Path, height: int, width: int) -> None:
        """See `base.Judge.read`."""

    def _votes(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        arrays = self._arrays
        x = x - arrays["centre"]
        cosines = x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12) @ arrays["vectors"].T
        votes = np.full((len(x), len(arrays["classes"])), 0.01)
        for row, of_class in zip(cosines, votes, strict=True):
            nearest = np.argsort(-row)[: int(arrays["n_neighbors"][0])]
            np.add.at(of_class, arrays["labels"][nearest], np.exp((row[nearest] - row.max()) / 0.07))
        shares: npt.NDArray[Any] = np.log(votes / votes.sum(axis=1, keepdims=True))
        return shares
