"""Hints from the files that come with a model: TFLite metadata, `preprocessor_config.json`, `config.json`.

A TFLite file is a flatbuffer (https://flatbuffers.dev/internals); its metadata are another one inside it, with the
schema of TensorFlow Lite Support (`metadata_schema.fbs`), and its label list is in a zip archive appended to it.
"""

from __future__ import annotations

import io
import json
import math
import mmap
import struct
import zipfile
from pathlib import Path
from typing import Any

from headstart.backbones.formats import Format
from headstart.backbones.hints import Hints, ModelKind
from headstart.backbones.ranges.feeds import Channels, Feed, Triple
from headstart.errors import BackboneError, reason


def hints_of(path: Path, kind: Format, top: Path | None = None) -> Hints:
    """Hints from a model's own files; empty if there are none.

    Args:
        top: topmost folder that belongs to it; None: its own, and the one above a folder called `onnx`.

    Raises:
        BackboneError: such a file cannot be read.
    """
    if kind == "tflite":
        return _tflite(path)
    return _hugging_face(path, top) if kind == "onnx" else Hints()


# --- TFLite ---

_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
#: Maximum size of the label list in bytes (ImageNet-21k's has 600,000), and the last bytes of the file, which have it.
_LABELS, _TAIL = 10_000_000, 20_000_000
#: Maximum number of tables in a vector (there is one for each tensor), and bytes of a text.
_TABLES, _TEXT = 100_000, 100_000
#: Maximum size in bytes of the JSON files next to an ONNX file, and pixels of a picture's side.
_JSON, _LARGEST_SIDE = 10_000_000, 10_000
_NORMALISATION = 1  # ProcessUnitOptions.NormalizationOptions


