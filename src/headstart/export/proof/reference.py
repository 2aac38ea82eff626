"""Headstart's own answers, with which files are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headstart.errors import BackboneError
from headstart.export.known import Format
from headstart.export.proof.pictures import MADE_UP, Photos, made_up
from headstart.export.subject import Subject
from headstart.heads import power
from headstart.heads.head import Head, NeighbourHead, unit_length
from headstart.photos.images import Images

Probabilities = npt.NDArray[np.float64]
#: OpenVINO's setting that keeps it from computing quantised models with whole numbers; a test holds it.
_IN_FLOATS = {"LP_TRANSFORMS_MODE": "NO"}


@dataclass(frozen=True)
class Reference:
    """Pictures and headstart's answers.

    Attributes:
        photos: real ones, maybe none.
        pixels: uint8 `(n, height, width, 3)`: of the photos, of blends of them, made-up ones.
        features: float32 `(n, dim)`, what the backbone gives for them.
        own: what the classifier answers for them, float64 `(n, k)`.
        wanted: what the exported model has to answer, float64 `(n, k)`: the same but for int8 and bfloat16.
        quantised: whether the model was quantised before it came to headstart.
        noise: of a quantised model, largest and mean difference of a probability between two ways of running it; else
            0 and 0.
        gaps: float32 `(n,)`, how much nearer the last photo that votes is than the next one (cosine); infinite for
            heads without votes. Where it is tiny, a rounding decides who votes, and the answer jumps.
        rounding: largest difference between the classifier's own precision (bfloat16) and float32; 0 in float32.
    """

    photos: Photos
    pixels: Images
    features: npt.NDArray[np.float32]
    own: Probabilities
    wanted: Probabilities
    quantised: bool
    noise: tuple[float, float]
    gaps: npt.NDArray[np.float32]
    rounding: float

    def given_to(self, format_: Format) -> npt.NDArray[np.float32] | Images:
        """What a format's runtime takes."""
        return self.pixels if format_.takes == "pixels" else self.features

    def answers_of(self, format_: Format) -> tuple[Probabilities, Probabilities, Probabilities]:
        """What a format has to answer for the photos, the blends and the made-up pictures."""
        ends = [len(self.photos), len(self.pixels) - MADE_UP]
        photos, blends, pictures = np.split(self.wanted if format_.takes == "pixels" else self.own, ends)
        return photos, blends, pictures

    @property
    def examples(self) -> list[tuple[Images, npt.NDArray[np.float32]]]:
        """The made-up pictures with their answers, to be put into files that check themselves."""
        return list(zip(self.pixels[-MADE_UP:], self.wanted[-MADE_UP:].astype(np.float32), strict=True))


def reference_for(subject: Subject, photos: Photos, exported: bool) -> Reference:
    """Headstart's answers for photos, blends and made-up pictures.

    Args:
        subject: what is exported; of one in int8, its own answers are what files are compared with.
        photos: to prove on.
        exported: whether a format with the whole model is written: then a model in bfloat16, or a quantised one, is
            also run in another way.
    """
    classifier = subject.classifier
    blends, examples = photos.blends(), made_up(subject.card.view)
    pixels = np.concatenate([photos.pixels, blends, examples])
    features = classifier.backbone.embed(pixels)
    vectors = features.copy()
    power.normalise(vectors)
    own = classifier.head.predict_proba(vectors)
    wanted, noise, rounding = own, (0.0, 0.0), 0.0
    if subject.quantised is not None:
        wanted = _run(subject, pixels)
    elif exported and subject.card.precision != "float32":
        wanted = _run(subject, pixels)
        rounding = float(np.abs(wanted - own).max())
    quantised = exported and subject.was_quantised
    if quantised:
        gap = np.abs(_run(subject, pixels, **_IN_FLOATS) - wanted)
        noise = float(gap.max()), float(gap.mean())
    return Reference(photos, pixels, features, own, wanted, quantised, noise, _gaps(classifier.head, vectors), rounding)


def _gaps(head: Head, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if not isinstance(head, NeighbourHead) or head.n_neighbors >= len(head.vectors):
        return np.full(len(vectors), np.inf, np.float32)
    cosines = unit_length(vectors - head.centre) @ head.vectors.T
    nearest = -np.sort(-cosines, axis=1)
    gaps: npt.NDArray[np.float32] = nearest[:, head.n_neighbors - 1] - nearest[:, head.n_neighbors]
    return gaps


def _run(subject: Subject, pixels: Images, **settings: str) -> Probabilities:
    """What the engine answers in float32, with further settings."""
    try:
        model = subject.compiled(**settings)
        return np.concatenate([np.array(model(one[None])[0], np.float64) for one in pixels])
    except RuntimeError as error:
        raise BackboneError(f"{subject.card.handle} cannot be run in float32: {error}.") from error
