"""What a saved classifier consists of, every part checked on reading: its files may come from anyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from headstart.backbones.card import Card
from headstart.classifier import bundle
from headstart.errors import BackboneError, BundleError, HeadError
from headstart.heads import power
from headstart.heads.head import Arrays, Head, HeadChoice, Kind, NeighbourHead, from_arrays
from headstart.safety import untrusted
from headstart.trust import unknown
from headstart.trust.unknown import Known

#: Fingerprints of training photos are kept up to this many (8 bytes each), to warn when they are tested on.
REMEMBERED = 1_000_000
_SEEN = "training_photos"


def _optional(check: untrusted.Check[Any]) -> untrusted.Check[Any]:
    return lambda value: None if value is None else check(value)


def _dictionary(value: Any) -> dict[str, Any]:
    """Anything that JSON can hold: `bundle` has checked its size and depth."""
    if not isinstance(value, dict):
        raise ValueError("a dictionary is needed")
    return value


@dataclass(frozen=True)
class TrainingFacts:
    """How a classifier was trained and measured: for people, nothing is computed from it.

    Attributes:
        train: photos trained on. test: photos measured on; None: cross-validation. Earlier versions did not save it.
        fraction: of the training photos that was used, 0..1; None: all of them.
        evaluation: what `Evaluation.to_json` gives, without photos' paths, which would show their owner's folders.
        demo: whether `headstart demo` made it.
    """

    train: int | None = None
    test: int | None = None
    fraction: float | None = None
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    demo: bool = False

    @classmethod
    def from_json(cls, value: Any) -> TrainingFacts:
        """Read what `to_json` made, or an earlier version; fields that a later version has added are ignored.

        Raises:
            ValueError: a field is of another type or range than it may be.
        """
        known = {name: one for name, one in _dictionary(value).items() if name in _FACTS}
        return cls(**untrusted.fields(known, _FACTS))

    def to_json(self) -> dict[str, Any]:
        """The `about` of a saved classifier."""
        known = {"train": self.train, "test": self.test, "fraction": self.fraction, "evaluation": dict(self.evaluation)}
        return {**known, "demo": True} if self.demo else known


_FACTS: dict[str, untrusted.Check[Any]] = {
    "train": _optional(untrusted.whole(0, 10**12)),
    "test": _optional(untrusted.whole(0, 10**12)),
    "fraction": _optional(untrusted.number(0, 1)),
    "evaluation": _dictionary,
    "demo": untrusted.one_of(True, False),
}


def _versions(value: Any) -> dict[str, str]:
    checked = {untrusted.text(100)(name): untrusted.text(100)(version) for name, version in _dictionary(value).items()}
    if len(checked) > 100:
        raise ValueError("these are too many")
    return checked


_HEAD: dict[str, untrusted.Check[Any]] = {
    "kind": untrusted.one_of(*get_args(Kind)),
    "strength": _optional(untrusted.number(0, 1e9)),
}
_FIELDS: dict[str, untrusted.Check[Any]] = {
    "card": Card.from_json,
    "classes": untrusted.many(untrusted.text(1000), 2, 100_000),
    "normalisation": untrusted.one_of(power.NAME),
    "head": lambda value: untrusted.fields(value, _HEAD),
    "seed": untrusted.whole(0, 2**32 - 1),
    "about": TrainingFacts.from_json,
    "versions": _versions,
}


@dataclass(frozen=True)
class Saved:
    """A trained classifier without its backbone.

    Attributes:
        card: of the backbone.
        classes: class names, in the order of the head's scores.
        choice: kind of head, and the strength that was chosen for it. head: itself.
        seed: of the folds.
        about: how it was trained and measured.
        seen: uint64 `(m,)`, fingerprints of the training photos.
        known: what is kept of the training photos; None: nothing, as in earlier versions.
    """

    card: Card
    classes: tuple[str, ...]
    choice: HeadChoice
    head: Head
    seed: int
    about: TrainingFacts
    seen: npt.NDArray[np.uint64]
    known: Known | None


def write(folder: str | Path, saved: Saved, overwrite: bool = False) -> None:
    """Save as a folder of two files; arguments and errors as for `bundle.write`."""
    manifest: dict[str, Any] = {
        "card": saved.card.to_json(),
        "classes": list(saved.classes),
        "normalisation": power.NAME,
        "head": {"kind": saved.choice.kind, "strength": saved.choice.strength},
        "seed": saved.seed,
        "about": saved.about.to_json(),
        "versions": {name: version_of(name) for name in ("headstart", "numpy", "openvino", "pillow")},
        "format": bundle.FORMAT if saved.card.parts else bundle.PLAIN,
    }
    arrays = {**saved.head.arrays(), _SEEN: saved.seen}
    if saved.known is not None:
        manifest |= {"unknown": saved.known.to_json(), "format": max(manifest["format"], bundle.WITH_PHOTOS)}
        arrays |= saved.known.arrays()
    try:
        _checked(manifest, arrays)  # what could not be read back is not written
    except (KeyError, ValueError, HeadError, BackboneError) as error:
        raise BundleError(f"{folder} cannot be saved: {error!s}.") from error
    bundle.write(folder, manifest, arrays, overwrite)


def read(folder: str | Path) -> Saved:
    """Read a saved classifier; nothing in it is run.

    Raises:
        BundleError: as for `bundle.read`; or a part is missing, of another type or range than it may be, or does not
            fit the others.
    """
    manifest, arrays = bundle.read(folder)
    try:
        return _checked(manifest, arrays)
    except (KeyError, ValueError, HeadError, BackboneError) as error:
        raise BundleError(f"{folder} is not a consistent classifier: {error!s}.\nTrain it again.") from error


def _checked(manifest: dict[str, Any], arrays: Arrays) -> Saved:
    given = untrusted.fields({name: manifest[name] for name in _FIELDS}, _FIELDS)
    card, classes = given["card"], given["classes"]
    choice = HeadChoice(given["head"]["kind"], given["head"]["strength"])
    others = (_SEEN, *unknown.ARRAYS) if "unknown" in manifest else (_SEEN,)
    seen, head = arrays[_SEEN], from_arrays({name: array for name, array in arrays.items() if name not in others})
    if len(set(classes)) != len(classes):
        raise HeadError("a class name occurs twice")
    if seen.dtype != np.uint64 or seen.ndim != 1 or len(seen) > REMEMBERED:
        raise HeadError("the fingerprints of its training photos are damaged")
    if (head.dim, head.classes) != (card.dim, len(classes)):
        raise HeadError("its head is for other vectors or classes than it names")
    if isinstance(head, NeighbourHead) != (choice.kind == "knn"):
        raise HeadError(f"its head is not of the kind {choice.kind}")
    known = Known.read(_dictionary(manifest["unknown"]), arrays, card.dim) if "unknown" in manifest else None
    return Saved(card, classes, choice, head, given["seed"], given["about"], seen, known)


def version_of(name: str) -> str:
    """The installed version of a package, or `unknown`."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
