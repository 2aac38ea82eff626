"""`train`: the main job, from a folder of photos to a measured, saved classifier."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.classifier import bundle
from headstart.classifier.against import against as compare_with
from headstart.classifier.classifier import Classifier
from headstart.classifier.measuring import vectors_of
from headstart.classifier.remembered import remember
from headstart.classifier.trained import Training, TrainingSeconds, Work
from headstart.classifier.trial import Selection, check_settings, curve_of, learn, prepare, read_source
from headstart.classifier.viewing import TriedView, ViewChoice, described, learn_best_view
from headstart.features.store import Store
from headstart.heads.head import Kind, Vectors
from headstart.photos.archives import unpacked
from headstart.photos.pictures import Pictures
from headstart.photos.sources import find_files
from headstart.progress import Choice, standard
from headstart.safety.printable import counted
from headstart.trust import blanks
from headstart.trust.unknown import RATE, check_rate, learn_known

if TYPE_CHECKING:
    pass


def train(
    photos: Pictures,
    labels: Iterable[str] | None = None,
    *,
    output: str | Path | None = None,
    backbone: str | Sequence[str] = backbones.DEFAULT,
    head: Kind = "logistic",
    view: ViewChoice = "squash",
    options: backbones.Options | None = None,
    test: str | Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
    skip_small_classes: bool = False,
    keep_copies: bool = False,
    fixes: str | Path | None = None,
    add: str | Path | None = None,
    against: str | Path | None = None,
    unpack: bool = False,
    overwrite: bool = False,
    learning_curve: bool = False,
    unknown_rate: float = RATE,
    store: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Choice = None,
) -> Training:
    """Train a classifier on folders of photos, measure it honestly, save it.

    Args:
        photos: a folder (`<class>/*` or `{train,test}/<class>/*`), a CSV, or a list of photos with `labels`: paths or
            pictures in memory, see `headstart.photos.pictures.Pictures`.
        labels: class names of a list of photos.
        output: folder to save it in; not saved if not given.
        backbone: a handle: a name or address from the catalogue, or a path. Of a list, the features are joined.
        head: `logistic`, `lda`, `ridge`, `centroid` or `knn`.
        view: how photos are fitted to the backbone's input: `squash`, `crop`, `pad`; `both`: squashed and cropped, and
            the features joined, which takes twice the time; `auto`: the best of `squash`, `crop` and `both` by
            cross-validation.
        options: what you know of the backbone: input range, layers.
        test: a folder or CSV to measure on, instead of the source's own test part.
        fraction: train on this share of every class, chosen by `seed`.
        seed: random seed of the share and of the folds.
        skip_small_classes: leave out classes with fewer than two different photos, instead of raising an error.
        keep_copies: do not look for photos that are nearly the same; else these stay together, and training photos
            that are nearly the same as photos measured on are left out.
        fixes: a CSV of photos to leave out or to relabel, as `headstart check --write` proposes it.
        add: a CSV of further photos to train on, with columns such as `path,label`, as `headstart label` writes it.
        against: folder of an old classifier to compare the new one with, on photos that neither was trained on.
        unpack: if `photos` or `test` is a zip or tar, unpack it beside itself first; never twice.
        overwrite: replace a classifier saved in `output`.
        learning_curve: also follow the accuracy against the number of photos.
        unknown_rate: share of photos like the training ones that the classifier refuses as unknown, 0 to 0.5. It keeps
            features and names (class/file) of the training photos for that; with 0 it keeps none and refuses none.
        store: folder of the feature store; the user's if not given.
        command: how it was called, for the document.
        progress: None: a bar in a terminal or notebook; False: no bar; or an object that receives messages, downloads
            and the progress of the extraction.

    Raises:
        HeadstartError: see the classes of `headstart.errors`.

    Examples:
        >>> import headstart
        >>> training = headstart.train("photos", output="trees")
        >>> training.accuracy > 0.9
        True
        >>> training.classifier.predict("new.jpg")
        'hemlock'
    """
    report = standard(progress)
    started, date = time.perf_counter(), time.time()
    if output is not None:
        bundle.check_target(output, overwrite)
    check_settings(head, seed)
    check_rate(unknown_rate)
    kept = Store(store)
    old = None if against is None else Classifier.load(against, store=store, progress=report)
    if unpack:
        photos, test = unpacked(photos, report), unpacked(test, report)
    clock = time.perf_counter()
    source = read_source(photos, labels, Selection(test, fraction, seed, skip_small_classes, fixes, add), report)
    scanned = time.perf_counter()
    opened = backbones.load_view(backbone, "both" if view == "auto" else view, kept.compiled, options, report)
    ready = time.perf_counter()
    features = vectors_of(opened, source.paths, kept, report, compared=not keep_copies)
    if features.damaged:
        report.message(f"{counted(features.damaged, 'stored vector')} damaged and computed again.")
    extracted = time.perf_counter()
    rate = features.computed / features.seconds if features.computed else None
    work = Work(features.computed, features.from_store, rate)
    data = prepare(source, features, kept, report, skip_small_classes, keep_copies)
    views: tuple[TriedView, ...] = ()
    if view == "auto":
        trial, views = learn_best_view(opened, kept, head, seed, data, fraction)
        report.message(described(views))
    else:
        trial = learn(opened, kept, head, seed, data, fraction)
    if unknown_rate:
        known = learn_known(trial.data.train, blank_vectors(trial.classifier.backbone, kept), unknown_rate)
        trial = replace(trial, classifier=replace(trial.classifier, known=known))
    remember(trial.classifier, trial.measured.answers.paths)
    if output is not None:
        trial.classifier.save(output, overwrite=overwrite)
    saved = time.perf_counter()
    followed = None
    if learning_curve:
        found = trial.measured
        followed = curve_of(trial.data, trial.classifier.choice, found.evaluation, found.answers, seed)
    done = time.perf_counter()
    compared = None if old is None else compare_with(trial, old, str(against), report)
    trial.measured.photos.warn(report)
    return Training(
        trial=trial,
        source=name_of(photos, len(source.paths)),
        fraction=fraction or 1.0,
        started=date,
        model=None if output is None else str(output),
        work=work,
        seconds=TrainingSeconds(
            scan=scanned - clock,
            extract=extracted - ready,
            head=trial.head_seconds,
            evaluate=trial.evaluate_seconds,
            curve=done - saved if learning_curve else None,
            total=done - started,
        ),
        learning_curve=followed,
        command=tuple(command),
        against=compared,
        views=views,
    )


def blank_vectors(backbone: Backbone, store: Store) -> Vectors:
    """Power-normalised features of made pictures that show nothing; a backbone computes them once."""
    return vectors_of(backbone, find_files(blanks.pictures()), store).vectors


def name_of(photos: Pictures, count: int) -> str:
    """The source of photos in a document: a path, or how many there are."""
    return os.fspath(photos) if isinstance(photos, (str, os.PathLike)) else counted(count, "photo")
