"""A saved classifier: a folder with `headstart.json` and `head.safetensors`. Data, never code.

Both files are checked to the last byte on reading: the JSON must be exactly what we would write, and carries the
SHA-256 of itself (without that line) and of the arrays. That finds damage, not malice: whoever changes a bundle can
write the hashes anew. So its files have limits here, and `saved` checks their content.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from headstart.disk import atomic
from headstart.errors import BundleError
from headstart.heads.head import Arrays
from headstart.safety import untrusted
from headstart.safety.printable import show

#: What this version reads and writes: 2 with training photos, 3 with a joined backbone; readers of earlier ones refuse.
PLAIN, WITH_PHOTOS, FORMAT = 1, 2, 3
_MANIFEST = "headstart.json"
_ARRAYS = "head.safetensors"
FILES = (_MANIFEST, _ARRAYS)
#: Bytes of each file. The confusion matrix of 4,000 classes is 256 MB of JSON; neighbours of a million photos are 4 GB.
MOST_MANIFEST, MOST_HEAD = 2**28, 2**32 + 2**28
_MOST = {_MANIFEST: MOST_MANIFEST, _ARRAYS: MOST_HEAD}
#: Bytes of the header of the arrays: names, types and shapes; ours have about 600.
LONGEST_HEADER = 2**16
#: How deep the JSON may be: what we write is 6 deep. It is indented by two spaces a level.
DEEPEST = 20


def check_target(folder: str | Path, overwrite: bool = False) -> None:
    """Check that a classifier can be saved here, before the work, so that nothing is lost after it.

    Raises:
        BundleError: there is something already (other than a bundle, and only it, that may be overwritten), or the
            folder above is missing or not writable.
    """
    path = _named(folder).absolute()
    if os.path.lexists(path):
        if not _is_bundle(path):
            raise BundleError(f"{folder} exists already.\nExpected a new folder. Choose another name, or remove it.")
        if not overwrite:
            raise BundleError(
                f"{folder} holds a saved classifier already.\nExpected a new folder. Choose another name, remove it, "
                "or replace it: --overwrite (in Python: overwrite=True)."
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
        manifest: what JSON can hold; `files`, `sha256` and, unless it is there, `format` are added.
        arrays: the head.
        overwrite: replace a bundle that is there, in one step.

    Raises:
        BundleError: as `check_target`, or the disk failed.
    """
    from safetensors.numpy import save

    check_target(folder, overwrite)
    target = Path(os.path.realpath(folder))
    data = save(arrays)
    manifest = {"format": FORMAT, **manifest, "files": {_ARRAYS: hashlib.sha256(data).hexdigest()}}
    manifest["sha256"] = hashlib.sha256(_canonical(manifest)).hexdigest()
    text = _canonical(manifest)
    if len(data) > _MOST[_ARRAYS] or len(text) > _MOST[_MANIFEST]:
        raise BundleError(f"{folder} would be larger than can be read back: {len(data):,} and {len(text):,} bytes.")
    temporary = atomic.beside(target)
    try:
        temporary.mkdir()
        atomic.write(temporary / _ARRAYS, data)
        atomic.write(temporary / _MANIFEST, text)
        atomic.install(temporary, target)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read(folder: str | Path) -> tuple[dict[str, Any], Arrays]:
    """Read a saved classifier and check every byte of it.

    Raises:
        BundleError: it is missing, no plain file, too large, of a newer format, or not as it was saved.
    """
    path = _named(folder)
    if not _is_bundle(path):
        what = "is not a saved classifier" if os.path.exists(path) else "does not exist"
        raise BundleError(f"{path} {what}.\nExpected a folder that headstart saved, with {_MANIFEST} in it.")
    text = _read(path, _MANIFEST)
    try:
        manifest: dict[str, Any] = json.loads(text, parse_constant=_refuse)
        if untrusted.whole(1, 10**9)(manifest["format"]) > FORMAT:
            raise BundleError(
                f"{path} has format {manifest['format']}; this version reads up to {FORMAT}.\n"
                "Update headstart: pip install --upgrade headstart"
            )
        without = {name: value for name, value in manifest.items() if name != "sha256"}
        sound = _canonical(manifest) == text and hashlib.sha256(_canonical(without)).hexdigest() == manifest["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise _changed(path) from error
    if not sound or b"\n" + 2 * (DEEPEST + 1) * b" " in text:
        raise _changed(path)
    data = _read(path, _ARRAYS)
    if manifest.get("files") != {_ARRAYS: hashlib.sha256(data).hexdigest()}:
        raise _changed(path)
    return manifest, _arrays(path, data)


def _read(path: Path, name: str) -> bytes:
    try:
        return untrusted.read_bytes(path / name, _MOST[name])
    except ValueError as error:
        raise BundleError(f"{path / name} {error}.\nExpected the file that headstart wrote.") from error
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error


def _arrays(path: Path, data: bytes) -> Arrays:
    from safetensors.numpy import load

    if int.from_bytes(data[:8], "little") > LONGEST_HEADER:
        raise _changed(path)
    try:
        return load(data)
    except Exception as error:  # a header that strangers wrote can make the library and NumPy raise anything
        raise _changed(path) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _named(folder: str | Path) -> Path:
    if not os.fspath(folder):  # it would mean the working folder
        raise BundleError("The path of the classifier is empty.\nExpected its folder.")
    return Path(folder)


def _is_bundle(path: Path) -> bool:
    return os.path.isfile(path / _MANIFEST)


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def _changed(path: Path) -> BundleError:
    return BundleError(
        f"{path} is not as it was saved: its checksums do not match.\nExpected the files that headstart wrote. Copy "
        "it again from where it came, or train it again."
    )