def _tflite(path: Path) -> Hints:
    if not path.stat().st_size:
        raise BackboneError(f"The TFLite file {path} is damaged: it is empty.\nDownload it again.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            feed, licence = _described(data)
        except (struct.error, IndexError, ValueError) as error:
            raise BackboneError(f"The TFLite file {path} is damaged: {reason(error)}.\nDownload it again.") from error
        return Hints(feed=feed, labels=_tflite_labels(data[-_TAIL:], path), licence=licence)


def _described(data: bytes | mmap.mmap) -> tuple[Feed | None, str]:
    """Input range and licence from the metadata; None and empty if there are none."""
    model = _Table(data, struct.unpack_from("<I", data)[0])
    for entry in model.tables(_MODEL_METADATA):
        if entry.text(0) != "TFLITE_METADATA":
            continue
        blob = model.tables(_MODEL_BUFFERS)[entry.number(1, "<I")].blob(0, _TAIL)
        about = _Table(blob, struct.unpack_from("<I", blob)[0])
        licence = " ".join(about.text(5).split())[:80]
        for tensor in [t for graph in about.tables(3)[:1] for t in graph.tables(2)[:1]]:
            for unit in tensor.tables(4):
                options = unit.table(1)
                if unit.number(0, "<B") == _NORMALISATION and options is not None:
                    return _range(_triple(options.floats(0)), _triple(options.floats(1))), licence
        return None, licence
    return None, ""


def _tflite_labels(tail: bytes, path: Path) -> tuple[str, ...]:
    """The label list in the zip archive at the end of a TFLite file; `tail`: its last bytes."""
    try:
        if not zipfile.is_zipfile(io.BytesIO(tail)):
            return ()
        with zipfile.ZipFile(io.BytesIO(tail)) as archive:
            found = [f for f in archive.infolist() if "label" in f.filename.lower() and f.filename.endswith(".txt")]
            if len(found) != 1:
                return ()
            if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Metadata writers use no other method, and zipfile unpacks others without a limit.
                raise ValueError("they are neither stored nor deflated")
            with archive.open(found[0]) as file:
                text = file.read(_LABELS + 1)
            if len(text) > _LABELS:
                raise ValueError(f"they unpack to more than {_LABELS:,} bytes")
            return tuple(text.decode().splitlines())
    except Exception as error:  # zipfile raises whatever its decompressors and parsers raise
        raise BackboneError(f"The labels in {path} cannot be read: {reason(error)}.\nDownload it again.") from error


class _Table:
    """A table of a flatbuffer: fields by number; a missing field has its default value."""

    def __init__(self, data: bytes | mmap.mmap, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._read("<i", at)

    def number(self, field: int, form: str) -> int:
        at = self._field(field)
        return 0 if at is None else int(self._read(form, at))

    def text(self, field: int) -> str:
        return self.blob(field).decode()

    def blob(self, field: int, most: int = _TEXT) -> bytes:
        start, count = self._vector(field)
        if start + count > len(self._data) or count > most:
            raise IndexError("a text is too long, or ends outside the file")
        return self._data[start : start + count]

    def floats(self, field: int) -> tuple[float, ...]:
        start, count = self._vector(field)
        if count > 3:
            raise IndexError("it has more numbers than channels")
        return struct.unpack_from(f"<{count}f", self._data, start)

    def table(self, field: int) -> _Table | None:
        at = self._field(field)
        return None if at is None else _Table(self._data, at + self._read("<I", at))

    def tables(self, field: int) -> list[_Table]:
        start, count = self._vector(field)
        if count > _TABLES:
            raise IndexError("it has too many tables")
        places = range(start, start + 4 * count, 4)
        return [_Table(self._data, at + self._read("<I", at)) for at in places]

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._field(field)
        if at is None:
            return 0, 0
        start = at + self._read("<I", at)
        return start + 4, self._read("<I", start)

    def _field(self, field: int) -> int | None:
        place = 4 + 2 * field
        if place >= self._read("<H", self._fields):
            return None
        offset = self._read("<H", self._fields + place)
        return self._at + offset if offset else None

    def _read(self, form: str, at: int) -> int:
        if at < 0:
            raise IndexError("an offset points outside the file")
        return int(struct.unpack_from(form, self._data, at)[0])


# --- Hugging Face ---


def _hugging_face(path: Path, top: Path | None) -> Hints:
    """`preprocessor_config.json` and `config.json` beside the ONNX file, or above it up to `top`."""
    folders = [path.parent]
    if top is not None:
        folders += [folder for folder in path.parents[1:] if folder == top or top in folder.parents]
    elif path.parent.name == "onnx":
        folders.append(path.parent.parent)
    pre, config = (
        next((found for folder in folders if (found := _json(folder / name))), {})
        for name in ("preprocessor_config.json", "config.json")
    )
    try:
        names = config.get("id2label") or {}
        labels = tuple(_words(names[str(i)]) for i in range(len(names)))
        architecture = " ".join(config.get("architectures") or [])
        kind: ModelKind | None = "classification" if "Classification" in architecture else None
        size, crop = _size(pre)
        return Hints(_feed(pre), size, crop, labels, kind, _words(config.get("license") or ""))
    except Exception as error:  # any field may have any type
        raise BackboneError(
            f"The files preprocessor_config.json and config.json beside {path} cannot be used: "
            f"{type(error).__name__}, {reason(error)}.\n"
            "Expected them as Hugging Face's image processors write them. Pass --input-range, and move them away."
        ) from error


def _feed(pre: dict[str, Any]) -> Feed | None:
    """`(x * rescale_factor - image_mean) / image_std`, each step only if it is configured, in units of `0..255`."""
    if not ({"do_normalize", "do_rescale", "image_mean"} & set(pre)):
        return None
    if pre.get("rescale_offset") or pre.get("include_top"):
        return None  # EfficientNet's processor shifts after scaling, and scales twice: the range must be probed
    factor = float(pre.get("rescale_factor", 1 / 255)) if pre.get("do_rescale", True) else 1.0
    mean, scale = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if pre.get("do_normalize", "image_mean" in pre):
        mean, scale = _triple(pre["image_mean"]), _triple(pre["image_std"])
    channels: Channels = "BGR" if pre.get("do_flip_channel_order") else "RGB"
    return _range(_triple(round(m / factor, 6) for m in mean), _triple(round(s / factor, 6) for s in scale), channels)


def _size(pre: dict[str, Any]) -> tuple[tuple[int, int] | None, float | None]:
    """Input size, and the fraction of the shorter side that the model's centre crop keeps."""

    def pair(value: Any) -> tuple[int, int] | None:
        if isinstance(value, dict):
            side = value.get("shortest_edge")
            sides = (int(side), int(side)) if side else (int(value["height"]), int(value["width"]))
        elif value:
            sides = int(value), int(value)
        else:
            return None
        if not all(1 <= side <= _LARGEST_SIDE for side in sides):
            raise ValueError(f"pictures of {sides[0]}x{sides[1]}")
        return sides

    resized, cropped = pair(pre.get("size")), pair(pre.get("crop_size"))
    if pre.get("do_center_crop") and cropped:
        return cropped, min(1.0, cropped[0] / resized[0]) if resized else None
    share = float(pre.get("crop_pct") or 1)
    if not 0.1 <= share <= 1:
        raise ValueError(f"a crop to {share} of the picture")
    return resized, share if pre.get("crop_pct") else None


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            data = file.read(_JSON + 1)
        if len(data) > _JSON:
            raise ValueError(f"it has more than {_JSON:,} bytes")
        read = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise BackboneError(
            f"{path} cannot be read: {reason(error)}.\nDownload it again, or pass --input-range."
        ) from error
    return read if isinstance(read, dict) else {}


def _words(value: Any) -> str:
    """A string that can be encoded: JSON can contain half of a character."""
    return str(value).encode("utf-8", "replace").decode()


def _range(mean: Triple, scale: Triple, channels: Channels = "RGB") -> Feed:
    if 0 in scale or not all(map(math.isfinite, (*mean, *scale))):
        raise ValueError(f"no pixel can be (x - {mean}) / {scale}")
    return Feed(mean, scale, channels, "metadata")


def _triple(numbers: Any) -> Triple:
    values = tuple(float(x) for x in numbers)
    if len(values) == 1:
        values *= 3
    red, green, blue = values
    return red, green, blue
