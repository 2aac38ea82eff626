"""The caches of the packages `huggingface_hub` and `kagglehub`: what is complete there need not be downloaded again.

They are only read, and neither package need be installed:

    <Hugging Face>/models--OWNER--NAME/refs/REVISION                 a commit
    <Hugging Face>/models--OWNER--NAME/snapshots/COMMIT/FILE         a link to a file named by its ETag
    <Hugging Face>/models--OWNER--NAME/.no_exist/COMMIT/FILE         the repository has no such file
    <Kaggle>/models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION/...      the files
    <Kaggle>/models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION.complete all of them are there
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from headstart.backbones.fetch import hf
from headstart.backbones.fetch.contents import files_in
from headstart.backbones.fetch.handles import COMMIT, Handle
from headstart.backbones.graph.files import external
from headstart.disk.hashes import sha256
from headstart.disk.home import offline

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Cached:
    """A complete model in another package's cache.

    Attributes:
        handle: pinned.
        folder: where its files are.
        files: their paths below `folder`, with `/`.
    """

    handle: Handle
    folder: Path
    files: tuple[str, ...]


def find(handle: Handle) -> Cached | None:
    """The files of a handle, if all of them are there and sound.

    A Hugging Face handle without a file is found only if `onnx/model.onnx` is there: a cache that holds some of a
    repository's files does not show which file the repository prefers. A Kaggle handle without a version means the
    newest one, which only the server knows: it is found only offline.
    """
    try:
        if handle.kind == "hf":
            return _hugging_face(handle)
        return _kaggle(handle) if handle.kind == "kaggle" else None
    except (OSError, ValueError):  # the cache cannot be read, or is being cleaned
        return None


def _hugging_face(handle: Handle) -> Cached | None:
    repository = _hugging_face_folder() / f"models--{handle.place.replace('/', '--')}"
    commit = handle.version
    if not COMMIT.fullmatch(commit):
        commit = (repository / "refs" / (commit or "main")).read_text("utf-8").strip()
    file = handle.file or hf.PREFERRED[0]
    snapshot = repository / "snapshots" / commit
    if not COMMIT.fullmatch(commit) or not (snapshot / file).is_file():
        return None
    # What feeds the model is part of it. The file may be missing because it was never asked for.
    card = hf.CARDS[0]
    places = (snapshot / card, (snapshot / file).with_name(card), repository / ".no_exist" / commit / card)
    if not any(path.is_file() for path in places):
        return None
    files = tuple(name for name in files_in(snapshot) if name == file or hf.belongs(name, file))
    if not all(_is_sound(snapshot / name) for name in files) or not _has_all_weights(snapshot, file, files):
        return None
    return Cached(handle.resolved(commit, file), snapshot, files)


def _has_all_weights(snapshot: Path, file: str, files: tuple[str, ...]) -> bool:
    if not file.lower().endswith(".onnx"):
        return True
    return {Path(os.path.relpath(path, snapshot)).as_posix() for path in external(snapshot / file)} <= set(files)


def _is_sound(path: Path) -> bool:
    """Whether a file has the hash that it is named by: large files have their SHA-256 as ETag."""
    name = path.resolve().name
    return not _SHA256.fullmatch(name) or sha256(path) == name


def _hugging_face_folder() -> Path:
    for variable, below in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ):
        if chosen := os.environ.get(variable):
            return Path(os.path.expandvars(chosen)).expanduser() / below
    return Path.home() / ".cache" / "huggingface" / "hub"


def _kaggle(handle: Handle) -> Cached | None:
    chosen = os.environ.get("KAGGLEHUB_CACHE")
    cache = Path(chosen) if chosen else Path.home() / ".cache" / "kagglehub"
    models = cache / "models" / handle.place
    versions = [handle.version] if handle.version else []
    if not versions and offline():
        versions = [path.stem for path in models.glob("*.complete") if re.fullmatch(r"[1-9]\d*", path.stem)]
    complete = [name for name in versions if (models / f"{name}.complete").is_file() and (models / name).is_dir()]
    if not complete:
        return None
    folder = models / max(complete, key=int)
    return Cached(handle.resolved(folder.name), folder, tuple(files_in(folder)))
