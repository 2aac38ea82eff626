"""What training, evaluating and predicting share: a classifier's vectors, and measuring a trained head on some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from headstart.backbones.base import Backbone
from headstart.errors import DataError
from headstart.evaluation.leakage import Clean
from headstart.evaluation.results import Measured, PhotoCounts, measured_on
from headstart.features.extraction import Features, Hashes
from headstart.features.several import features_of
from headstart.features.store import Store
from headstart.heads import power
from headstart.heads.head import Head
from headstart.progress import Progress
from headstart.trust.copies.thumbnails import collecting


def vectors_of(
    backbone: Backbone,
    paths: Sequence[str],
    store: Store,
    progress: Progress | None = None,
    compared: bool = False,
) -> Features:
    """Feature vectors of photos, power-normalised: what every head is trained on and applied to.

    Args:
        backbone: computes the vectors. paths: n photos. store: keeps them. progress: receives the progress.
        compared: whether copies will be looked for among the photos: then thumbnails are made on the way.
    """
    with collecting(store, compared) as seen:
        features = features_of(backbone, paths, store, progress, seen=seen)
    power.normalise(features.vectors)
    return features


def measure(
    head: Head, classes: Sequence[str], photos: Clean, counts: PhotoCounts, seen: npt.NDArray[np.uint64]
) -> Measured:
    """Measure a trained head on photos that were not used to train it.

    Args:
        head: trained. classes: its k class names.
        photos: to measure on, with labels among `classes`.
        counts: all photos that were looked at, for the result.
        seen: fingerprints of the training photos, sorted.

    Raises:
        DataError: there are no photos.
    """
    if not photos.labels:
        raise DataError("None of the photos to measure on can be used.\nExpected at least one.")
    measured = measured_on(photos, classes, [head.predict_proba(photos.features.vectors)], counts)
    return replace(measured, seen=int(np.isin(fingerprints(photos.features.hashes), seen).sum()))


def fingerprints(hashes: Hashes) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of content hashes, sorted."""
    return np.sort(hashes.view(np.uint64).reshape(-1, 4)[:, 0])
