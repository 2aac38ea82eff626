"""Model files: their formats, the bytes that their vectors depend on, and the hash of these."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from pathlib import Path

from headstart.backbones.formats import EXTENSIONS, READABLE, Format
from headstart.disk.hashes import sha256
from headstart.errors import BackboneError
from headstart.safety.printable import show

#: Formats that OpenVINO cannot read; TensorFlow converts them once.
FOREIGN: tuple[Format, ...] = ("keras", "tf1hub")
#: Maximum size of a model in bytes; the largest image models of TensorFlow Hub have about 5 GB.
LARGEST = 20_000_000_000
#: Maximum number of files that an ONNX file refers to: exporters write at most one for each tensor.
_MOST_FILES = 10_000


def format_of(path: Path) -> Format:
    """The format of the model at a path.

    Raises:
        BackboneError: there is no file, or its format is not known.
    """
    if path.is_dir():
        if (path / "tfhub_module.pb").is_file():
            return "tf1hub"
        if (path / "saved_model.pb").is_file():
            return "savedmodel"
        names = ", ".join(map(show, sorted(os.listdir(path))[:8])) or "nothing"
        raise BackboneError(
            f"The folder {path} contains no SavedModel.\nExpected saved_model.pb in it; it contains {names}."
        )
    if not path.exists():
        raise BackboneError(f"There is no model {path}.\nExpected {READABLE}.")
    kind = EXTENSIONS.get(path.suffix.lower())
    if kind is None:
        raise BackboneError(f"{path} is not a model of a known format.\nExpected {READABLE}.")
    if not path.is_file():
        raise BackboneError(f"{path} is a pipe or a device, not a file.\nExpected {READABLE}.")
    return kind


def parts(path: Path) -> tuple[Path, ...]:
    """The files that the vectors depend on, in a fixed order.

    A SavedModel's graph and variables; an OpenVINO graph and its `.bin`; an ONNX file and the files that it refers to,
    which have large weights.

    Raises:
        BackboneError: see `format_of`; or an ONNX file refers to thousands of others. OSError: it cannot be read.
    """
    kind = format_of(path)
    if kind in ("savedmodel", "tf1hub"):
        inside = [path / "saved_model.pb", path / "tfhub_module.pb", *sorted((path / "variables").glob("*"))]
        return tuple(file for file in inside if file.is_file())
    if kind == "openvino":
        return tuple(file for file in (path, path.with_suffix(".bin")) if file.is_file())
    return (path, *filter(Path.is_file, external(path))) if kind == "onnx" else (path,)


def external(path: Path) -> list[Path]:
    """The files that an ONNX file keeps tensors in, whether they exist or not.

    Each is a pair of the key "location" and a path relative to the file.

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
        raise BackboneError(f"{path} refers to more than {_MOST_FILES:,} files of weights.\nExpected fewer.")
    return [path.parent / os.fsdecode(name) for name in sorted(names) if b"\x00" not in name]


def size(path: Path) -> int:
    """Bytes of all `parts`."""
    return sum(file.stat().st_size for file in parts(path))


def weights_hash(path: Path) -> str:
    """SHA-256 (hex) of the file, or of the names and hashes of several.

    Raises:
        BackboneError: see `format_of`; or a file cannot be read, or the files are too large.
    """
    try:
        files = parts(path)
        gigabytes = sum(file.stat().st_size for file in files) / 1e9
        if gigabytes > LARGEST / 1e9:
            raise BackboneError(f"{path} has {gigabytes:,.1f} GB.\nExpected a model of at most {LARGEST / 1e9:g} GB.")
        digests = [sha256(file) for file in files]
    except OSError as error:
        raise BackboneError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if len(files) == 1:
        return digests[0]
    base = path if path.is_dir() else path.parent
    # An OpenVINO graph or ONNX file may be renamed together with the files that belong to it.
    names = [str(file.relative_to(base).as_posix()) if path.is_dir() else file.suffix for file in files]
    return hashlib.sha256("".join(f"{d} {n}\n" for d, n in zip(digests, names, strict=True)).encode()).hexdigest()
