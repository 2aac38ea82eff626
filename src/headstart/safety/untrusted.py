"""Untrusted files and values: read within limits, accepted only if their type and range are right.

Saved classifiers are shared, and whoever changes one can also write new checksums into it. So every value is checked
here before use. A check takes a value and returns it, or raises a `ValueError` that continues a sentence about it.
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
    """Read a regular file of at most `most` bytes.

    Raises:
        ValueError: it is something else (a pipe, a device, a folder) or larger; nothing was read.
        OSError: it is missing or cannot be read.
    """
    with open(path, "rb", opener=without_waiting) as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("is not a regular file")
        if info.st_size > most:
            raise ValueError(f"has {info.st_size:,} bytes; at most {most:,} are read")
        try:
            return file.read(info.st_size)
        except MemoryError as error:
            raise ValueError(f"has {info.st_size:,} bytes, more than the free memory") from error


def without_waiting(path: str, flags: int) -> int:
    """An `opener` for `open`: otherwise opening a pipe without a writer would wait forever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def text(longest: int, shortest: int = 1) -> Check[str]:
    """A string of `shortest` to `longest` characters that can be written to a file: no zero byte, no lone surrogate."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not shortest <= len(value) <= longest or "\0" in value:
            raise ValueError(f"{_shown(value)} is not a text of {shortest} to {longest:,} characters")
        value.encode("utf-8", "surrogateescape")  # a UnicodeEncodeError is a ValueError
        return value

    return check


def whole(low: int, high: int) -> Check[int]:
    """A whole number from `low` to `high`."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{_shown(value)} is not a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check[float]:
    """A finite number from `low` to `high`, as a float."""

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
    """A list of `fewest` to `most` values that all pass a check."""

    def check_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise ValueError(f"{_shown(value)} is not a list of {fewest} to {most:,} values")
        return tuple(check(one) for one in value)

    return check_all


def fields(value: Any, checks: Mapping[str, Check[Any]]) -> dict[str, Any]:
    """Check the fields of a dictionary. A field without a check is refused; a missing field is not.

    Raises:
        ValueError: a field is not valid; the message names the first such field.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{_shown(value)} is not a dictionary")
    checked = {}
    for name, given in value.items():
        if name not in checks:
            raise ValueError(f"{_shown(name)} is not a known field")
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
