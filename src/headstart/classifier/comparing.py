"""`compare`: which network for these photos? One split for all of them, each photo decoded once, paired tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.base import Backbone
from headstart.backbones.hints import Options
from headstart.classifier import comparison
from headstart.classifier.classifier import Classifier
from headstart.classifier.comparison import Comparison, Entry, Failure
from headstart.classifier.training import Training
from headstart.classifier.trial import Trial, curve_of, learn, paths_of, read_source
from headstart.errors import BackboneError, DataError
from headstart.features.several import Outcome, extract_all
from headstart.features.store import Store
from headstart.heads.head import Kind
from headstart.photos.images import Fit
from headstart.photos.sources import Source
from headstart.progress import Progress, Silent

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve

#: Photos of each class, on average, that `quick` ranks on.
QUICK_PER_CLASS = 20
#: At least so many, and at least this share, of the candidates go on after the quick ranking.
_QUICK_LEAST, _QUICK_SHARE = 3, 1 / 3


class _Fetching(Silent):
    """Hears of downloads, and of nothing else."""

    def __init__(self, say: Progress) -> None:
        self._say = say

    def downloading(self, name: str, done: int, total: int | None) -> None:
        self._say.downloading(name, done, total)


@dataclass(frozen=True)
class _Candidate:
    """A network that could be opened."""

    network: Backbone
    heads: tuple[Kind, ...]


def compare(
    photos: str | Path | Sequence[str | Path],
    labels: Sequence[str] | None = None,
    *,
    networks: Sequence[str | Backbone],
    heads: Sequence[Kind] = ("logistic",),
    view: Fit = "squash",
    options: Options | None = None,
    test: str | Path | None = None,
    fraction: float | None = None,
    seed: int = 0,
    quick: bool = False,
    curve: bool = False,
    each: Callable[[Training], None] | None = None,
    store: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Train and measure several networks and heads on the same photos, and say which differences are more than luck.

    A network that cannot be opened or fails is told in `failures`; the others go on. Vectors are kept in the store as
    they are computed: what is interrupted continues where it was.

    Args:
        photos: a folder (`<class>/*` or `{train,test}/<class>/*`), a CSV, or a list of paths with `labels`.
        labels: class names of a list of paths.
        networks: handles, or backbones in the view that they shall have.
        heads: `logistic`, `ridge`, `centroid`, `knn`.
        view: of networks given by handle: `squash`, `crop` or `pad`.
        options: what you know of networks given by handle: input range, layers.
        test: a folder or CSV to measure on, instead of the source's own test part.
        fraction: train on this share of every class, chosen by `seed`.
        seed: of the share and of the folds.
        quick: rank on a small share first; the best third goes on.
        curve: also follow the best one's accuracy against the number of photos.
        each: called with the training of every network and head, as soon as it is measured. Its vectors are not kept.
        store: folder of the feature store; the user's if not given.
        command: how it was called, for the document.
        progress: is told what happens.

    Raises:
        BackboneError: none of the networks can be used; the message tells why for each.
        HeadstartError: see `training.train`.
    """
    say = progress or Silent()
    started = time.perf_counter()
    job = _Job(Store(store), view, options, seed, fraction, say)
    candidates = job.open(networks, heads)
    clock = time.perf_counter()
    source = read_source(photos, labels, test, fraction, seed, say)
    job.seconds["scan"] = time.perf_counter() - clock
    left_out: tuple[Entry, ...] = ()
    told: dict[str, Any] | None = None
    if quick:
        candidates, left_out, told = job.quick(candidates, source)
    entries = comparison.ranked(job.measure(candidates, source, each))
    found: LearningCurve | None = None
    if curve:
        clock = time.perf_counter()
        found = job.curve(next(one for one in candidates if one.network.card == entries[0].card), entries[0], source)
        job.seconds["curve"] = time.perf_counter() - clock
    job.seconds["total"] = time.perf_counter() - started
    return Comparison(
        photos=str(photos) if isinstance(photos, (str, Path)) else f"{len(photos):,} photos",
        classes=source.train.classes,
        protocol=str(entries[0].document["protocol"]),
        entries=entries,
        verdict=comparison.verdict(entries),
        failures=tuple(job.failures),
        left_out=left_out,
        quick=told,
        found=len(paths_of(source)),
        settings={"seed": seed, "fraction": fraction, "view": view},
        notes=(*source.notes, *job.notes),
        curve=found,
        seconds=job.seconds,
        command=tuple(command),
    )


