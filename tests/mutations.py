"""What a stranger may do to a saved classifier before signing it anew: values, arrays, bytes. All from a seed."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

Arrays = dict[str, np.ndarray]

_DEEP: Any = []
for _ in range(60):
    _DEEP = [_DEEP]
HOSTILE: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 255, 2**31, 2**63, 2**64, -(2**63), 10**400),
    *(0.0, -0.0, 0.5, 1.5, -1.5, 1e-320, 1e-9, 1e9, 1e38, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "x", "\0", "\n\x1b]0;title\a", "\u202e", "\ud800", "\udcff", "a" * 5000, "NaN", "float64", "auto", "1"),
    *("crop", "pad", "several", "BGR", "bfloat16", "assumed", "knn", "ridge", "logistic", "blue"),
    *("/dev/zero", "/dev/tty", "/", ".", "..", "~", "\\\\server\\share\\net.onnx", "//server/share/net.onnx"),
    *("hf:evil/net", "hf:evil/net:\u202e.onnx", "https://evil.example/net/1", "https://x/\udcff", "tfhub:evil/net/1"),
    *("kaggle:evil/net/tensorFlow2/x/1", "http://[::1", "builtin:efficientnet-lite0", "fake:other", "mobilenet_v2"),
    *([], {}, [1], ["a", "a"], ["red"], ["blue", "red", "green"], {"a": 1}, [0.0] * 3, [1e-30] * 3, ["1"] * 3, _DEEP),
]  # fmt: skip


def write(folder: Path, manifest: Any, data: bytes, signed: bool = True) -> Path:
    """Write a bundle whose hashes hold, as anyone can."""
    folder.mkdir(exist_ok=True)
    (folder / "head.safetensors").write_bytes(data)
    if signed and isinstance(manifest, dict):
        manifest = {name: value for name, value in manifest.items() if name != "sha256"}
        if "files" in manifest and manifest["files"] == {}:
            manifest["files"] = {"head.safetensors": hashlib.sha256(data).hexdigest()}
        manifest["sha256"] = hashlib.sha256(canonical(manifest)).hexdigest()
    (folder / "headstart.json").write_bytes(canonical(manifest))
    return folder


def canonical(manifest: Any) -> bytes:
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def mutated(manifest: dict[str, Any], arrays: Arrays, seed: int) -> tuple[Any, bytes]:
    """One to three changes of the manifest, of the arrays, or of the file of the arrays; `files` is empty: sign it."""
    rng = np.random.default_rng(seed)
    manifest, arrays = deepcopy({**manifest, "files": {}}), dict(arrays)
    data = None
    for _ in range(rng.integers(1, 4)):
        kind = rng.random()
        if kind < 0.55:
            manifest = _change_value(manifest, rng)
        elif kind < 0.9:
            _change_array(arrays, rng)
        else:
            data = _change_bytes(save(arrays), rng)
    return manifest, save(arrays) if data is None else data


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inside for place in _places(one, (*path, name)))]


def _change_value(manifest: Any, rng: np.random.Generator) -> Any:
    # What is for people only, `about`, would else take half of the changes.
    places = [place for place in _places(manifest) if place[:1] != ("about",) or rng.random() < 0.1]
    place = places[rng.integers(len(places))]
    value = deepcopy(HOSTILE[rng.integers(len(HOSTILE))])
    if not place:
        return value if rng.random() < 0.1 else manifest
    above = manifest
    for name in place[:-1]:
        above = above[name]
    action = rng.random()
    if action < 0.7:
        above[place[-1]] = value
    elif action < 0.8:
        del above[place[-1]]
    elif action < 0.9 and isinstance(above, dict):
        above[str(value)[:50]] = value
    else:
        other = manifest
        for name in places[rng.integers(len(places))]:
            other = other[name]
        above[place[-1]] = deepcopy(other)
    return manifest


_NUMBERS = (0, 1, -1, 1e-30, 1e10, 1e15, 1e19, 1e30, 3.4e38, -3.4e38, np.nan, np.inf, -np.inf, 2**31, -(2**63))
_TYPES = ("float32", "float64", "float16", "int64", "uint64", "int32", "uint8", "bool", "complex64")


def _change_array(arrays: Arrays, rng: np.random.Generator) -> None:
    if not arrays:
        return
    name = sorted(arrays)[rng.integers(len(arrays))]
    array = np.array(arrays[name])
    action = rng.integers(10)
    with np.errstate(all="ignore"):
        if action == 0:
            arrays[name] = array.astype(_TYPES[rng.integers(len(_TYPES))])
        elif action == 1:
            shapes = [(), (0,), (1,), (-1,), (1, -1), (-1, 1), (1, -1, 1)]
            shape = shapes[rng.integers(len(shapes))]
            fits = -1 in shape or np.prod(shape, dtype=int) == array.size
            arrays[name] = array.reshape(shape) if fits and array.size else np.zeros(np.abs(shape), array.dtype)
        elif action == 2:
            arrays[name] = np.ascontiguousarray(array[: rng.integers(len(array) + 1)] if array.ndim else array)
        elif action == 3:
            arrays[name] = np.concatenate([array, array]) if array.ndim else array
        elif action == 4:
            del arrays[name]
        elif action == 5:
            arrays[("x", "weights", "labels", "__metadata__", "n_classes")[rng.integers(5)]] = array
        elif action == 6:
            scaled = array.astype(np.float64) * _NUMBERS[rng.integers(len(_NUMBERS))]
            arrays[name] = np.asarray(scaled).astype(array.dtype)
        else:  # a number in one place, or in all
            number = np.full(1, _NUMBERS[rng.integers(len(_NUMBERS))])
            flat = array.reshape(-1)
            where = slice(None) if action == 7 or not len(flat) else rng.integers(len(flat))
            flat[where] = number.astype(array.dtype)[0]
            arrays[name] = array


def _change_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    header = 8 + int.from_bytes(data[:8], "little")
    action = rng.integers(5)
    if action == 0:
        changed[:8] = int(rng.choice([0, 1, header, 2**16 + 1, 2**40, 2**63])).to_bytes(8, "little")
    elif action == 1:
        return bytes(changed[: rng.integers(len(changed))])
    elif action == 2:
        text = bytes(changed[8:header])
        news = (b"F64", b"BF16", b"F8_E4M3", b"U64", b"BOOL", b"C64", b"F4")
        changed[8:header] = text.replace(b"F32", news[rng.integers(len(news))])
        changed[:8] = (len(changed) - len(data) + header - 8).to_bytes(8, "little")
    else:
        for _ in range(rng.integers(1, 5)):
            changed[rng.integers(header if action == 3 else len(changed))] = rng.integers(256)
    return bytes(changed)
