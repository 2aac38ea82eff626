"""What a comparison found: an entry for each backbone and head, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from headstart.backbones import catalogue
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card
from headstart.classifier.trained import Seconds, Work
from headstart.classifier.trial import Trial
from headstart.evaluation import ranking
from headstart.evaluation.intervals import Protocol
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.paired import Difference
from headstart.evaluation.ranking import Standing
from headstart.evaluation.results import Answers, PhotoCounts
from headstart.evaluation.shown import Reported
from headstart.features.several import Outcome
from headstart.heads.head import HeadChoice

if TYPE_CHECKING:
    from headstart.classifier.viewing import ViewChoice
    from headstart.evaluation.learning_curve.curve import LearningCurve


@dataclass(frozen=True)
class Failure:
    """A backbone that could not be measured: its handle and why."""

    backbone: str
    error: str


@dataclass(frozen=True)
class QuickRanking:
    """What `quick` did before the comparison.

    Attributes:
        per_class: photos of each class, on average, that it ranked on. text: what it may have missed.
    """

    per_class: int
    text: str


@dataclass(frozen=True)
class Entry:
    """A backbone and a head, trained and measured.

    Attributes:
        card: of the backbone. name: a short one that no other backbone has. head: the head and its strength.
        evaluation: how good it is. answers: which photos were predicted right.
        train: photos trained on. test: photos measured on; None: cross-validation.
        photos: how many were looked at, and those not used.
        parameters, file_bytes: size of the backbone, None if not known.
        work: where the feature vectors came from; `photos_per_second` is the speed of the backbone alone, measured
            side by side with the others.
        backbone_seconds: that the backbone took. head_seconds: that the head took, its evaluation included.
        difference: best minus this one; None for the best, and where `unpaired` states why the two were not paired.
        is_best, is_on_front: whether it is the best, and whether it is on the Pareto front of accuracy and speed.
    """

    card: Card
    name: str
    head: HeadChoice
    evaluation: Evaluation
    answers: Answers
    train: int
    test: int | None
    photos: PhotoCounts
    parameters: int | None
    file_bytes: int | None
    work: Work
    backbone_seconds: float
    head_seconds: float
    difference: Difference | None = None
    unpaired: str = ""
    is_best: bool = False
    is_on_front: bool = False

    @property
    def accuracy(self) -> float:
        """0..1."""
        return self.evaluation.accuracy

    @property
    def speed(self) -> float | None:
        """Photos per second of the backbone alone; None if it is not known."""
        return self.work.photos_per_second

    def to_json(self) -> dict[str, Any]:
        """One of the `entries` of `Comparison.to_json`."""
        difference = None if self.difference is None else self.difference.to_json()
        return {
            "backbone": self.card.handle,
            "name": self.name,
            "card": self.card.about(),
            "head": self.head.to_json(),
            "evaluation": self.evaluation.to_json(),
            "difference": {"error": self.unpaired} if self.unpaired else difference,
            "parameters": self.parameters,
            "megabytes": None if self.file_bytes is None else self.file_bytes / 1e6,
            "features": self.work.to_json(),
            "seconds": {"backbone": self.backbone_seconds, "head": self.head_seconds},
            "pareto": self.is_on_front,
            "best": self.is_best,
        }


@dataclass(frozen=True)
class ComparisonSeconds(Seconds):
    """Wall time of each step of a comparison, and in all; `curve` is None if none was asked for."""

    scan: float
    extract: float
    heads: float
    curve: float | None
    total: float


@dataclass(frozen=True, repr=False)
class Comparison(Reported):
    """What was found.

    Attributes:
        source: where the photos are. classes: their names.
        entries: the best first. verdict: the result in words.
        failures: backbones that could not be measured.
        left_out: entries of the quick ranking that did not go on, measured on the small share.
        quick: what the quick ranking did; None: there was none.
        measured_on: the folder or CSV given to measure on instead of the source's own test part; None: not given.
        seed: of the share and of the folds. fraction: of the training photos, 0..1. view: of backbones given by handle.
        notes: what the user should know.
        learning_curve: accuracy against photos per class, of the best; None if it was not asked for.
        seconds: that it took.
        command: how to run it again; empty: from Python.
        skip_small_classes: whether classes with too few photos were left out.
        keep_copies: whether photos that are nearly the same counted as different ones.
        fixes: the CSV of photos that were left out or relabelled, or None.
    """

    source: str
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    verdict: str
    failures: tuple[Failure, ...]
    left_out: tuple[Entry, ...]
    quick: QuickRanking | None
    seed: int
    fraction: float
    view: ViewChoice
    notes: tuple[str, ...]
    learning_curve: LearningCurve | None
    seconds: ComparisonSeconds
    command: tuple[str, ...] = ()
    measured_on: str | None = None
    skip_small_classes: bool = False
    keep_copies: bool = False
    fixes: str | None = None

    def __repr__(self) -> str:
        best = f"{label(self.best, self.entries)}, {self.best.evaluation.summary}"
        return f"Comparison(best of {len(self.entries)}: {best})"

    @property
    def best(self) -> Entry:
        """The entry of the highest accuracy."""
        return self.entries[0]

    @property
    def protocol(self) -> Protocol:
        """How all entries were measured."""
        return self.best.evaluation.protocol

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart compare --json` prints, see docs/json.md."""
        return {
            "source": self.source,
            "command": list(self.command) or None,
            "protocol": self.protocol,
            "seed": self.seed,
            "fraction": self.fraction,
            "view": self.view,
            "classes": list(self.classes),
            "photos": self.best.photos.to_json(),
            "train": self.best.train,
            "test": self.best.test,
            "entries": [entry.to_json() for entry in self.entries],
            "failures": [asdict(failure) for failure in self.failures],
            "left_out": [entry.to_json() for entry in self.left_out],
            "quick": self.quick and {"photos_per_class": self.quick.per_class, "text": self.quick.text},
            "verdict": self.verdict,
            "notes": list(self.notes),
            "learning_curve": None if self.learning_curve is None else self.learning_curve.to_json(),
            "seconds": self.seconds.to_json(),
        }


