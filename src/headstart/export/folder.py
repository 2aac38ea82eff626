"""The folder of an export: what stands in it beside the files themselves."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from headstart.classifier.classifier import Classifier
from headstart.classifier.saved import version_of
from headstart.disk.hashes import sha256
from headstart.errors import ExportError
from headstart.export import pages
from headstart.export.exported import FORMAT, Exported
from headstart.export.known import FORMATS, Format
from headstart.export.manifest import CLASSES, MANIFEST, REFERENCE, class_list
from headstart.export.proof.pictures import MADE_UP
from headstart.export.proof.reference import Reference

README, PROOF = "README.md", "proof.html"
_BESIDE = (MANIFEST, CLASSES, README, PROOF, REFERENCE)


def check_target(out: str | Path, overwrite: bool) -> Path:
    """The folder that an export may be put in.

    Raises:
        ExportError: it is there already and is no export, or may not be replaced; or the folder above is missing.
    """
    if not os.fspath(out):
        raise ExportError("The path of the export is empty.\nExpected a folder, such as out.")
    target = Path(os.path.realpath(out))
    if os.path.lexists(target):
        names = set(os.listdir(target)) if target.is_dir() else {""}
        ours = {*_BESIDE, *(one.folder for one in FORMATS.values())}
        if names and (MANIFEST not in names or names - ours):
            raise ExportError(f"{out} exists already and is not an export.\nExpected a new folder.")
        if names and not overwrite:
            raise ExportError(
                f"{out} holds an export already.\nChoose another folder, or replace it: --overwrite (in Python: "
                "overwrite=True)."
            )
    if not target.parent.is_dir():
        raise ExportError(f"The folder {target.parent} does not exist.\nExpected it: {target.name} is made in it.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise ExportError(f"The folder {target.parent} cannot be written to.\nChoose another place.")
    return target


def hashes(folder: Path, one: Format) -> dict[str, str]:
    """SHA-256 (hex) of each file of a format, by its path in the folder of the export."""
    top = folder / one.folder
    paths = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}


def describe(folder: Path, exported: Exported, classifier: Classifier, reference: Reference, with_resize: bool) -> None:
    """Write what stands beside the files: README.md, classes.txt, export.json, proof.html, reference.npz."""
    card, photos = classifier.card, reference.photos
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        pixels=reference.pixels[-MADE_UP:],
        features=reference.features[-MADE_UP:],
        gaps=reference.gaps[-MADE_UP:],
        probabilities=reference.wanted[-MADE_UP:].astype(np.float32),
        own=reference.own[-MADE_UP:].astype(np.float32),
    )
    (folder / REFERENCE).write_bytes(packed.getvalue())
    known = {
        digest: {"gap": float(gap) if np.isfinite(gap) else None, "probabilities": [float(one) for one in row]}
        for digest, row, gap in zip(photos.hashes, reference.wanted, reference.gaps, strict=False)
    }
    manifest = {
        "format": FORMAT,
        "headstart": version_of("headstart"),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "backbone": card.handle,
        "card": card.about(),
        "view": card.view.to_json(),
        "head": classifier.choice.to_json(),
        "classes": list(classifier.classes),
        "with_resize": with_resize,
        "noise": list(reference.noise),
        "quantised": reference.quantised,
        "exports": [one.to_json() for one in exported.written],
        "photos": known,
        "notes": list(exported.notes),
        "reference": sha256(folder / REFERENCE),
    }  # fmt: skip
    (folder / CLASSES).write_text(class_list(classifier.classes), "utf-8")
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", "utf-8")
    (folder / README).write_text(pages.readme(exported, classifier, with_resize), "utf-8")
    (folder / PROOF).write_text(pages.proof(exported, classifier), "utf-8")
