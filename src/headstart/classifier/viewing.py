"""`auto`: chooses among the views by cross-validation, without making the figures better than they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart.backbones.base import Backbone
from headstart.backbones.hints import Viewing
from headstart.backbones.joined import BOTH, joined
from headstart.classifier.measuring import vectors_of
from headstart.classifier.trial import Data, Trial, learn
from headstart.evaluation.cross_validation import CrossValidated, cross_validate
from headstart.evaluation.leakage import Clean
from headstart.evaluation.results import measured_on
from headstart.features.extraction import require_all
from headstart.features.store import Store
from headstart.heads.head import Kind
from headstart.photos.images import Fit
from headstart.safety.printable import percent

#: What `train` takes: a view, or `auto`: the best of `squash`, `crop` and `both`.
ViewChoice = Viewing | Literal["auto"]


@dataclass(frozen=True)
class TriedView:
    """A view that was tried, and its figures by cross-validation over the training photos.

    Attributes:
        view: `squash`, `crop` or `both`. accuracy: 0..1. log_loss: what the choice is made by. chosen: whether it won.
    """

    view: Viewing
    accuracy: float
    log_loss: float
    chosen: bool

    def to_json(self) -> dict[str, Any]:
        """One of the `views` of `Training.to_json`."""
        return asdict(self)


def described(views: Sequence[TriedView]) -> str:
    """Which view was chosen and why, in words."""
    chosen = next(one.view for one in views if one.chosen)
    figures = "; ".join(f"{one.view} {one.log_loss:.3f} ({percent(one.accuracy)})" for one in views)
    cost = " Two views take twice the time." if chosen == "both" else ""
    return f"View: {chosen}, of the lowest log loss by cross-validation (accuracy in brackets): {figures}.{cost}"


def learn_best_view(
    backbone: Backbone, store: Store, kind: Kind, seed: int, data: Data, fraction: float | None = None
) -> tuple[Trial, tuple[TriedView, ...]]:
    """Try the views, take the one with the lowest log loss on held-out training photos, and measure.

    With cross-validation, the view that predicts a fold is the one that is best on the other folds, as with the
    strength of the head: so the figures do not profit from the choice. Test photos play no part in the choice.

    Args:
        backbone: in `both` views. data: its features. The rest: see `trial.learn`.
    """
    clock = time.perf_counter()
    views: dict[Viewing, tuple[Backbone, Data]] = {fit: _seen(backbone, fit, store, data) for fit in BOTH}
    views["both"] = backbone, data
    labels = data.train.numbers(data.train.classes)
    crossed = {view: cross_validate(kind, own.train, own.train.classes, seed) for view, (_, own) in views.items()}
    losses = np.stack([_losses(one, labels) for one in crossed.values()])
    best = list(views)[int(losses.mean(axis=(1, 2)).argmin())]
    opened, own = views[best]
    seconds = time.perf_counter() - clock
    trial = learn(opened, store, kind, seed, own, fraction, crossed[best] if data.test is None else None)
    trial = replace(trial, head_seconds=trial.head_seconds + seconds)
    if data.test is None:
        measured = measured_on(
            own.train, own.train.classes, _held_out(list(crossed.values()), losses), data.photos, crossed[best].folds
        )
        trial = trial.measured_as(measured)
    tried = tuple(
        TriedView(view, _accuracy(crossed[view], labels), float(loss), view == best)
        for view, loss in zip(views, losses.mean(axis=(1, 2)), strict=True)
    )
    return trial, tried


def _seen(backbone: Backbone, fit: Fit, store: Store, data: Data) -> tuple[Backbone, Data]:
    """A backbone in one of its views, and the same data in it, from the store."""
    opened = joined([part for part in backbone.parts if part.card.view.fit == fit])

    def seen(clean: Clean) -> Clean:
        found = vectors_of(opened, clean.features.paths, store)
        require_all(found.skipped)  # a photo may be gone by now
        return replace(clean, features=replace(clean.features, vectors=found.vectors))

    return opened, replace(data, train=seen(data.train), test=None if data.test is None else seen(data.test))


def _losses(crossed: CrossValidated, labels: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Of each photo in each repeat, `(repeats, n)`."""
    right = np.stack([one[np.arange(len(labels)), labels] for one in crossed.held_out])
    found: npt.NDArray[np.float64] = -np.log(np.maximum(right, 1e-12))
    return found


def _accuracy(crossed: CrossValidated, labels: npt.NDArray[np.intp]) -> float:
    return float(np.mean([one.argmax(axis=1) == labels for one in crossed.held_out]))


def _held_out(crossed: Sequence[CrossValidated], losses: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """For each repeat the probabilities of the views that were chosen on the other folds."""
    found = []
    for repeat, folds in enumerate(crossed[0].folds):
        probabilities = crossed[0].held_out[repeat].copy()
        for fold in range(int(folds.max()) + 1):
            own = folds == fold
            best = int(losses[:, repeat, ~own].mean(axis=1).argmin())
            probabilities[own] = crossed[best].held_out[repeat][own]
        found.append(probabilities)
    return found
