"""A saved classifier: a folder with `headstart.json` and `head.safetensors`. Data, never code.

Both files are checked to the last byte on reading: the JSON must be exactly what we would write, and carries the
SHA-256 of itself (without that line) and of the arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.errors import BundleError
from headstart.heads.head import Arrays
from headstart.printable import show

FORMAT = 1
_MANIFEST = "headstart.json"
_ARRAYS = "head.safetensors"


def check_target(folder: str | Path, overwrite: bool = False) -> None:
    """Can a classifier be saved here? Asked before the work, so that nothing is lost after it.

    Raises:
        BundleError: there is something already (other than a bundle, and only it, that may be overwritten), or the
            folder above is missing or not writable.
    """
    path = Path(folder).absolute()
    if os.path.lexists(path):
        if not _is_bundle(path):
            raise BundleError(f"{folder} exists already.\nExpected a new folder. Choose another name, or remove it.")
        if not overwrite:
            raise BundleError(
                f"{folder} holds a saved classifier already.\nExpected a new folder. Choose another name, remove it, "
                "or replace it with --overwrite."
            )
        if extra := sorted(set(os.listdir(path)) - {_MANIFEST, _ARRAYS}):
            beside = ", ".join(map(show, extra))
            raise BundleError(f"{folder} holds more than a saved classifier: {beside}.\nIt is not replaced.")
    above = Path(os.path.realpath(path)).parent
    if len(os.fsencode(path.name)) > 200:
        raise BundleError(f"The name {path.name[:40]}... is too long.\nExpected at most 200 bytes.")
    if not os.path.isdir(above):
        raise BundleError(f"The folder {above} does not exist.\nExpected it: {path.name} is to be saved in it.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise BundleError(f"The folder {above} cannot be written to.\nChoose another place for {path.name}.")


def write(folder: str | Path, manifest: dict[str, Any], arrays: Arrays, overwrite: bool = False) -> None:
    """Save, whole or not at all.

    Args:
        folder: to be made.
        manifest: what JSON can hold; `format`, `files` and `sha256` are added.
        arrays: the head.
        overwrite: replace a bundle that is there. It is moved aside first (`.NAME.PID.old`) and back on failure.

    Raises:
        BundleError: as `check_target`, or the disk failed.
    """
    from safetensors.numpy import save

    check_target(folder, overwrite)
    target = Path(os.path.realpath(folder))
    data = save(arrays)
    manifest = {**manifest, "format": FORMAT, "files": {_ARRAYS: hashlib.sha256(data).hexdigest()}}
    manifest["sha256"] = hashlib.sha256(_canonical(manifest)).hexdigest()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        temporary.mkdir()
        (temporary / _ARRAYS).write_bytes(data)
        (temporary / _MANIFEST).write_bytes(_canonical(manifest))
        if os.path.lexists(target):
            target.rename(old)
        temporary.rename(target)
    except OSError as error:
        if old.exists() and not os.path.lexists(target):
            with suppress(OSError):  # it stays beside it, as `.NAME.PID.old`
                old.rename(target)
        shutil.rmtree(temporary, ignore_errors=True)
        raise BundleError(f"{folder} cannot be written: {error.strerror or error}.") from error
    shutil.rmtree(old, ignore_errors=True)


def read(folder: str | Path) -> tuple[dict[str, Any], Arrays]:
    """Read a saved classifier and check every byte of it.

    Raises:
        BundleError: it is missing, of a newer format, or not as it was saved.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(folder)
    if not _is_bundle(path):
        what = "is not a saved classifier" if os.path.exists(path) else "does not exist"
        raise BundleError(f"{path} {what}.\nExpected a folder that headstart saved, with {_MANIFEST} in it.")
    try:
        text = (path / _MANIFEST).read_bytes()
        data = (path / _ARRAYS).read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        manifest: dict[str, Any] = json.loads(text)
        if manifest["format"] > FORMAT:
            raise BundleError(
                f"{path} has format {manifest['format']}; this version reads up to {FORMAT}.\n"
                "Update headstart: pip install --upgrade headstart"
            )
        without = {name: value for name, value in manifest.items() if name != "sha256"}
        sound = _canonical(manifest) == text and hashlib.sha256(_canonical(without)).hexdigest() == manifest["sha256"]
        sound = sound and hashlib.sha256(data).hexdigest() == manifest["files"][_ARRAYS]
        arrays: Arrays = load(data) if sound else {}
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise _changed(path) from error
    if not sound:
        raise _changed(path)
    return manifest, arrays


def _is_bundle(path: Path) -> bool:
    return os.path.isfile(path / _MANIFEST)


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def _changed(path: Path) -> BundleError:
    return BundleError(
        f"{path} is not as it was saved: its checksums do not hold.\nExpected the files that headstart wrote. Copy "
        "it again from where it came, or train anew."
    )