def entry(trial: Trial, backbone: Backbone, work: Work, outcome: Outcome) -> Entry:
    """What was measured in a trial, without its vectors: there may be many."""
    card = backbone.card
    return Entry(
        card=card,
        name=card.short_name,
        head=trial.classifier.choice,
        evaluation=trial.measured.evaluation,
        answers=trial.measured.answers,
        train=trial.train,
        test=trial.test,
        photos=trial.measured.photos,
        parameters=parameters_of(backbone),
        file_bytes=backbone.file_bytes,
        work=work,
        backbone_seconds=outcome.seconds,
        head_seconds=trial.head_seconds + trial.evaluate_seconds,
    )


def parameters_of(backbone: Backbone) -> int | None:
    """Number of parameters: the backbone's own, else those that the catalogue has for it; None if neither is known."""
    known = catalogue.by_handle(backbone.card.handle)
    twin = round(1e6 * known.params_m) if known and known.params_m else None
    return backbone.parameters or twin


def ranked(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The best first, each compared with it; of equals the faster one first."""
    ordered = sorted(_named(entries), key=lambda one: (-one.accuracy, -(one.speed or 0.0)))
    front = ranking.front([one.accuracy for one in ordered], [one.speed for one in ordered])
    result = [replace(ordered[0], is_best=True, is_on_front=front[0])]
    for one, is_on_front in zip(ordered[1:], front[1:], strict=True):
        difference, unpaired = None, ""
        try:
            difference = ranking.difference(ordered[0].answers, one.answers, len(ordered) - 1)
        except ValueError as error:
            unpaired = str(error)
        result.append(replace(one, difference=difference, unpaired=unpaired, is_on_front=is_on_front))
    return tuple(result)


def verdict(entries: Sequence[Entry]) -> str:
    """The result of ranked entries, in words."""
    standings = [Standing(label(one, entries), one.accuracy, one.speed, one.difference) for one in entries]
    return ranking.verdict(standings, entries[0].evaluation.n)


def label(entry: Entry, among: Sequence[Entry]) -> str:
    """The name of an entry; with its head where there are several heads."""
    several = len({one.head.kind for one in among}) > 1
    return f"{entry.name} ({entry.head.kind})" if several else entry.name


def _named(entries: Sequence[Entry]) -> list[Entry]:
    """Names that no two backbones share: by the ends of their handles where those differ, else by number."""
    cards: dict[str, list[Card]] = {}
    for one in entries:
        if one.card not in cards.setdefault(one.name, []):
            cards[one.name].append(one.card)
    names: dict[Card, str] = {}
    for name, own in cards.items():
        views = {card: f"{name} ({card.view.name})" for card in own}
        if len(own) > 1 and len({card.handle for card in own}) == 1 and len(set(views.values())) == len(own):
            names |= views
            continue
        folders = {card: "/".join(card.handle.replace("\\", "/").rstrip("/").split("/")[-2:]) for card in own}
        fuller = folders if len(set(folders.values())) == len(own) else {}
        for number, card in enumerate(own, start=1):
            names[card] = name if len(own) == 1 else fuller.get(card, f"{name} ({number})")
    return [replace(one, name=names[one.card]) for one in entries]
