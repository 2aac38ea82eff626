"""What the classifier sees in a photo, quickly enough for a webcam."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from headstart.apps.serve.batching import Engine, Limits
from headstart.apps.studio.learning import Learnt
from headstart.heads import power
from headstart.heads.head import Vectors, unit_length
from headstart.photos.formats import sniff

#: Training photos that are shown beside an answer.
_NEAREST = 3
#: Bytes of a photo; photos that may wait, of all pages together.
MOST_BYTES, _WAITING = 2**26, 16


class Predictor:
    """Predicts; it belongs to the event loop in which it is called."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def close(self) -> None:
        """Stop its threads."""
        if self._engine is not None:
            self._engine.close()

    async def predict(self, learnt: Learnt, data: bytes) -> dict[str, Any]:
        """What a classifier sees in a photo, for the page.

        Raises:
            PhotoError: the photo cannot be used. BusyError: too many are waiting.
        """
        started = time.perf_counter()
        sniff(data[:32])
        if self._engine is None or self._engine.backbone is not learnt.classifier.backbone:
            self.close()
            self._engine = Engine(learnt.classifier.backbone, Limits(MOST_BYTES, waiting=_WAITING))
        (answer,) = await self._engine.run([data], lambda vector: _answer(learnt, vector))
        return {**answer, "milliseconds": round(1000 * (time.perf_counter() - started))}


def _answer(learnt: Learnt, vector: Vectors) -> dict[str, Any]:
    """The answer for a feature vector, float32 `(dim,)`, which is changed."""
    classifier, vectors = learnt.classifier, vector[None]
    power.normalise(vectors)
    probabilities = classifier.head.predict_proba(vectors)[0]
    order = np.argsort(-probabilities, kind="stable").tolist()
    cosines = learnt.unit @ unit_length(vectors)[0]
    near = np.argsort(-cosines, kind="stable")[: 4 * _NEAREST].tolist()  # some may be in the trash by now
    shown = [(learnt.photos[i], 1 - cosines[i]) for i in near if learnt.photos[i].is_shown][:_NEAREST]
    unknown = classifier.known is not None and bool(classifier.known.look(vectors).unknown[0])
    return {
        "label": classifier.classes[order[0]],
        "unknown": unknown,
        "why": "It is unlike all photos of the classes." if unknown else "",
        "scores": [{"label": classifier.classes[i], "score": float(probabilities[i])} for i in order],
        "nearest": [
            {"id": photo.id, "v": photo.version, "label": photo.label, "distance": float(np.clip(distance, 0, 1))}
            for photo, distance in shown
        ],
    }
