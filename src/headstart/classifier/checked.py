"""`Check`: what one look over a collection of photos found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal

from headstart.evaluation.results import PhotoCounts
from headstart.evaluation.shown import Written
from headstart.photos.fixes import Fix
from headstart.safety.printable import counted
from headstart.trust.give_aways import GiveAway
from headstart.trust.labels import SuspiciousLabels
from headstart.trust.looks import Fault

Relation = Literal["within a class", "across classes", "across train and test"]
Kinship = Literal["same file", "copy", "mirrored copy", "burst"]
RELATIONS: tuple[Relation, ...] = ("across classes", "across train and test", "within a class")


@dataclass(frozen=True)
class Member:
    """A photo of a group of copies: its path, its class, and whether it is measured on."""

    path: str
    label: str
    test: bool


@dataclass(frozen=True)
class CopyPair:
    """Two photos of a group that show the same picture.

    Attributes:
        first, second: paths.
        kinship: `same file`, `copy`, `mirrored copy` or `burst`.
        likeness: how alike the fine structure is, 0..1.
    """

    first: str
    second: str
    kinship: Kinship
    likeness: float


@dataclass(frozen=True)
class Copies:
    """Photos that show the same picture.

    Attributes:
        relation: `across classes` before `across train and test` before `within a class`.
        members: the photos. pairs: what links them.
    """

    relation: Relation
    members: tuple[Member, ...]
    pairs: tuple[CopyPair, ...]

    def kept(self, poor: Collection[str]) -> Member:
        """The one to keep: not a photo that shows little if another does not, and one that is measured on if any is."""
        return min(self.members, key=lambda one: (one.path in poor, not one.test))


@dataclass(frozen=True)
class Unlike:
    """A photo unlike all others of its class: its path and class, and the cosine to the third nearest of the class."""

    path: str
    label: str
    cosine: float


@dataclass(frozen=True)
class Poor:
    """A photo that shows little: its path and class, and `tiny`, `dark`, `blank` or `blurred`."""

    path: str
    label: str
    fault: Fault


@dataclass(frozen=True)
class SmallClass:
    """A class with few different photos: its name and how many."""

    name: str
    photos: int


@dataclass(frozen=True)
class Confusable:
    """Two classes between which heads guess: their names, the accuracy on the two, and its 95 % interval."""

    classes: tuple[str, str]
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class CheckedClasses:
    """What is doubtful about classes.

    Attributes:
        small: with fewer different photos than are recommended. same_names: pairs that may be one thing.
        not_told_apart: pairs that heads cannot tell apart.
    """

    small: tuple[SmallClass, ...]
    same_names: tuple[tuple[str, str], ...]
    not_told_apart: tuple[Confusable, ...]


@dataclass(frozen=True, repr=False)
class Check(Written):
    """What one look over a collection of photos found.

    Attributes:
        source: where the photos are.
        backbone: handle of the model whose features were used.
        photos: how many were looked at, and those that cannot be used, with reasons.
        copies: groups of photos that show the same picture, those across classes first.
        suspicious: labels that are probably wrong; None if there are too few photos or classes to train on.
        unlike: photos unlike all others of their class, the most unlike first.
        poor: photos that show little.
        classes: what is doubtful about classes.
        give_aways: what beside the subject gives the class away.
        seconds: that it took after the features were there.
    """

    source: str
    backbone: str
    photos: PhotoCounts
    copies: tuple[Copies, ...]
    suspicious: SuspiciousLabels | None
    unlike: tuple[Unlike, ...]
    poor: tuple[Poor, ...]
    classes: CheckedClasses
    give_aways: tuple[GiveAway, ...]
    seconds: float

    def __repr__(self) -> str:
        labels = "not looked at" if self.suspicious is None else f"{len(self.suspicious.listed):,}"
        return (
            f"Check({counted(self.photos.found, 'photo')}: {len(self.photos.skipped):,} unreadable, "
            f"{len(self.copies):,} groups of copies, suspicious labels {labels})"
        )

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """What may be done with single photos; for each photo the first that applies.

        Of copies all but one are left out; across classes all, because it is not known which label is right. Photos
        that are only unlike their class are not among them: most are rare, not wrong.
        """
        proposed, poor = [], {one.path for one in self.poor}
        for group in self.copies:
            across, kept = group.relation == "across classes", group.kept(poor)
            why = "copies have different labels" if across else f"copy of {kept.path}"
            proposed += [Fix(one.path, "leave out", "", why) for one in group.members if across or one is not kept]
        proposed += [Fix(one.path, "leave out", "", one.fault) for one in self.poor]
        for one in self.suspicious.listed if self.suspicious else ():
            why = f"labelled {one.label}; wrong with probability {one.wrong_probability:.2f}"
            proposed.append(Fix(one.path, "relabel", one.suggested, why))
        return tuple({one.path: one for one in reversed(proposed)}.values())[::-1]

    def copies_of(self, relation: Relation) -> tuple[Copies, ...]:
        """The groups of one relation."""
        return tuple(one for one in self.copies if one.relation == relation)

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart check --json` prints, see docs/json.md."""
        return {
            "source": self.source,
            "backbone": self.backbone,
            "photos": self.photos.to_json(),
            "copies": [
                {
                    "relation": group.relation,
                    "members": [
                        {"path": one.path, "label": one.label, "part": "test" if one.test else "train"}
                        for one in group.members
                    ],
                    "pairs": [asdict(one) for one in group.pairs],
                }
                for group in self.copies
            ],
            "suspicious": None if self.suspicious is None else self.suspicious.to_json(),
            "unlike": [asdict(one) for one in self.unlike],
            "poor": [asdict(one) for one in self.poor],
            "small_classes": [{"class": one.name, "found": one.photos} for one in self.classes.small],
            "same_names": [list(one) for one in self.classes.same_names],
            "not_told_apart": [
                {"classes": list(one.classes), "accuracy": one.accuracy, "interval": list(one.interval)}
                for one in self.classes.not_told_apart
            ],
            "give_aways": [
                {
                    "give_away": one.kind,
                    "accuracy": one.accuracy,
                    "interval": list(one.interval),
                    "chance": one.chance,
                }
                for one in self.give_aways
            ],
        }
