"""Protocol buffers' wire format, written: enough for model files, whose field numbers are facts of each format.

Source: the encoding described at https://protobuf.dev/programming-guides/encoding/. A message is the bytes of its
fields one after another, so fields are written by adding what these functions return.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable


def varint(number: int) -> bytes:
    """A whole number, seven bits a byte; negative ones as 64 bits."""
    number &= 2**64 - 1
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def whole(field: int, number: int) -> bytes:
    """A field of type int32, int64, uint32, uint64, bool or enum."""
    return varint(field << 3) + varint(number)


def data(field: int, content: bytes | str) -> bytes:
    """A field of type bytes, string or message."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def real(field: int, number: float) -> bytes:
    """A field of type float."""
    return varint(field << 3 | 5) + struct.pack("<f", number)


def wholes(field: int, numbers: Iterable[int]) -> bytes:
    """A repeated field of whole numbers, packed."""
    return data(field, b"".join(map(varint, numbers)))


def entry(field: int, key: str, value: bytes) -> bytes:
    """An entry of a map from strings to messages."""
    return data(field, data(1, key) + data(2, value))
