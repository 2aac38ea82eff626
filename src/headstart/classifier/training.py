"""`train`: the main job from a folder of photos to a measured, saved classifier. The command line calls this."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart import backbones
from headstart.classifier import bundle
from headstart.classifier.classifier import Classifier
from headstart.classifier.trial import Trial, curve_of, learn, paths_of, read_source
from headstart.evaluation.metrics import reliability
from headstart.evaluation.results import Measured, about
from headstart.features.extraction import Skipped
from headstart.heads.head import Kind
from headstart.photos.images import Fit
from headstart.progress import Progress, Silent

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve


@dataclass(frozen=True)
class Training:
    """A trained classifier and how it came about.

    Attributes:
        trial: what was trained and measured, on which features.
        fraction: share of the training photos that was used, 0..1.
        started: seconds since 1970.
        model: where it was saved, or None.
        found: photos that were looked at.
        computed, from_store: where the vectors came from.
        photos_per_second: of those computed, None if there were none.
        seconds: `scan`, `extract`, `head`, `evaluate`, `total`; `curve` if it was asked for.
        curve: accuracy against photos per class; None if it was not asked for.
        command: how to run it again; empty: from Python.
    """

    trial: Trial
    fraction: float
    started: float
    model: str | None
    found: int
    computed: int
    from_store: int
    photos_per_second: float | None
    seconds: dict[str, float]
    curve: LearningCurve | None = None
    command: tuple[str, ...] = ()

    @property
    def classifier(self) -> Classifier:
        """Ready to predict."""
        return self.trial.classifier

    @property
    def measured(self) -> Measured:
        """The honest figures."""
        return self.trial.measured

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Photos that were looked at and not used."""
        return self.trial.skipped

    @property
    def train(self) -> int:
        """Photos trained on."""
        return self.trial.train

    @property
    def test(self) -> int | None:
        """Photos measured on; None: cross-validation."""
        return self.trial.test

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart train --json` prints."""
        strength = self.classifier.strength_
        kind = self.classifier.kind
        curve = None
        if self.curve is not None:
            curve = {"network": self.classifier.card.handle, "head": kind, **self.curve.to_json()}
        return {
            "model": self.model,
            "backbone": self.classifier.card.handle,
            "network": self.classifier.card.about(),
            "classes": list(self.classifier.classes_),
            "photos": {
                "found": self.found,
                "used": self.found - len(self.skipped),
                "skipped": len(self.skipped),
                "reasons": dict(sorted(Counter(one.reason for one in self.skipped).items())),
                "files": [{"path": one.path, "reason": one.reason, "detail": one.detail} for one in self.skipped],
            },
            "train": self.train,
            "test": self.test,
            "evaluation": self.measured.to_json(),
            "reliability": reliability(self.measured.probabilities, self.measured.labels),
            "head": {
                "kind": kind,
                "l2": strength if kind in ("logistic", "ridge") else None,
                **({"neighbours": strength} if kind == "knn" else {}),
            },
            "features": {
                "computed": self.computed,
                "from_store": self.from_store,
                "photos_per_second": self.photos_per_second,
            },
            "learning_curve": curve,
            "seconds": self.seconds,
            "command": list(self.command) or None,
        }


def train(
    photos: str | Path | Sequence[str | Path],
    labels: Sequence[str] | None = None,
    *,
    output: str | Path | None = None,
    backbone: str = backbones.DEFAULT,
    head: Kind = "logistic",
    view: Fit = "squash",
    options: backbones.Options | None = None,
    test: str | Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
    curve: bool = False,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Training:
    """Train a classifier on folders of photos, measure it honestly, save it.

    Args:
        photos: a folder (`<class>/*` or `{train,test}/<class>/*`), a CSV, or a list of paths with `labels`.
        labels: class names of a list of paths.
        output: folder to save it in; not saved if not given.
        backbone: a handle. head: `logistic`, `ridge`, `centroid` or `knn`. view: `squash`, `crop` or `pad`.
        options: what you know of the network: input range, layers.
        test: a folder or CSV to measure on, instead of the source's own test part.
        fraction: train on this share of every class, chosen by `seed`.
        seed: of the share and of the folds.
        overwrite: replace a classifier saved in `output`.
        curve: also follow the accuracy against the number of photos.
        command: how it was called, for the document.
        progress: is told what happens.

    Raises:
        HeadstartError: see the classes of `headstart.errors`.
    """
    say = progress or Silent()
    started, date = time.perf_counter(), time.time()
    if output is not None:
        bundle.check_target(output, overwrite)
    classifier = Classifier(backbone, head=head, view=view, options=options, seed=seed)
    classifier.check(progress)
    clock = time.perf_counter()
    source = read_source(photos, labels, test, fraction, seed, say)
    seconds = {"scan": time.perf_counter() - clock}

    clock = time.perf_counter()
    everything = paths_of(source)
    features = classifier.extract(everything, say)
    if features.damaged:
        say.message(f"{features.damaged} stored vectors were damaged and have been computed again.")
    seconds["extract"] = time.perf_counter() - clock
    trial = learn(classifier, source, features, say)
    seconds |= trial.seconds

    measured = trial.measured
    if output is not None:
        classifier.tell(**about(measured, train=trial.train, test=trial.test, fraction=fraction))
        classifier.save(output, overwrite=overwrite)
    followed = None
    if curve:
        clock = time.perf_counter()
        followed = curve_of(trial, seed)
        seconds["curve"] = time.perf_counter() - clock
    seconds["total"] = time.perf_counter() - started
    return Training(
        trial=trial,
        fraction=fraction or 1.0,
        started=date,
        model=None if output is None else str(output),
        found=len(everything),
        computed=features.computed,
        from_store=features.from_store,
        photos_per_second=features.computed / features.seconds if features.computed else None,
        seconds=seconds,
        curve=followed,
        command=tuple(command),
    )
