"""`export.json` and `reference.npz`, read back: what an export is, and what its files have to answer."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from headstart.backbones.card import read_view
from headstart.classifier.exporting import Precision
from headstart.disk.hashes import sha256
from headstart.errors import ExportError
from headstart.export.exported import FORMAT
from headstart.export.known import FORMATS, Format
from headstart.photos.images import View
from headstart.safety import untrusted

MANIFEST, REFERENCE, CLASSES = "export.json", "reference.npz", "classes.txt"
#: Bytes of each; ours have a megabyte.
_MOST = 2**28
_UNREADABLE = (
    KeyError, ValueError, TypeError, AttributeError, OSError, RecursionError, EOFError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """One format as `export.json` has it."""

    format: Format
    precision: Precision
    files: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """Headstart's answer for a photo: probabilities, and its gap, see `Reference.gaps`."""

    probabilities: tuple[float, ...]
    gap: float


@dataclass(frozen=True)
class MadeUp:
    """Made-up pictures with headstart's answers.

    Attributes:
        pixels: uint8 `(n, height, width, 3)`. features: float32 `(n, dim)`, of the backbone.
        gaps: float32 `(n,)`, see `Reference.gaps`.
        probabilities: `(n, k)`, of the exported model. own: `(n, k)`, of the classifier; other than those in int8.
    """

    pixels: npt.NDArray[np.uint8]
    features: npt.NDArray[np.float32]
    gaps: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    own: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Manifest:
    """What `export.json` and `reference.npz` say.

    Attributes:
        classes: class names, in the order of the probabilities.
        view: how photos are fitted to the input. with_resize: whether the files do that themselves.
        formats: what there is. noise, quantised: of the model, see `Reference`.
        photos: answers for photos by their SHA-256 (hex).
        made_up: pictures that show nothing.
    """

    classes: tuple[str, ...]
    view: View
    with_resize: bool
    formats: tuple[Kept, ...]
    noise: tuple[float, float]
    quantised: bool
    photos: dict[str, Answer]
    made_up: MadeUp


def read(folder: Path) -> Manifest:
    """Read an export back; its files may come from anyone, and none of them is run here.

    Raises:
        ExportError: it is no export, or is not as it was written.
    """
    try:
        text = untrusted.read_bytes(folder / MANIFEST, _MOST)
        packed = untrusted.read_bytes(folder / REFERENCE, _MOST)
    except FileNotFoundError as error:
        raise ExportError(f"{folder} is not an export.\nExpected a folder that headstart export wrote.") from error
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{folder} cannot be read: {error}.\nExpected a folder that headstart export wrote."
        ) from error
    try:
        return _parsed(json.loads(text), packed)
    except _UNREADABLE as error:
        raise ExportError(f"{folder} is not as it was written: {error}.\nExport the classifier again.") from error


def _parsed(found: dict[str, Any], packed: bytes) -> Manifest:
    if untrusted.whole(1, 10**9)(found["format"]) > FORMAT:
        raise ValueError("a newer version of headstart wrote it")
    if hashlib.sha256(packed).hexdigest() != found["reference"]:
        raise ValueError(f"{REFERENCE} has changed")
    made_up = _made_up(packed)
    largest, mean = untrusted.many(untrusted.number(0.0, 1.0), 2, 2)(found["noise"])
    names = untrusted.many(untrusted.text(1000), 2, 100_000)(found["classes"])
    photos = {str(key): _answer(one) for key, one in found["photos"].items()}
    shape = (len(made_up.pixels), len(names))
    complete = all(len(one.probabilities) == len(names) for one in photos.values())
    if not complete or made_up.probabilities.shape != shape or made_up.own.shape != shape:
        raise ValueError("its probabilities are not of its classes")
    return Manifest(
        tuple(names),
        read_view(found["view"]),
        untrusted.one_of(True, False)(found["with_resize"]),
        tuple(_kept(one) for one in found["exports"]),
        (largest, mean),
        untrusted.one_of(True, False)(found["quantised"]),
        photos,
        made_up,
    )


def _made_up(packed: bytes) -> MadeUp:
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        if sum(one.file_size for one in opened.infolist()) > _MOST:
            raise ValueError(f"{REFERENCE} is too large")
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return MadeUp(**{name: arrays[name] for name in MadeUp.__dataclass_fields__})


def _answer(one: dict[str, Any]) -> Answer:
    gap = np.inf if one["gap"] is None else untrusted.number(0.0, 10.0)(one["gap"])
    return Answer(tuple(untrusted.number(0.0, 1.0)(number) for number in one["probabilities"]), gap)


def _kept(one: dict[str, Any]) -> Kept:
    format_ = FORMATS[str(one["format"])]
    precision: Precision = untrusted.one_of(*get_args(Precision))(one["weights"])
    files = {str(name): str(digest) for name, digest in one["sha256"].items()}
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in files):
        raise ValueError("a file lies outside the folder")
    return Kept(format_, precision, files)


def class_list(classes: Sequence[str]) -> str:
    """The content of `classes.txt`."""
    return "".join(f"{name}\n" for name in classes)


def has_class_list(folder: Path, classes: Sequence[str]) -> bool:
    """Whether `classes.txt`, which programs read, has these class names in this order."""
    try:
        found = untrusted.read_bytes(folder / CLASSES, _MOST)
    except (OSError, ValueError):
        return False
    return found.replace(b"\r\n", b"\n") == class_list(classes).encode()


def changed(folder: Path, kept: Kept) -> list[str]:
    """The files of a format that are missing or not as they were written."""
    return [
        name for name, digest in kept.files.items() if not (folder / name).is_file() or sha256(folder / name) != digest
    ]
