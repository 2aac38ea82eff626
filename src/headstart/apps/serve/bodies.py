"""The body of a request -> photos: a form with files, the bytes of one photo, or JSON with base64.

Bodies come from anyone. JSON of many small parts would take a hundred times its size in memory, so parts are counted
before it is read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from headstart.apps.serve.batching import Photo
from headstart.safety.printable import show

#: Commas and brackets of a JSON body: numbers of a tensor, and lists in it.
_MOST_NUMBERS, _MOST_LISTS = 2_500_000, 200_000
_FIELDS = ("image", "images", "file", "inputs")
_MOST_FIELDS = 20


@dataclass(frozen=True)
class Sent:
    """What a request asks for.

    Attributes:
        photos: to predict.
        many: whether they came as a list: then the answer is one, too.
        top: how many classes to answer; None: not stated.
    """

    photos: list[Photo]
    many: bool
    top: int | None = None


def wrong(what: str, status: int = 400) -> HTTPException:
    """The error for a request that cannot be understood."""
    return HTTPException(status, what)


def read(content_type: str, body: bytes, most: int) -> Sent:
    """Find the photos in a body.

    Args:
        content_type: of the request.
        body: of the request.
        most: photos that one request may have.

    Raises:
        HTTPException: 400: the body is not what its type promises; 413: there are too many photos; 415: the type is
            none of those that are read.
    """
    kind, options = parse_options_header(content_type)
    name = kind.decode("latin-1").lower()
    if name == "multipart/form-data":
        sent = _form(options.get(b"boundary", b""), body, most)
    elif name == "application/json":
        sent = _document(parse_json(body))
    elif name.startswith("image/") or name in ("", "application/octet-stream"):
        sent = Sent([body], many=False)
    else:
        raise wrong(
            f"The body is of the type {show(name)}. Expected multipart/form-data with a file 'image', image/*, "
            "application/octet-stream, or application/json with base64.",
            415,
        )
    check_count(len(sent.photos), most)
    return sent


def check_count(photos: int, most: int) -> None:
    """Check the number of photos of a request.

    Raises:
        HTTPException: there are none, or too many.
    """
    if not photos:
        raise wrong("The request has no photo. Expected a file in the field 'image'.")
    if photos > most:
        raise wrong(f"The request has {photos:,} photos. Expected at most {most:,}.", 413)


def parse_json(body: bytes) -> Any:
    """A JSON document.

    Raises:
        HTTPException: it is not JSON, or has too many parts.
    """
    if body.count(b",") > _MOST_NUMBERS or body.count(b"[") + body.count(b"{") > _MOST_LISTS:
        raise wrong("The JSON has too many parts. Send photos as base64, tensors as binary.", 413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise wrong("The body is not JSON, which its Content-Type promises.") from error


def _form(boundary: bytes, body: bytes, most: int) -> Sent:
    """The files of a form, all in memory."""
    parts: list[tuple[dict[bytes, bytes], list[bytes]]] = []
    name, value = bytearray(), bytearray()
    ended: list[bool] = []

    def begin() -> None:
        if len(parts) > most + _MOST_FIELDS:
            raise wrong(f"The form has more than {most + _MOST_FIELDS} parts. Expected at most {most} photos.", 413)
        parts.append(({}, []))

    def end_header() -> None:
        parts[-1][0][bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_part_data": lambda data, start, end: parts[-1][1].append(data[start:end]),
                "on_header_field": lambda data, start, end: name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: value.extend(data[start:end]),
                "on_header_end": end_header,
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
    except FormParserError as error:
        raise wrong("The form cannot be read: its boundary is missing or wrong.") from error
    if not ended:
        raise wrong("The form is cut off: its last boundary is missing.")
    photos: list[Photo] = []
    top = None
    for headers, data in parts:
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        field = options.get(b"name", b"").decode("utf-8", "replace").removesuffix("[]")
        if field == "top":
            top = whole("top", b"".join(data).decode("latin-1"))
        elif field in _FIELDS or b"filename" in options:
            photos.append(b"".join(data))
        else:
            raise wrong(f"The form has a field '{show(field)[:100]}'. Expected files in the field 'image', and 'top'.")
    return Sent(photos, many=len(photos) > 1, top=top)


def _document(document: Any) -> Sent:
    """`{"inputs": base64 or a list of it, "parameters": {"top_k": 3}}`, as the Hugging Face API; or `image`, `top`."""
    fields = _object(document, "The JSON")
    given = [fields[name] for name in _FIELDS if name in fields]
    if len(given) != 1:
        raise wrong("The JSON has no photo, or two. Expected base64, or a list of it, in 'inputs' or 'image'.")
    parameters = _object(fields.get("parameters") or {}, "'parameters'")
    top = next((one for one in (fields.get("top"), parameters.get("top_k")) if one is not None), None)
    if top is not None:
        top = whole("top", str(top))
    many = isinstance(given[0], list)
    return Sent([from_base64(one) for one in (given[0] if many else [given[0]])], many, top)


def from_base64(text: Any) -> bytes:
    """The bytes of a photo from base64, with or without `data:image/jpeg;base64,` before it.

    Raises:
        HTTPException: it is not base64.
    """
    if not isinstance(text, str):
        raise wrong(f"A photo is given as {type(text).__name__}. Expected text: base64.")
    if text.startswith(("http://", "https://", "file:")):
        raise wrong("A photo is given as an address. Nothing is fetched; expected the photo itself as base64.")
    try:
        return base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong("A photo is not base64. Expected the bytes of its file as base64 (RFC 4648, section 4).") from error


def whole(name: str, text: str) -> int:
    """A whole number above 0 from a query, form or document.

    Raises:
        HTTPException: it is something else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise wrong(f"'{name}' is '{show(text)[:50]}'. Expected a whole number, 1 or more.")
    return int(text)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise wrong(f"{what} is {type(value).__name__}. Expected an object.")
    return value
