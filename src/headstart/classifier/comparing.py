"""`compare`: which backbone for these photos? One split for all of them, each photo decoded once, paired tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.backbones.hints import Options, Viewing
from headstart.backbones.joined import BOTH, joined, viewed
from headstart.classifier import comparison
from headstart.classifier.comparison import Comparison, ComparisonSeconds, Entry, Failure, QuickRanking
from headstart.classifier.measuring import vectors_of
from headstart.classifier.trained import Training, TrainingSeconds, Work
from headstart.classifier.training import name_of
from headstart.classifier.trial import Data, Selection, check_settings, curve_of, learn, prepare, read_source
from headstart.classifier.viewing import ViewChoice
from headstart.errors import BackboneError, DataError
from headstart.features.extraction import Features
from headstart.features.several import Outcome, extract_all
from headstart.features.store import Store
from headstart.heads.head import Kind
from headstart.photos.archives import unpacked
from headstart.photos.pictures import Pictures
from headstart.photos.sources import Source
from headstart.progress import Choice, Progress, Silent, standard
from headstart.trust.copies.thumbnails import collecting

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve

#: Photos of each class, on average, that `quick` ranks on.
QUICK_PER_CLASS = 20
#: At least so many, and at least this share, of the backbones go on after the quick ranking.
_QUICK_LEAST, _QUICK_SHARE = 3, 1 / 3

#: Called with the training of every backbone and head, as soon as it is measured.
Each = Callable[[Training], None]


def compare(
    photos: Pictures,
    labels: Iterable[str] | None = None,
    *,
    backbones: str | Sequence[str | Backbone],
    heads: Kind | Sequence[Kind] = "logistic",
    view: ViewChoice = "squash",
    join: bool = False,
    options: Options | None = None,
    test: str | Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
    skip_small_classes: bool = False,
    keep_copies: bool = False,
    fixes: str | Path | None = None,
    unpack: bool = False,
    quick: bool = False,
    learning_curve: bool = False,
    each: Each | None = None,
    store: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Choice = None,
) -> Comparison:
    """Train and measure several backbones and heads on the same photos, and report which differences exceed chance.

    A backbone that cannot be opened or fails is listed in `failures`; the others go on. Vectors are kept in the store
    as they are computed: what is interrupted continues where it was.

    Args:
        photos: a folder (`<class>/*` or `{train,test}/<class>/*`), a CSV, or a list of photos with `labels`: paths or
            pictures in memory, see `headstart.photos.pictures.Pictures`.
        labels: class names of a list of photos.
        backbones: handles, or opened backbones in the view that they shall have.
        heads: one or several of `logistic`, `lda`, `ridge`, `centroid`, `knn`.
        view: of backbones given by handle: `squash`, `crop`, `pad`, or `both` of the first two, joined; `auto`: squash,
            crop and both, side by side.
        join: also compare the joined features of all backbones.
        options: what you know of backbones given by handle: input range, layers.
        test: a folder or CSV to measure on, instead of the source's own test part.
        fraction: train on this share of every class, chosen by `seed`.
        seed: random seed of the share and of the folds.
        skip_small_classes: leave out classes with fewer than two different photos, instead of raising an error.
        keep_copies: do not look for photos that are nearly the same, see `training.train`.
        fixes: a CSV of photos to leave out or to relabel, see `training.train`.
        unpack: if `photos` or `test` is a zip or tar, unpack it beside itself first; never twice.
        quick: rank on a small share first; the best third goes on.
        learning_curve: also follow the best one's accuracy against the number of photos.
        each: called with the training of every backbone and head, as soon as it is measured; its vectors are dropped
            afterwards.
        store: folder of the feature store; the user's if not given.
        command: how it was called, for the document.
        progress: None: a bar in a terminal or notebook; False: no bar; or an object that receives messages, downloads
            and the progress of the extraction.

    Raises:
        BackboneError: none of the backbones can be used; the message gives the reason for each.
        HeadstartError: see `training.train`.

    Examples:
        >>> import headstart
        >>> found = headstart.compare("photos", backbones="builtin:efficientnet-lite0", heads=["centroid", "knn"])
        >>> sorted(entry.head.kind for entry in found.entries)
        ['centroid', 'knn']
    """
    report = standard(progress)
    kinds: Sequence[Kind] = [heads] if isinstance(heads, str) else heads
    started = time.perf_counter()
    job = _Job(
        Store(store), tuple(dict.fromkeys(kinds)), view, join, options or Options(), seed, fraction, skip_small_classes,
        keep_copies, tuple(command), report,
    )  # fmt: skip
    handles = [backbones] if isinstance(backbones, str) else backbones
    job.check(handles)
    if unpack:
        photos, test = unpacked(photos, report), unpacked(test, report)
    clock = time.perf_counter()
    source = read_source(photos, labels, Selection(test, fraction, seed, skip_small_classes, fixes), report)
    job.scan_seconds = time.perf_counter() - clock
    name = name_of(photos, len(source.paths))
    opened = job.open(handles)
    left_out: tuple[Entry, ...] = ()
    ranking: QuickRanking | None = None
    if quick:
        opened, left_out, ranking = job.quick(opened, source)
    entries = comparison.ranked(job.measure(opened, source, name, each))
    entries[0].photos.warn(report)
    found: LearningCurve | None = None
    measured = time.perf_counter()
    if learning_curve:
        found = job.curve(next(one for one in opened if one.card == entries[0].card), entries[0], source)
    done = time.perf_counter()
    return Comparison(
        source=name,
        classes=entries[0].evaluation.classes,
        entries=entries,
        verdict=comparison.verdict(entries),
        failures=tuple(job.failures),
        left_out=left_out,
        quick=ranking,
        measured_on=None if test is None else str(test),
        seed=seed,
        fraction=fraction or 1.0,
        skip_small_classes=skip_small_classes,
        keep_copies=keep_copies,
        fixes=None if fixes is None else str(fixes),
        view=view,
        notes=(*source.notes, *job.notes),
        learning_curve=found,
        seconds=ComparisonSeconds(
            scan=job.scan_seconds,
            extract=job.extract_seconds,
            heads=job.heads_seconds,
            curve=done - measured if learning_curve else None,
            total=done - started,
        ),
        command=tuple(command),
    )


@dataclass
class _Job:
    """What all steps of a comparison share."""

    store: Store
    heads: tuple[Kind, ...]
    view: ViewChoice
    join: bool
    options: Options
    seed: int
    fraction: float | None
    skip_small: bool
    keep_copies: bool
    command: tuple[str, ...]
    progress: Progress
    failures: list[Failure] = field(default_factory=list)
    errors: list[BackboneError | DataError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prepared: bool = False  # what is left out is reported once, not for every backbone
    scan_seconds: float = 0.0
    extract_seconds: float = 0.0
    heads_seconds: float = 0.0

    def check(self, given: Sequence[str | Backbone]) -> None:
        """Raise before the work what would otherwise be raised after it."""
        if not given or not self.heads:
            raise BackboneError("There is nothing to compare.\nExpected at least one backbone (-b) and one head.")
        if self.join and len(given) < 2:
            raise BackboneError("There is nothing to join.\nExpected at least two backbones (-b).")
        for kind in self.heads:
            check_settings(kind, self.seed)

    def open(self, given: Sequence[str | Backbone]) -> list[Backbone]:
        """Open what can be opened, in all views; the same backbone given twice counts once."""
        views: Sequence[Viewing] = (*BOTH, "both") if self.view == "auto" else (self.view,)
        found: dict[str, Backbone] = {}
        different: list[list[Backbone]] = []  # each in all views
        for one in given:
            handle = one if isinstance(one, str) else one.card.handle
            try:
                own = self._open(one, views) if isinstance(one, str) else [one] * len(views)
            except BackboneError as error:
                self._failed(handle, error)
                continue
            if own[0].card.key in found:
                self.notes.append(f"{handle} is the same backbone as {found[own[0].card.key].card.handle}.")
                self.progress.caution(self.notes[-1])
                continue
            found |= {opened.card.key: opened for opened in own}
            different.append(own)
        if not found:
            raise self._none_left()
        if self.join and len(different) > 1:
            joins = [joined([part for one in own for part in one.parts]) for own in zip(*different, strict=True)]
            found |= {opened.card.key: opened for opened in joins}
        return list(found.values())

    def _open(self, handle: str, views: Sequence[Viewing]) -> list[Backbone]:
        opened = backbones.load_view([handle], "squash", self.store.compiled, self.options, self.progress)
        return [viewed([opened], view) for view in views]

    def _failed(self, handle: str, error: BackboneError | DataError) -> None:
        self.failures.append(Failure(handle, str(error)))
        self.errors.append(error)
        self.progress.caution(f"{handle} is left out: {error}")

    def _none_left(self) -> BackboneError | DataError:
        """What to raise when every backbone failed; the first error if the photos were the reason each time."""
        if all(isinstance(error, DataError) for error in self.errors):
            return self.errors[0]
        reasons = "\n".join(f"{one.backbone}: {one.error}" for one in self.failures)
        return BackboneError(f"None of the backbones can be used:\n{reasons}")

    def measure(
        self,
        opened: Sequence[Backbone],
        source: Source,
        name: str = "",
        each: Each | None = None,
        timed: bool = True,
    ) -> list[Entry]:
        """Compute what vectors are missing, then train and measure every head of every backbone; `timed`: its speed.

        Raises:
            BackboneError: all backbones failed.
        """
        clock = time.perf_counter()
        if len(opened) > 1:
            times = "backbones" if all(len(one.parts) == 1 for one in opened) else "models and views"
            self.progress.message(
                f"{len(source.paths):,} photos with {len(opened)} backbones; the bar counts photos times {times}."
            )
        with collecting(self.store, wanted=not self.keep_copies) as seen:
            outcomes = extract_all(opened, source.paths, self.store, self.progress, timed, seen)
        self.extract_seconds += time.perf_counter() - clock
        clock = time.perf_counter()
        entries: list[Entry] = []
        for backbone, outcome in zip(opened, outcomes, strict=True):
            try:
                if outcome.error is not None:
                    raise outcome.error
                measured = self._measure_one(backbone, source, outcome, name, each)
            except (BackboneError, DataError) as error:
                self._failed(backbone.card.handle, error)
                continue
            for one in measured:
                # One tuple of paths for all: they are mostly the same.
                if entries and entries[0].answers.paths == one.answers.paths:
                    one = replace(one, answers=replace(one.answers, paths=entries[0].answers.paths))
                entries.append(one)
        if not entries:
            raise self._none_left()
        self.heads_seconds += time.perf_counter() - clock
        return entries

    def _measure_one(
        self, backbone: Backbone, source: Source, outcome: Outcome, name: str, each: Each | None
    ) -> list[Entry]:
        entries, date = [], time.time()
        features = vectors_of(backbone, source.paths, self.store)
        computed, speed = outcome.computed, outcome.speed
        work = Work(
            computed,
            len(features.paths) - computed,
            None if speed is None else speed.photos_per_second,
            None if speed is None else speed.under_load,
        )
        data = self.prepare(source, features, Silent() if self.prepared else self.progress)
        self.prepared = True
        for kind in self.heads:
            trial = learn(backbone, self.store, kind, self.seed, data, self.fraction)
            entries.append(comparison.entry(trial, backbone, work, outcome))
            if each is not None:
                steps = (self.scan_seconds, outcome.seconds, trial.head_seconds, trial.evaluate_seconds)
                seconds = TrainingSeconds(*steps, curve=None, total=sum(steps))
                each(Training(trial, name, self.fraction or 1.0, date, None, work, seconds, command=self.command))
        return entries

    def prepare(self, source: Source, features: Features, progress: Progress) -> Data:
        """See `trial.prepare`."""
        return prepare(source, features, self.store, progress, self.skip_small, self.keep_copies)

    def quick(
        self, opened: list[Backbone], source: Source
    ) -> tuple[list[Backbone], tuple[Entry, ...], QuickRanking | None]:
        """Rank on a small share, by cross-validation; the backbones of the best entries go on with all their heads."""
        share = QUICK_PER_CLASS * len(source.train.classes) / len(source.train)
        least = max(_QUICK_LEAST, round(_QUICK_SHARE * len(opened)))
        if share > 0.5 or len(opened) <= least:
            why = "there are few photos" if share > 0.5 else "there are few backbones"
            self.progress.message(f"No quick ranking first: {why}.")
            return opened, (), None
        small = Source(source.train.share(share, self.seed), None)
        self.progress.message(f"Quick: ranked on {len(small.train):,} photos first.")
        self.prepared = True  # what is left out of all photos is reported, not of these
        entries = comparison.ranked(self.measure(opened, small, timed=False))
        self.prepared = False
        order = list(dict.fromkeys(entry.card for entry in entries))
        kept = set(order[:least])
        left_out = tuple(entry for entry in entries if entry.card not in kept)
        doubtful = {e.name for e in left_out if e.difference is None or not e.difference.is_significant}
        doubt = (
            f"{len(doubtful)} of those left out do not differ from the best by more than chance on so few photos "
            f"({', '.join(sorted(doubtful))}): one of them may be as good or better."
            if doubtful
            else "All left out were worse on these photos by more than chance explains."
        )
        per_class = round(len(small.train) / len(small.train.classes))
        text = (
            f"{len(order)} backbones were ranked on {per_class} photos per class; {len(kept)} went on. {doubt} A "
            "backbone that gains more than others from many photos can be missed, too; without --quick none is."
        )
        self.progress.message(text)
        return [one for one in opened if one.card in kept], left_out, QuickRanking(per_class, text)

    def curve(self, backbone: Backbone, best: Entry, source: Source) -> LearningCurve:
        """Follow the best one's accuracy against the number of photos, from the vectors in the store."""
        data = self.prepare(source, vectors_of(backbone, source.paths, self.store), Silent())
        return curve_of(data, best.head, best.evaluation, best.answers, self.seed)
