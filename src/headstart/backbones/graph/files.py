"""Network files: of which kind one is, which bytes its vectors depend on, and how OpenVINO reads it."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from pathlib import Path
from typing import Any

from headstart.backbones.formats import EXTENSIONS, READABLE, Format
from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.errors import BackboneError, reason
from headstart.safety.printable import show

#: These OpenVINO cannot read; TensorFlow converts them once.
FOREIGN: tuple[Format, ...] = ("keras", "tf1hub")
#: Bytes that a network may have; the largest image models of TensorFlow Hub are about 5 GB.
LARGEST = 20_000_000_000
#: Files that an ONNX file may name: exporters write at most one for each tensor.
_MOST_FILES = 10_000


class UnreadableError(BackboneError):
    """OpenVINO cannot read a network; TensorFlow perhaps can."""


def format_of(path: Path) -> Format:
    """Which kind of network lies there.

    Raises:
        BackboneError: nothing does, or nothing that we know.
    """
    if path.is_dir():
        if (path / "tfhub_module.pb").is_file():
            return "tf1hub"
        if (path / "saved_model.pb").is_file():
            return "savedmodel"
        held = ", ".join(map(show, sorted(os.listdir(path))[:8])) or "nothing"
        raise BackboneError(f"The folder {path} holds no SavedModel.\nExpected saved_model.pb in it; it holds {held}.")
    if not path.exists():
        raise BackboneError(f"There is no network {path}.\nExpected {READABLE}.")
    try:
        kind = EXTENSIONS[path.suffix.lower()]
    except KeyError:
        raise BackboneError(f"{path} is not a kind of network that is known.\nExpected {READABLE}.") from None
    if not path.is_file():
        raise BackboneError(f"{path} is a pipe or a device, not a file.\nExpected {READABLE}.")
    return kind


def parts(path: Path) -> tuple[Path, ...]:
    """The files that the vectors depend on, in a fixed order.

    A SavedModel's graph and variables; an OpenVINO graph and its `.bin`; an ONNX file and those beside it that it
    names, where exporters put large weights.

    Raises:
        BackboneError: see `format_of`; or an ONNX file names thousands of others. OSError: it cannot be read.
    """
    kind = format_of(path)
    if kind in ("savedmodel", "tf1hub"):
        inside = [path / "saved_model.pb", path / "tfhub_module.pb", *sorted((path / "variables").glob("*"))]
        return tuple(file for file in inside if file.is_file())
    if kind == "openvino":
        return tuple(file for file in (path, path.with_suffix(".bin")) if file.is_file())
    return (path, *filter(Path.is_file, external(path))) if kind == "onnx" else (path,)


def external(path: Path) -> list[Path]:
    """The files in which an ONNX file keeps tensors, there or not: pairs of the key "location" and a relative path.

    https://github.com/onnx/onnx/blob/main/docs/ExternalData.md; the pair is a `StringStringEntryProto`.
    """
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            found = re.finditer(rb"\n\x08location\x12([\x80-\xff]?[\x00-\x7f])", text)
            spans = ((match.end(), sum((byte & 127) << 7 * i for i, byte in enumerate(match[1]))) for match in found)
            names: set[bytes] = set()
            for start, count in spans:
                if len(names) <= _MOST_FILES:
                    names.add(bytes(text[start : start + count]))
    if len(names) > _MOST_FILES:
        raise BackboneError(f"{path} names more than {_MOST_FILES:,} files of weights.\nExpected fewer.")
    return [path.parent / os.fsdecode(name) for name in sorted(names) if b"\x00" not in name]


def weights_hash(path: Path) -> str:
    """SHA-256 (hex) of one file; of several, of their names and hashes.

    Raises:
        BackboneError: see `format_of`; or a file cannot be read, or they are too large.
    """
    try:
        files = parts(path)
        size = sum(file.stat().st_size for file in files)
        if size > LARGEST:
            raise BackboneError(
                f"{path} has {size / 1e9:,.1f} GB.\nExpected a network of {LARGEST / 1e9:g} GB at most."
            )
        digests = [_sha256(file) for file in files]
    except OSError as error:
        raise BackboneError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if len(files) == 1:
        return digests[0]
    base = path if path.is_dir() else path.parent
    # An OpenVINO graph and an ONNX file may be renamed together with what belongs to them.
    names = [str(file.relative_to(base).as_posix()) if path.is_dir() else file.suffix for file in files]
    return hashlib.sha256("".join(f"{d} {n}\n" for d, n in zip(digests, names, strict=True)).encode()).hexdigest()


def read(path: Path, handle: str) -> Any:
    """The graph, an `openvino.Model`.

    Raises:
        UnreadableError: OpenVINO cannot read it.
        MemoryError: it takes more than there is.
    """
    try:
        return engine().Core().read_model(path)
    except MemoryError:
        raise
    except Exception as error:  # of many kinds: UnicodeDecodeError, if its message is no UTF-8
        raise UnreadableError(
            f"{handle} cannot be read by OpenVINO: {reason(error)}\nExpected a network without training parts, saved "
            "whole. Save or download it again."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
