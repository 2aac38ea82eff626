"""`train`: the main job from a folder of photos to a measured, saved classifier. The command line calls this."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from headstart import backbones, bundle, protocol, tracking
from headstart.backbones import fetch
from headstart.backbones.fetch.watching import Silent
from headstart.classifier import Classifier, source_of
from headstart.features import Features, Skipped, Watcher
from headstart.heads.head import Kind
from headstart.images import Fit
from headstart.photos import PhotoSet, Source, check_classes, scan
from headstart.results import Measured, about


class Listener(Watcher, fetch.Watcher, Protocol):
    """Is told how a training goes: messages, downloads, extraction."""


class _Nobody(Silent, Listener):
    """Does not listen."""


@dataclass(frozen=True)
class Training:
    """A trained classifier and how it came about.

    Attributes:
        classifier: ready to predict.
        measured: the honest figures.
        model: where it was saved, or None.
        train, test: photos trained on and measured on (None: cross-validation).
        found: photos that were looked at. skipped: those of them that were not used.
        computed, from_store: where the vectors came from.
        photos_per_second: of those computed, None if there were none.
        seconds: `scan`, `extract`, `head`, `evaluate`, `total`.
    """

    classifier: Classifier
    measured: Measured
    model: str | None
    train: int
    test: int | None
    found: int
    skipped: tuple[Skipped, ...]
    computed: int
    from_store: int
    photos_per_second: float | None
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart train --json` prints."""
        strength = self.classifier.strength_
        kind = self.classifier.kind
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
            "seconds": self.seconds,
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
    logdir: str | Path | None = None,
    listener: Listener | None = None,
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
        logdir: folder in which a run for TensorBoard is written.
        listener: is told what happens.

    Raises:
        HeadstartError: see the classes of `headstart.errors`.
    """
    say = listener or _Nobody()
    started, date = time.perf_counter(), time.time()
    if logdir is not None:
        tracking.check(logdir)
    if output is not None:
        bundle.check_target(output, overwrite)
    classifier = Classifier(backbone, head=head, view=view, options=options, seed=seed)
    classifier.check(listener)
    clock = time.perf_counter()
    source = _with_test(source_of(photos, labels), test)
    if fraction is not None:
        chosen = source.train.share(fraction, seed)
        say.said(f"{fraction:.3g} of the {len(source.train):,} training photos: {len(chosen):,}.")
        source = replace(source, train=chosen)
    _announce(source, say)
    seconds = {"scan": time.perf_counter() - clock}

    clock = time.perf_counter()
    everything = source.train.paths + (source.test.paths if source.test else ())
    features = classifier.extract(everything, say)
    if features.damaged:
        say.said(f"{features.damaged} stored vectors were damaged and have been computed again.")
    seconds["extract"] = time.perf_counter() - clock

    clock = time.perf_counter()
    labels_of = source.train.labels + (source.test.labels if source.test else ())
    # Over both sides at once: a photo that is one thing in train and another in test is neither's.
    clean = protocol.without_conflicts(features, [labels_of[i] for i in features.rows])
    used, skipped = clean.labels, features.skipped + clean.skipped
    border = int((clean.features.rows < len(source.train)).sum())
    learn, held = _part(clean.features, 0, border), _part(clean.features, border, len(used))
    learn_labels: Sequence[str] = used[:border]
    if source.test is not None:
        learn, kept, copies = protocol.without_copies_of(learn, held)
        learn_labels = [learn_labels[i] for i in kept]
        skipped += copies
        if copies:
            say.said(f"{len(copies)} training photos are also measured on: they are left out of the training.")
    repeats = None if source.test is None else 1  # with a test folder it only chooses the strength
    classifier.fit_features(replace(learn, skipped=skipped), learn_labels, source.train.classes, repeats)
    skipped = classifier.skipped_
    seconds["head"] = time.perf_counter() - clock

    clock = time.perf_counter()
    if classifier.measured_ is None:
        raise AssertionError("fit_features measures")
    measured = classifier.measured_
    test_count: int | None = None
    if source.test is not None:
        measured = classifier.evaluate_features(held, used[border:])
        test_count = measured.evaluation.n
        skipped += measured.skipped
    seconds["evaluate"] = time.perf_counter() - clock
    for one in (s for s in skipped if s.reason == "conflicting labels"):
        say.said(f"{one.path}: {one.detail}; it is left out.")

    counts = len(classifier.measured_.paths)
    if output is not None:
        classifier.tell(**about(measured, train=counts, test=test_count, fraction=fraction))
        classifier.save(output, overwrite=overwrite)
    seconds["total"] = time.perf_counter() - started
    result = Training(
        classifier=classifier,
        measured=measured,
        model=None if output is None else str(output),
        train=counts,
        test=test_count,
        found=len(everything),
        skipped=skipped,
        computed=features.computed,
        from_store=features.from_store,
        photos_per_second=features.computed / features.seconds if features.computed else None,
        seconds=seconds,
    )
    if logdir is not None:
        unseen = None if source.test is None else held
        run = tracking.Run(classifier, measured, learn, learn_labels, unseen, fraction or 1.0, result.to_json(), date)
        say.said(f"Tracked in {tracking.record(logdir, run)}. Look at it: headstart board {logdir}")
    return result


def _with_test(source: Source, test: str | Path | None) -> Source:
    """The source measured on another folder or CSV than its own."""
    if test is None:
        return source
    other = scan(test)
    held_out: PhotoSet = other.train if other.test is None else other.test
    check_classes(source.train.classes, held_out.classes, str(test))
    replaced = ("The source's own test part is left aside: --test is measured on.",) if source.test else ()
    return Source(source.train, held_out, source.notes + other.notes + replaced)


def _announce(source: Source, say: Listener) -> None:
    for note in source.notes:
        say.said(note)
    test = source.test.counts if source.test else {}
    parts = [
        f"{name} {count:,}" + (f" + {test.get(name, 0):,}" if source.test else "")
        for name, count in source.train.counts.items()
    ]
    shown = ", ".join(parts[:30]) + (f" and {len(parts) - 30} more" if len(parts) > 30 else "")
    kind = "to train + to test" if source.test else "each photo to train and, by cross-validation, to test"
    say.said(f"{len(parts)} classes ({kind}): {shown}.")


def _part(features: Features, start: int, stop: int) -> Features:
    """A run of photos; the vectors are a view of the whole, not a copy."""
    return replace(
        features,
        paths=features.paths[start:stop],
        rows=features.rows[start:stop],
        vectors=features.vectors[start:stop],
        hashes=features.hashes[start:stop],
        skipped=(),
    )
