"""What a unit's table of results holds: vectors (`headstart embed`), or classes (`headstart predict`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from headstart.backbones.base import Backbone, Vectors
from headstart.classifier.saved import Saved
from headstart.errors import BackboneError
from headstart.features.extraction import Features, Skipped
from headstart.heads import power
from headstart.safety.printable import show
from headstart.scale.batch import Batch
from headstart.scale.job import Numbers

#: The reason of a photo that ended the process that read it.
CRASHED = "crashed the reader"


class Results(ABC):
    """Makes a table of a batch's results."""

    @abstractmethod
    def columns(self, vectors: Vectors, used: Any) -> dict[str, Any]:
        """The columns of this task.

        Args:
            vectors: float32 `(n, dim)`, rows of unused photos are 0.
            used: bool `(n,)`.
        """

    def table(self, batch: Batch, features: Features, crashed: frozenset[str]) -> Any:
        """A pyarrow table with a row for each photo of a batch, in its order.

        Args:
            batch: n photos.
            features: of those that did not crash the reader.
            crashed: addresses of those that did.
        """
        import pyarrow as pa

        n, dim = len(batch.paths), features.vectors.shape[1]
        known = [] if batch.broken else [i for i, path in enumerate(batch.paths) if path not in crashed]
        sound = np.array(known, np.intp)
        rows = sound[features.rows]
        used = np.zeros(n, bool)
        used[rows] = True
        vectors = np.zeros((n, dim), np.float32)
        vectors[rows] = features.vectors
        hashes: list[bytes | None] = [None] * n
        for row, digest in zip(rows.tolist(), features.hashes.tolist(), strict=True):
            hashes[row] = digest
        lost = {i: Skipped(path, CRASHED) for i, path in enumerate(batch.paths) if path in crashed}
        others = [i for i in sound.tolist() if not used[i]]
        lost |= dict(zip(others, features.skipped, strict=True))
        if batch.broken:
            lost = {0: Skipped(batch.paths[0], "truncated", batch.broken)}
        reasons = [lost[i].reason if i in lost else None for i in range(n)]
        details = [show(lost[i].detail) or None if i in lost else None for i in range(n)]
        own = {
            "address": pa.array([show(path) for path in batch.paths], pa.string()),
            "hash": pa.array(hashes, pa.binary(32)),
            **self.columns(vectors, used),
            "outcome": pa.array(np.where(used, "used", "skipped").tolist(), pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "detail": pa.array(details, pa.string()),
            "label": pa.array(batch.labels, pa.string()),
            "split": pa.array(batch.splits, pa.string()),
        }
        return pa.table(self.joined(batch, own))

    def joined(self, batch: Batch, own: dict[str, Any]) -> dict[str, Any]:
        """The columns to write; a task may add those of the input."""
        return own


class Embedding(Results):
    """Vectors, as the backbone gives them.

    Args:
        numbers: of the vectors.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = np.dtype(numbers)

    def columns(self, vectors: Vectors, used: Any) -> dict[str, Any]:
        """See `Results.columns`: `vector`, a list of `dim` numbers, null for photos that are not used."""
        import pyarrow as pa

        with np.errstate(over="ignore"):
            numbers = vectors.astype(self._numbers, copy=False)
        if not np.isfinite(numbers).all():
            raise BackboneError("Some features are too large for float16.\nExpected --numbers float32 with this model.")
        return {"vector": pa.FixedSizeListArray.from_arrays(numbers.ravel(), vectors.shape[1], mask=pa.array(~used))}


class Prediction(Results):
    """Classes with their probabilities.

    Args:
        model: the classifier.
        backbone: its own, as it is on this machine.
    """

    def __init__(self, model: Saved, backbone: Backbone) -> None:
        self._model = model
        self.backbone = backbone

    def columns(self, vectors: Vectors, used: Any) -> dict[str, Any]:
        """See `Results.columns`: `predicted`, `probability`, `unknown`; null for photos that are not used."""
        import pyarrow as pa

        model, vectors = self._model, vectors.copy()
        power.normalise(vectors)
        probabilities = model.head.predict_proba(vectors)
        names = np.array(model.classes, object)[probabilities.argmax(axis=1)]
        unknown = model.known.look(vectors).unknown if model.known is not None else None
        gone = ~used
        return {
            "predicted": pa.array(names, pa.string(), mask=gone),
            "probability": pa.array(probabilities.max(axis=1).astype(np.float32), mask=gone),
            "unknown": pa.nulls(len(used), pa.bool_()) if unknown is None else pa.array(unknown, mask=gone),
        }

    def joined(self, batch: Batch, own: dict[str, Any]) -> dict[str, Any]:
        """Ours and the input's columns; an input's column of the same name gets `input_` before it."""
        if batch.carried is None:
            return own
        known = {name: column for name, column in own.items() if name not in ("label", "split")}
        given = {
            f"input_{name}" if name in known else name: batch.carried.column(name)
            for name in batch.carried.column_names
        }
        return {**known, **given}
