"""What a stranger may have written: files read within limits, values taken only if of the right type and range.

A saved classifier is handed on, and its checksums are no secret: whoever changes it writes new ones. So nothing in it
is believed before it was checked here. A check takes a value and returns it, or raises `ValueError` with the rest of a
sentence about it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Check = Callable[[Any], T]


def read_bytes(path: Path, most: int) -> bytes:
    """All of a regular file of at most `most` bytes.

    Raises:
        ValueError: it is something else (a pipe, a device, a folder) or larger; nothing of it was read.
        OSError: it is missing or cannot be read.
    """
    with open(path, "rb", opener=_at_once) as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("is not a regular file")
        if info.st_size > most:
            raise ValueError(f"has {info.st_size:,} bytes; at most {most:,} are read")
        try:
            return file.read(info.st_size)
        except MemoryError as error:
            raise ValueError(f"has {info.st_size:,} bytes, for which there is no memory") from error


def _at_once(path: str, flags: int) -> int:
    """Opening a pipe that nobody writes to would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def text(longest: int, shortest: int = 1) -> Check[str]:
    """A string that files, terminals and JSON can take: of such a length, with no zero byte and no half characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not shortest <= len(value) <= longest or "\0" in value:
            raise ValueError(f"{_shown(value)} is not a text of {shortest} to {longest:,} characters")
        value.encode("utf-8", "surrogateescape")  # a UnicodeEncodeError is a ValueError
        return value

    return check


def whole(low: int, high: int) -> Check[int]:
    """A whole number, `low` and `high` included."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{_shown(value)} is not a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check[float]:
    """A finite number, `low` and `high` included, as a float."""

    def check(value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{_shown(value)} is not a number from {low:g} to {high:g}")
        return float(value)

    return check


def one_of(*choices: T) -> Check[T]:
    """One of a few values."""

    def check(value: Any) -> T:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise ValueError(f"{_shown(value)} is none of {', '.join(map(str, choices))}")
        return value  # type: ignore[no-any-return]

    return check


def many(check: Check[T], fewest: int, most: int) -> Check[tuple[T, ...]]:
    """A list of so many values, each of which passes a check."""

    def check_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise ValueError(f"{_shown(value)} is not a list of {fewest} to {most:,} values")
        return tuple(check(one) for one in value)

    return check_all


def fields(value: Any, checks: Mapping[str, Check[Any]]) -> dict[str, Any]:
    """The fields of a dictionary, each checked; a field that has no check is refused, one that is missing is not.

    Raises:
        ValueError: naming the first field that is not what it should be.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{_shown(value)} is not a dictionary")
    checked = {}
    for name, given in value.items():
        if name not in checks:
            raise ValueError(f"{_shown(name)} is not a field that is known")
        try:
            checked[name] = checks[name](given)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return checked


def _shown(value: Any) -> str:
    """A value in a message: short, and of printable characters."""
    if isinstance(value, str):
        return ascii(value[:60]) + ("..." if len(value) > 60 else "")
    small = value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**20)
    return repr(value) if small else f"a value of type {type(value).__name__}"