class _Job:
    """What all steps of a comparison share."""

    def __init__(
        self, store: Store, view: Fit, options: Options | None, seed: int, fraction: float | None, say: Progress
    ) -> None:
        self.store, self.view, self.options = store, view, options
        self.seed, self.fraction, self.say = seed, fraction, say
        self.failures: list[Failure] = []
        self.errors: list[BackboneError | DataError] = []
        self.notes: list[str] = []
        self.seconds = {"scan": 0.0, "extract": 0.0, "heads": 0.0}

    def open(self, networks: Sequence[str | Backbone], heads: Sequence[Kind]) -> list[_Candidate]:
        """Open what can be opened; the same network given twice counts once."""
        kinds = tuple(dict.fromkeys(heads))
        if not networks or not kinds:
            raise BackboneError("There is nothing to compare.\nExpected at least one network (-b HANDLE) and one head.")
        found: dict[str, _Candidate] = {}
        for given in networks:
            handle = given if isinstance(given, str) else given.card.handle
            try:
                network = self._open(given, kinds)
            except BackboneError as error:
                self._failed(handle, error)
                continue
            if network.card.key in found:
                self.notes.append(f"{handle} is the same network as {found[network.card.key].network.card.handle}.")
                self.say.message(self.notes[-1])
                continue
            found[network.card.key] = _Candidate(network, kinds)
        if not found:
            raise self._none_left()
        return list(found.values())

    def _open(self, given: str | Backbone, kinds: Sequence[Kind]) -> Backbone:
        network = self._load(given) if isinstance(given, str) else given
        for kind in kinds:
            self._classifier(network, kind).check()
        return network

    def _load(self, handle: str) -> Backbone:
        """What the user says of the input range is for the networks that do not tell it themselves."""
        said = self.options or Options()
        if not said.input_range:
            return self._network(handle, said, self.say)
        network = self._network(handle, replace(said, input_range=""), _Fetching(self.say))
        return self._network(handle, said, self.say) if network.card.range_from == "assumed" else network

    def _network(self, handle: str, options: Options, say: Progress) -> Backbone:
        classifier = Classifier(handle, view=self.view, options=options, store=self.store.folder)
        classifier.check(say)
        return classifier.backbone

    def _classifier(self, network: Backbone, kind: Kind) -> Classifier:
        classifier = Classifier(network.card.handle, head=kind, seed=self.seed, store=self.store.folder)
        classifier.backbone = network
        return classifier

    def _failed(self, handle: str, error: BackboneError | DataError) -> None:
        self.failures.append(Failure(handle, str(error)))
        self.errors.append(error)
        self.say.message(f"{handle} is left out: {error}")

    def _none_left(self) -> BackboneError | DataError:
        """What to raise when every network failed: photos that suit none are the photos' fault."""
        if all(isinstance(error, DataError) for error in self.errors):
            return self.errors[0]
        told = "\n".join(f"{one.network}: {one.error}" for one in self.failures)
        return BackboneError(f"None of the networks can be used:\n{told}")

    def measure(
        self, candidates: Sequence[_Candidate], source: Source, each: Callable[[Training], None] | None = None
    ) -> list[Entry]:
        """Compute what vectors are missing, then train and measure every head of every network.

        Raises:
            BackboneError: all networks failed.
        """
        clock = time.perf_counter()
        paths = paths_of(source)
        if len(candidates) > 1:
            self.say.message(f"{len(paths):,} photos through {len(candidates)} networks, counted together:")
        outcomes = extract_all([one.network for one in candidates], paths, self.store, self.say)
        self.seconds["extract"] += time.perf_counter() - clock
        clock = time.perf_counter()
        entries: list[Entry] = []
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            if outcome.error is not None:
                self._failed(candidate.network.card.handle, outcome.error)
                continue
            try:
                measured = self._measure_one(candidate, source, outcome, each)
            except (BackboneError, DataError) as error:
                self._failed(candidate.network.card.handle, error)
                continue
            # One tuple of paths for all: they are mostly the same.
            same = entries[0].answered.paths if entries else ()
            for one in measured:
                shared = replace(one.answered, paths=same) if one.answered.paths == same else one.answered
                entries.append(replace(one, answered=shared))
        if not entries:
            raise self._none_left()
        self.seconds["heads"] += time.perf_counter() - clock
        return entries

    def _measure_one(
        self, candidate: _Candidate, source: Source, outcome: Outcome, each: Callable[[Training], None] | None
    ) -> list[Entry]:
        network, found = candidate.network, []
        date = time.time()
        features = None
        for kind in candidate.heads:
            classifier = self._classifier(network, kind)
            if features is None:
                features = classifier.extract(paths_of(source))
            trial = learn(classifier, source, features, self.say)
            found.append(comparison.entry(trial, network, features, outcome))
            if each is not None:
                each(self._training(trial, source, outcome, found[-1].from_store, date))
        return found

    def _training(self, trial: Trial, source: Source, outcome: Outcome, from_store: int, date: float) -> Training:
        """The trial as `train` would return it."""
        seconds = {"scan": self.seconds["scan"], "extract": outcome.seconds, **trial.seconds}
        return Training(
            trial=trial,
            fraction=self.fraction or 1.0,
            started=date,
            model=None,
            found=len(paths_of(source)),
            computed=outcome.computed,
            from_store=from_store,
            photos_per_second=outcome.photos_per_second,
            seconds={**seconds, "total": sum(seconds.values())},
        )

    def quick(
        self, candidates: list[_Candidate], source: Source
    ) -> tuple[list[_Candidate], tuple[Entry, ...], dict[str, Any] | None]:
        """Rank on a small share, by cross-validation; the networks of the best entries go on with all their heads."""
        share = QUICK_PER_CLASS * len(source.train.classes) / len(source.train)
        least = max(_QUICK_LEAST, round(_QUICK_SHARE * len(candidates)))
        if share > 0.5 or len(candidates) <= least:
            why = "there are few photos" if share > 0.5 else "there are few networks"
            self.say.message(f"No quick ranking first: {why}.")
            return candidates, (), None
        small = Source(source.train.share(share, self.seed), None)
        self.say.message(f"Quick: ranked on {len(small.train):,} photos first.")
        entries = comparison.ranked(self.measure(candidates, small))
        order = list(dict.fromkeys(entry.card for entry in entries))
        kept = set(order[:least])
        left_out = tuple(entry for entry in entries if entry.card not in kept)
        doubtful = {e.name for e in left_out if e.difference is None or not e.difference.is_significant}
        doubt = (
            f"{len(doubtful)} of those left out could not be told apart from the best on so few photos "
            f"({', '.join(sorted(doubtful))}): one of them may be as good or better."
            if doubtful
            else "All left out were worse on these photos by more than luck explains."
        )
        per_class = round(len(small.train) / len(small.train.classes))
        text = (
            f"{len(order)} networks were ranked on {per_class} photos a class; {len(kept)} went on. {doubt} A network "
            "that gains more than others from many photos can be missed, too; without --quick none is."
        )
        self.say.message(text)
        return [one for one in candidates if one.network.card in kept], left_out, {"per_class": per_class, "text": text}

    def curve(self, candidate: _Candidate, best: Entry, source: Source) -> LearningCurve:
        """Follow the best one's accuracy against the number of photos, from the vectors in the store."""
        kind: Kind = best.head  # type: ignore[assignment]  # it was given as one
        classifier = self._classifier(candidate.network, kind)
        trial = learn(classifier, source, classifier.extract(paths_of(source)), Silent())
        return curve_of(trial, self.seed)
