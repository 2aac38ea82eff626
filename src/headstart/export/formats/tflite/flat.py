"""Flatbuffers: tables, vectors and strings, written from the inside out (https://flatbuffers.dev/internals)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["Bool", "Int8", "Uint8", "Int32", "Uint32", "Float32", "UOffsetTRelative"]
#: A field of a table: its number, what it holds, and the number itself or the offset of what was written before.
Field = tuple[int, Kind, Any]


def offset(number: int, written: int) -> Field:
    """A field that holds a table, a vector or a string."""
    return number, "UOffsetTRelative", written


class Flat:
    """A flatbuffer in the making; each method returns the offset of what it wrote.

    Args:
        size: about how many bytes it will have.
    """

    def __init__(self, size: int) -> None:
        import flatbuffers

        self._builder = flatbuffers.Builder(size)

    def table(self, *fields: Field) -> int:
        """A table. A field that is 0 is left out: 0 is the default of every field that is written here."""
        self._builder.StartObject(1 + max((number for number, _, _ in fields), default=-1))
        for number, kind, content in fields:
            getattr(self._builder, f"Prepend{kind}Slot")(number, content, 0)
        return int(self._builder.EndObject())

    def text(self, text: str) -> int:
        """A string."""
        return int(self._builder.CreateString(text))

    def vector(self, numbers: npt.NDArray[Any]) -> int:
        """A vector of numbers."""
        return int(self._builder.CreateNumpyVector(numbers.reshape(-1)))

    def wholes(self, numbers: Sequence[int]) -> int:
        """A vector of int32."""
        return self.vector(np.array(numbers, np.int32))

    def data(self, content: bytes) -> int:
        """A vector of bytes that starts at a multiple of 16, as the numbers of a tensor have to."""
        self._builder.StartVector(1, len(content), 16)
        head = self._builder.head = self._builder.Head() - len(content)
        self._builder.Bytes[head : head + len(content)] = content
        return int(self._builder.EndVector())

    def offsets(self, written: Sequence[int]) -> int:
        """A vector of tables or strings."""
        self._builder.StartVector(4, len(written), 4)
        for one in reversed(written):
            self._builder.PrependUOffsetTRelative(one)
        return int(self._builder.EndVector())

    def finished(self, root: int, identifier: bytes) -> bytes:
        """The whole flatbuffer, whose root is this table."""
        self._builder.Finish(root, identifier)
        return bytes(self._builder.Output())
