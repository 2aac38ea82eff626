"""The Open Inference Protocol, version 2, as KServe describes it: metadata, and `infer` with BYTES or UINT8 tensors.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from headstart.apps.serve.answering import Answer
from headstart.apps.serve.batching import Photo
from headstart.apps.serve.bodies import check_count, from_base64, parse_json, wrong
from headstart.classifier import bundle
from headstart.classifier.classifier import Classifier
from headstart.photos.pictures import Pixels
from headstart.report.html.short_paths import shortener

#: Bytes of a shape's product, above which it cannot be a body's.
_MOST_BYTES = 2**40


@dataclass(frozen=True)
class Request:
    """A request to infer: its number, if it has one, and its photos."""

    id: str | None
    photos: list[Photo]


def read(body: bytes, json_bytes: str | None, most: int) -> Request:
    """Read a request.

    Args:
        body: JSON, which binary tensors may follow.
        json_bytes: the header `Inference-Header-Content-Length`: bytes of the JSON, if binary tensors follow.
        most: photos that it may have.

    Raises:
        HTTPException: it is not as the protocol says, or has no or too many photos.
    """
    binary = b""
    if json_bytes is not None:
        if not (
            json_bytes.isascii() and json_bytes.isdigit() and len(json_bytes) < 10 and int(json_bytes) <= len(body)
        ):
            raise wrong("Inference-Header-Content-Length is not the length of the JSON before the tensors.")
        body, binary = body[: int(json_bytes)], body[int(json_bytes) :]
    document = parse_json(body)
    inputs = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise wrong("Expected 'inputs': a list of one tensor with name, shape, datatype and data.")
    number = document.get("id")
    if number is not None and not isinstance(number, str):
        raise wrong("'id' is not text.")
    return Request(number, _photos(inputs[0], binary, most))


def _photos(tensor: dict[str, Any], binary: bytes, most: int) -> list[Photo]:
    shape, kind, data = (tensor.get(name) for name in ("shape", "datatype", "data"))
    if not isinstance(shape, list) or not all(type(one) is int and one > 0 for one in shape) or not shape:
        raise wrong("'shape' is not a list of whole numbers above 0.")
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (type(size) is not int or size != len(binary)):
        raise wrong("'binary_data_size' is not the number of bytes that follow the JSON.")
    check_count(shape[0], most)
    if kind == "BYTES":
        if shape not in ([shape[0]], [shape[0], 1]):
            raise wrong("The shape of BYTES is not [n] or [n, 1].")
        texts = None if size is not None else np.array(data, object).ravel().tolist() if _is_flat(data) else None
        photos: list[Photo] = [*_elements(binary)] if size is not None else [from_base64(one) for one in texts or ()]
        if len(photos) != shape[0]:
            raise wrong(f"'data' has {len(photos)} elements. Expected {shape[0]}, as the shape says.")
        return photos
    if kind != "UINT8" or len(shape) != 4 or shape[3] != 3:
        raise wrong("Expected a tensor of the datatype BYTES, shape [n], or UINT8, shape [n, height, width, 3] (RGB).")
    expected = int(np.prod(shape, dtype=object))
    if size is not None and expected == len(binary):
        pixels = np.frombuffer(binary, np.uint8)
    elif size is None and expected < _MOST_BYTES:
        pixels = _numbers(data, shape, expected)
    else:
        raise wrong(f"The tensor has {len(binary):,} bytes. Expected {expected:,}, as the shape says.")
    return [Pixels(Image.fromarray(picture)) for picture in pixels.reshape(shape)]


def _is_flat(data: Any) -> bool:
    """Whether this is `[text, ...]` or `[[text], ...]`."""
    return isinstance(data, list) and (
        all(isinstance(one, str) for one in data)
        or all(isinstance(one, list) and len(one) == 1 and isinstance(one[0], str) for one in data)
    )


def _elements(binary: bytes) -> list[bytes]:
    """The elements of a BYTES tensor: each has its length before it, 4 bytes, little endian."""
    found: list[bytes] = []
    position = 0
    while position + 4 <= len(binary) and len(found) < len(binary) // 4:
        length = int.from_bytes(binary[position : position + 4], "little")
        found.append(binary[position + 4 : position + 4 + length])
        position += 4 + length
    if position != len(binary):
        raise wrong("The binary tensor is cut off: the lengths of its elements do not add up to its own.")
    return found


def _numbers(data: Any, shape: Sequence[int], expected: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The numbers of a tensor, flat or nested."""
    try:
        numbers = np.array(data)
        good = numbers.dtype.kind in "iu" and numbers.size == expected and numbers.min() >= 0 and numbers.max() < 256
    except (ValueError, OverflowError):
        good = False
    if not good or numbers.shape not in ((expected,), tuple(shape)):
        raise wrong(f"'data' is not {expected:,} whole numbers from 0 to 255, flat or nested as the shape says.")
    return numbers.astype(np.uint8)


def answer(name: str, request: Request, classes: Sequence[str], answers: Sequence[Answer]) -> dict[str, Any]:
    """The answer to a request: the probabilities, the most probable class, and what is unknown."""
    rows = [one.probabilities for one in answers]
    outputs = [
        _tensor("probabilities", "FP64", [len(rows), len(classes)], np.concatenate(rows).tolist()),
        _tensor("label", "BYTES", [len(rows)], [classes[int(row.argmax())] for row in rows]),
    ]
    if all(one.unknown is not None for one in answers):
        outputs.append(_tensor("unknown", "BOOL", [len(rows)], [one.unknown for one in answers]))
    document = {"model_name": name, "model_version": "1", "outputs": outputs}
    return document if request.id is None else {**document, "id": request.id}


def _tensor(name: str, kind: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": shape, "data": data}


def metadata(name: str, classifier: Classifier) -> dict[str, Any]:
    """What is known of a classifier, without paths of this machine."""
    short, k = shortener("", False), len(classifier.classes)
    outputs = [("probabilities", "FP64", [-1, k]), ("label", "BYTES", [-1])]
    if classifier.known is not None:
        outputs.append(("unknown", "BOOL", [-1]))
    about = classifier.about
    return {
        "name": name,
        "versions": ["1"],
        "platform": "headstart",
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": one, "datatype": kind, "shape": shape} for one, kind, shape in outputs],
        "classes": list(classifier.classes),
        "backbone": short(classifier.card.handle),
        "card": classifier.card.about(),
        "head": classifier.choice.to_json(),
        "recognises_unknown": classifier.known is not None,
        "trained_on": about.train,
        "measured_on": about.test,
        "evaluation": dict(about.evaluation),
        "format": bundle.FORMAT,
    }
