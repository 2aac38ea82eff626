"""Feature vectors as a file for other programs: `.parquet`, `.npz` or `.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headstart.disk.atomic import check_replaceable, replacing
from headstart.errors import DataError, MissingExtraError
from headstart.features.extraction import Features
from headstart.photos.spreadsheet import safe
from headstart.safety.printable import show

EXTENSIONS = (".parquet", ".npz", ".csv")


def check(path: Path) -> None:
    """Check, before any work, that a file of this name can be written.

    Raises:
        DataError: another extension, a folder, no such folder, or one that cannot be written.
        MissingExtraError: `.parquet` needs pyarrow.
    """
    if path.suffix.lower() not in EXTENSIONS:
        raise DataError(f"Vectors cannot be written to {show(path)}.\nExpected a name in .parquet, .npz or .csv.")
    if path.is_dir():
        raise DataError(f"{show(path)} is a folder.\nExpected the name of a file.")
    if not path.absolute().parent.is_dir():
        raise DataError(f"{show(path)} cannot be written: there is no folder {show(path.parent)}.\nCreate it first.")
    if path.suffix.lower() == ".parquet":
        _pyarrow()
    with _writing(path):
        check_replaceable(path)


def write(path: Path, found: Features, labels: Sequence[str] | None, backbone: str) -> None:
    """Write the vectors, one row for each photo; an existing file is replaced in one step.

    Parquet: columns `path`, `label` and `vector` (a list of `dim` float32). NPZ: arrays `paths`, `labels` and `vectors`
    (float32 `(m, dim)`). CSV: columns `path`, `label`, `f0` to `f<dim - 1>`, with the digits that give back each
    float32. Without labels there is no such column or array.

    Args:
        path: where to; its extension decides the format.
        found: m photos with their vectors.
        labels: class name of each of the m photos, if they are known.
        backbone: handle of the model, noted in `.parquet` and `.npz`.

    Raises:
        DataError: see `check`; the disk is full or read-only.
        MissingExtraError: `.parquet` needs pyarrow.
    """
    check(path)
    how = {".parquet": _parquet, ".npz": _npz, ".csv": _csv}[path.suffix.lower()]
    with _writing(path), replacing(path) as file:
        how(file, found, labels, backbone)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{show(path)} cannot be written: {error.strerror or error}.") from error


def _npz(file: BinaryIO, found: Features, labels: Sequence[str] | None, backbone: str) -> None:
    columns = {"paths": np.array(found.paths, np.str_), "vectors": found.vectors, "backbone": np.array(backbone)}
    if labels is not None:
        columns["labels"] = np.array(labels, np.str_)
    np.savez(file, **columns)  # type: ignore[arg-type]  # its stubs lack the case of many arrays


def _csv(file: BinaryIO, found: Features, labels: Sequence[str] | None, backbone: str) -> None:
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(text)
    known = [] if labels is None else [labels]
    dim = found.vectors.shape[1]
    writer.writerow(["path", *(["label"] if known else []), *(f"f{i}" for i in range(dim))])
    for path, *label, vector in zip(found.paths, *known, found.vectors, strict=True):
        writer.writerow([safe(path), *map(safe, label), *(np.format_float_positional(x, trim="0") for x in vector)])
    text.flush()
    text.detach()


def _parquet(file: BinaryIO, found: Features, labels: Sequence[str] | None, backbone: str) -> None:
    pyarrow, parquet = _pyarrow()
    vectors = pyarrow.FixedSizeListArray.from_arrays(found.vectors.ravel(), found.vectors.shape[1])
    columns = {"path": pyarrow.array(map(show, found.paths), pyarrow.string())}
    if labels is not None:
        columns["label"] = pyarrow.array(map(show, labels), pyarrow.string())
    table = pyarrow.table({**columns, "vector": vectors}).replace_schema_metadata({"backbone": backbone})
    parquet.write_table(table, file)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            f"A .parquet file needs pyarrow, which cannot be imported: {error}.\n"
            "Install it: pip install 'headstart[parquet]'. Or choose a name ending in .npz or .csv."
        ) from error
    return pyarrow, parquet
