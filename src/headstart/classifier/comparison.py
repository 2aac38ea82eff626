"""What a comparison found: an entry for each network and head, the best first, and the document made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from headstart.backbones import catalogue
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card, short_name
from headstart.classifier.trial import Trial
from headstart.evaluation import ranking
from headstart.evaluation.metrics import reliability
from headstart.evaluation.paired import Difference
from headstart.evaluation.ranking import Answered, Standing
from headstart.features.extraction import Features, Skipped
from headstart.features.several import Outcome

if TYPE_CHECKING:
    from headstart.evaluation.learning_curve.curve import LearningCurve


@dataclass(frozen=True)
class Failure:
    """A network that could not be measured: its handle and why."""

    network: str
    error: str

    def to_json(self) -> dict[str, Any]:
        """Part of `Comparison.to_json`."""
        return {"network": self.network, "error": self.error}


@dataclass(frozen=True)
class Entry:
    """A network and a head, trained and measured.

    Attributes:
        card: of the network. name: what tells it from the others. head: kind. strength: what was chosen for it.
        accuracy: 0..1. n: photos measured on. train: photos trained on. test: photos measured on, None:
            cross-validation.
        answered: which photos were answered rightly.
        document: `Evaluation.to_json`. reliability: `evaluation.reliability`.
        parameters, file_bytes: size of the network, None if not known.
        outcome: how its vectors came about. from_store: photos whose vector was there before.
        seconds: that the head took, its evaluation included.
        skipped: photos that were not used.
        difference: best minus this one; None for the best, and where `unpaired` says why the two were not paired.
        is_best, is_on_front: whether it is the best, and whether it is on the Pareto front of accuracy and speed.
    """

    card: Card
    name: str
    head: str
    strength: float | None
    accuracy: float
    n: int
    train: int
    test: int | None
    answered: Answered
    document: dict[str, Any]
    reliability: list[dict[str, float]]
    parameters: int | None
    file_bytes: int | None
    outcome: Outcome
    from_store: int
    seconds: float
    skipped: tuple[Skipped, ...]
    difference: Difference | None = None
    unpaired: str = ""
    is_best: bool = False
    is_on_front: bool = False

    def to_json(self) -> dict[str, Any]:
        """Part of `Comparison.to_json`."""
        difference = None if self.difference is None else self.difference.to_json()
        return {
            "network": self.card.handle,
            "name": self.name,
            "head": self.head,
            "l2": self.strength if self.head in ("logistic", "ridge") else None,
            **({"neighbours": self.strength} if self.head == "knn" else {}),
            "evaluation": self.document,
            "reliability": self.reliability,
            "difference": {"error": self.unpaired} if self.unpaired else difference,
            **{key: value for key, value in self.card.about().items() if key != "feature"},
            "view": self.card.view.fit,
            "parameters": self.parameters,
            "megabytes": None if self.file_bytes is None else self.file_bytes / 1e6,
            "photos_per_second": self.outcome.photos_per_second,
            "seconds": {"network": self.outcome.seconds, "head": self.seconds},
            "computed": self.outcome.computed,
            "from_store": self.from_store,
            "pareto": self.is_on_front,
            "best": self.is_best,
        }


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        photos: where they are. classes: their names. protocol: `test set` or `cross-validation`.
        entries: the best first. verdict: what they say, in words.
        failures: networks that could not be measured.
        left_out: entries of the quick ranking that did not go on, measured on the small share.
        quick: `per_class` photos of the quick ranking, and what it may have missed (`text`); None: there was none.
        found: photos that were looked at.
        settings: `seed`, `fraction`, `view`.
        notes: what the user should know.
        curve: accuracy against photos per class, of the best; None if it was not asked for.
        seconds: `scan`, `extract`, `heads`, `curve`, `total`.
        command: how to run it again; empty: from Python.
    """

    photos: str
    classes: tuple[str, ...]
    protocol: str
    entries: tuple[Entry, ...]
    verdict: str
    failures: tuple[Failure, ...]
    left_out: tuple[Entry, ...]
    quick: dict[str, Any] | None
    found: int
    settings: dict[str, Any]
    notes: tuple[str, ...]
    curve: LearningCurve | None
    seconds: dict[str, float]
    command: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Entry:
        """The entry of the highest accuracy."""
        return self.entries[0]

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart compare --json` prints."""
        skipped = self.best.skipped
        curve = None
        if self.curve is not None:
            curve = {"network": self.best.card.handle, "head": self.best.head, **self.curve.to_json()}
        return {
            "photos": self.photos,
            "command": list(self.command) or None,
            "protocol": self.protocol,
            **self.settings,
            "classes": list(self.classes),
            "train": self.best.train,
            "test": self.best.test,
            "files": {
                "found": self.found,
                "used": self.found - len(skipped),
                "skipped": len(skipped),
                "reasons": dict(sorted(Counter(one.reason for one in skipped).items())),
                "files": [{"path": one.path, "reason": one.reason, "detail": one.detail} for one in skipped],
            },
            "entries": [entry.to_json() for entry in self.entries],
            "failures": [failure.to_json() for failure in self.failures],
            "left_out": [entry.to_json() for entry in self.left_out],
            "quick": self.quick,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "learning_curve": curve,
            "seconds": self.seconds,
        }


def entry(trial: Trial, network: Backbone, features: Features, outcome: Outcome) -> Entry:
    """What was measured in a trial, without its vectors: there may be many."""
    measured, card = trial.measured, network.card
    known = catalogue.by_handle(card.handle)
    twin = round(1e6 * known.params_m) if known and known.params_m else None
    return Entry(
        card=card,
        name=short_name(card.handle),
        head=trial.classifier.kind,
        strength=trial.classifier.strength_,
        accuracy=measured.evaluation.accuracy,
        n=measured.evaluation.n,
        train=trial.train,
        test=trial.test,
        answered=Answered(measured.paths, measured.answers),
        document=measured.to_json(),
        reliability=reliability(measured.probabilities, measured.labels),
        parameters=network.parameters or twin,
        file_bytes=network.file_bytes,
        outcome=outcome,
        from_store=len(features.paths) - outcome.computed,
        seconds=sum(trial.seconds.values()),
        skipped=trial.skipped,
    )


def ranked(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The best first, each compared with it; of equals the faster one first."""
    ordered = sorted(_named(entries), key=lambda one: (-one.accuracy, -(one.outcome.photos_per_second or 0.0)))
    front = ranking.front([one.accuracy for one in ordered], [one.outcome.photos_per_second for one in ordered])
    result = [replace(ordered[0], is_best=True, is_on_front=front[0])]
    for one, is_on_front in zip(ordered[1:], front[1:], strict=True):
        difference, unpaired = None, ""
        try:
            difference = ranking.difference(ordered[0].answered, one.answered)
        except ValueError as error:
            unpaired = str(error)
        result.append(replace(one, difference=difference, unpaired=unpaired, is_on_front=is_on_front))
    return tuple(result)


def verdict(entries: Sequence[Entry]) -> str:
    """What ranked entries say, in words."""
    several = len({one.head for one in entries}) > 1
    standings = [
        Standing(
            f"{one.name} ({one.head})" if several else one.name,
            one.accuracy,
            one.outcome.photos_per_second,
            one.difference,
        )
        for one in entries
    ]
    return ranking.verdict(standings, entries[0].n)


def _named(entries: Sequence[Entry]) -> list[Entry]:
    """Names that tell networks apart: by what differs in their cards where the handles are alike, else by number."""
    cards: dict[str, list[Card]] = {}
    for one in entries:
        if one.card not in cards.setdefault(one.name, []):
            cards[one.name].append(one.card)
    names: dict[Card, str] = {}
    for name, own in cards.items():
        folders = {card: "/".join(card.handle.replace("\\", "/").rstrip("/").split("/")[-2:]) for card in own}
        fuller = folders if len(set(folders.values())) == len(own) else {}
        for number, card in enumerate(own, start=1):
            names[card] = name if len(own) == 1 else fuller.get(card, f"{name} ({number})")
    return [replace(one, name=names[one.card]) for one in entries]
