"""An export proven again, here or on another machine: `headstart export --check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import ExportError
from headstart.export import manifest
from headstart.export.exported import entry
from headstart.export.known import Format
from headstart.export.manifest import Kept, Manifest
from headstart.export.proof.child import ask
from headstart.export.proof.pictures import WHOLE, Photos, framed, read
from headstart.export.proof.verdict import Proof, judged, limit_for
from headstart.photos.pictures import Pictures
from headstart.photos.sources import find_files
from headstart.progress import Choice, Progress, standard
from headstart.safety.printable import counted


@dataclass(frozen=True)
class Checked:
    """What a second proof of one format found.

    Attributes:
        kept: which, as it was written.
        proof: what its runtime answered; None: it could not be run here, or its files have changed.
        unproven: why it could not be run; empty if it was.
        faults: what is wrong with it; empty: nothing.
        bytes: of its files.
    """

    kept: Kept
    proof: Proof | None
    unproven: str
    faults: tuple[str, ...]
    bytes: int

    @property
    def format(self) -> Format:
        """Which format it is."""
        return self.kept.format

    def to_json(self) -> dict[str, Any]:
        """One of the `exports` of all documents, see docs/json.md."""
        kept = self.kept
        return entry(
            kept.format, kept.precision, self.bytes, files=kept.files, proof=self.proof, unproven=self.unproven,
            faults=self.faults,
        )  # fmt: skip


@dataclass(frozen=True)
class Checks:
    """What a second proof found.

    Attributes:
        folder: of the export.
        formats: each of them. photos: real photos they were run on.
        beside: what is wrong with `classes.txt`; empty: nothing.
    """

    folder: Path
    formats: tuple[Checked, ...]
    photos: int
    beside: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is wrong."""
        return (*self.beside, *(f"{one.format.name}: {fault}" for one in self.formats for fault in one.faults))

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart export --check --json` prints, see docs/json.md."""
        exports = [one.to_json() for one in self.formats]
        return {"path": str(self.folder), "proven_on": self.photos, "exports": exports, "notes": list(self.beside)}


def check(folder: str | Path, photos: Pictures | None = None, progress: Choice = None) -> Checks:
    """Prove an export again: its files are as they were written, and their runtimes give headstart's answers.

    The classifier is not needed: `export.json` has its answers for the made-up pictures and, by the SHA-256 of their
    files, for the photos that the export was proven on.

    Args:
        folder: that `headstart export` wrote.
        photos: the photos it was proven on, wherever they are now; others are left out.
        progress: see `headstart.train`.

    Raises:
        ExportError: it is no export; or photos are given, and it was proven on none of them.
    """
    report, path = standard(progress), Path(folder)
    kept = manifest.read(path)
    found = _known(kept, photos)
    beside = () if manifest.has_class_list(path, kept.classes) else (f"{manifest.CLASSES} is missing or has changed",)
    return Checks(path, tuple(_again(path, kept, one, found, report) for one in kept.formats), len(found), beside)


def _gaps(kept: Manifest, photos: Photos, whole: bool) -> npt.NDArray[np.float32]:
    """How near a tie each picture is, as it was when the export was proven first."""
    real = [kept.photos[digest].gap for digest in photos.hashes] if whole else []
    return np.array([*real, *kept.made_up.gaps], np.float32)


def _known(kept: Manifest, photos: Pictures | None) -> Photos:
    if photos is None:
        return read([], kept.view)
    every = read(find_files(photos), kept.view)
    rows = [i for i, digest in enumerate(every.hashes) if digest in kept.photos]
    if not rows:
        raise ExportError(
            f"None of the {counted(len(every), 'photo')} is one that the export was proven on.\nExpected some of "
            f"those {len(kept.photos)}; leave the photos out to prove it on made-up pictures."
        )
    return every.only(rows)


def _again(folder: Path, kept: Manifest, one: Kept, photos: Photos, report: Progress) -> Checked:
    if changed := manifest.changed(folder, one):
        return Checked(one, None, "", tuple(f"{name} is missing or has changed" for name in changed), 0)
    size = sum((folder / name).stat().st_size for name in one.files)
    if one.format.unproven:
        return Checked(one, None, one.format.unproven, (), size)
    whole, made_up = one.format.takes == "pixels", kept.made_up
    report.message(f"{one.format.name}: proving it.")
    real = np.array([kept.photos[digest].probabilities for digest in photos.hashes]).reshape(-1, len(kept.classes))
    nothing = made_up.probabilities[:0]
    if whole:
        given, paths = np.concatenate([photos.pixels, made_up.pixels]), photos.paths
        wanted = real, nothing, made_up.probabilities
    else:
        given, paths = made_up.features, ()
        wanted = nothing, nothing, made_up.own
    resizing = whole and kept.with_resize
    if resizing:
        given, paths = framed(given, kept.view), paths[:WHOLE]
    answers = ask(one.format, folder / one.format.path, given, paths, kept.view, resizing)
    limit = limit_for(one.precision, kept.quantised and whole, kept.noise)
    proof = judged(answers, wanted, kept.classes, limit, _gaps(kept, photos, whole), resizing)
    return Checked(one, proof, "", proof.faults, size)
