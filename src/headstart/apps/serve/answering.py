"""A classifier that answers for an event loop: the same steps as `headstart predict`, one photo at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from headstart.apps.serve.batching import Engine, Limits, Photo
from headstart.backbones.base import Vectors
from headstart.classifier.classifier import Classifier
from headstart.evaluation.results import Nearest
from headstart.heads import power
from headstart.trust.unknown import Known


@dataclass(frozen=True)
class Answer:
    """What a classifier answers for a photo.

    Attributes:
        probabilities: float64 `(k,)`, calibrated, in the order of the classes.
        unknown: whether the photo is unlike all training photos; None: the classifier keeps none.
        nearest: the nearest training photos, the nearest first.
    """

    probabilities: npt.NDArray[np.float64]
    unknown: bool | None
    nearest: tuple[Nearest, ...]


class Predictor:
    """Predicts photos for an event loop.

    Args:
        classifier: a trained one.
        limits: what is accepted.
    """

    def __init__(self, classifier: Classifier, limits: Limits | None = None) -> None:
        self.classifier = classifier
        self.engine = Engine(classifier.backbone, limits)
        self._known = None if classifier.known is None else _ready(classifier.known)

    async def predict(self, photos: Sequence[Photo], nearest: int = 0) -> list[Answer]:
        """The answers for photos, to the last bit those of `headstart predict`.

        Args:
            photos: see `Engine.run`, also for errors.
            nearest: how many of the nearest training photos to name for each.
        """
        return await self.engine.run(photos, partial(self._answer, nearest))

    def warm_up(self) -> None:
        """Compile the model and run it once, so that the first photo does not wait for that.

        Raises:
            BackboneError: the model cannot be compiled or run.
        """
        view = self.classifier.card.view
        vectors = self.classifier.backbone.embed(np.zeros((1, view.height, view.width, 3), np.uint8))
        self._answer(1, vectors[0])

    def _answer(self, nearest: int, vector: Vectors) -> Answer:
        features = vector[None]
        power.normalise(features)
        probabilities = self.classifier.head.predict_each(features)[0]
        if self._known is None:
            return Answer(probabilities, None, ())
        looked = self._known.look(features, nearest)
        return Answer(probabilities, bool(looked.unknown[0]), looked.nearest[0] if nearest else ())


def _ready(known: Known) -> Known:
    """The same numbers in float32, which spares a conversion for each photo: 12 ms with 750 training photos."""
    photos, blanks = (array.astype(np.float32) for array in (known.photos, known.blanks))
    return replace(known, photos=photos, blanks=blanks)  # type: ignore[arg-type]  # `look` takes both
