"""The log of an inbox: a file with a line of JSON for each photo that was predicted. Lines are added, never changed.

Several processes may add lines: each adds its lines in one write, under a lock. A line that a killed process did not
finish ends where the next one begins, and is ignored and counted, as is every line that is not as we write it: the file
may come from anyone.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from headstart.disk import locks
from headstart.errors import DataError
from headstart.safety import untrusted
from headstart.safety.printable import show

#: Bytes of a log, and of a line. A line has a few hundred.
MOST, _LONGEST = 2**30, 2**17
#: Probabilities in a line: of the most probable classes.
GUESSES = 10


@dataclass(frozen=True)
class Logged:
    """A photo that was predicted.

    Attributes:
        time: when, in ISO 8601 with the offset from UTC.
        path: absolute.
        sha256: of the file's bytes, hexadecimal.
        predicted: its most probable class. probability: of that class, 0..1.
        probabilities: of the most probable classes, at most ten, the most probable first.
        unknown: whether it is unlike all training photos; None: the classifier refuses none.
        model: folder of the classifier; empty if it is not saved.
        model_id: see `Classifier.id`.
    """

    time: str
    path: str
    sha256: str
    predicted: str
    probability: float
    probabilities: dict[str, float]
    unknown: bool | None
    model: str
    model_id: str

    @property
    def key(self) -> tuple[str, str]:
        """The same photo, predicted by the same classifier, has one line."""
        return self.sha256, self.model_id


def _hexadecimal(digits: int) -> untrusted.Check[str]:
    def check(value: Any) -> str:
        if len(untrusted.text(digits, digits)(value)) == len(bytes.fromhex(value)) * 2:
            return str(value)
        raise ValueError("it is not hexadecimal")

    return check


def _moment(value: Any) -> str:
    datetime.fromisoformat(untrusted.text(40)(value))
    return str(value)


def _probabilities(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not 1 <= len(value) <= GUESSES:
        raise ValueError("these are no probabilities")
    return {untrusted.text(1000)(name): untrusted.number(0, 1)(one) for name, one in value.items()}


_FIELDS: dict[str, untrusted.Check[Any]] = {
    "time": _moment,
    "path": untrusted.text(10_000),
    "sha256": _hexadecimal(64),
    "predicted": untrusted.text(1000),
    "probability": untrusted.number(0, 1),
    "probabilities": _probabilities,
    "unknown": untrusted.one_of(True, False, None),
    "model": untrusted.text(10_000, shortest=0),
    "model_id": _hexadecimal(32),
}


class Log:
    """A file of `Logged`, or without a path a list in memory.

    Attributes:
        path: of the file; None: in memory.
        photos: all lines that can be read. damaged: how many others there are.

    Raises:
        DataError: the file cannot be read, is too large, or holds something else.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self.photos: list[Logged] = []
        self.damaged = 0
        self._keys: set[tuple[str, str]] = set()
        self._place = 0  # bytes that were read
        self._end = b""  # of them, an unfinished last line
        self.refresh()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._keys

    def refresh(self) -> None:
        """Read what was added since."""
        if self.path is None:
            return
        with _errors(self.path, "read"):
            if not self.path.exists():
                return
            with open(self.path, "rb", opener=untrusted.without_waiting) as file:
                info = os.fstat(file.fileno())
                if not stat.S_ISREG(info.st_mode) or info.st_size > MOST:
                    what = "too large" if stat.S_ISREG(info.st_mode) else "not a regular file"
                    raise DataError(
                        f"{show(self.path)} is {what}.\nExpected a log of at most {MOST / 1e6:,.0f} MB. Choose another "
                        "file, or move this one away."
                    )
                file.seek(self._place)
                data = self._end + file.read(info.st_size - self._place)
        *lines, self._end = data.split(b"\n")
        self._place = info.st_size
        for line in filter(None, lines):
            self._take(line)
        if self.damaged + bool(self._end) and not self.photos:
            raise DataError(
                f"{show(self.path)} is not a log of headstart: no line of it can be read.\nExpected a new file, or one "
                "that `headstart predict --log` or `headstart watch --log` wrote."
            )

    def _take(self, line: bytes) -> None:
        try:
            if len(line) > _LONGEST:
                raise ValueError("it is too long")
            value = json.loads(line)
            self._keep(Logged(**untrusted.fields({name: value[name] for name in _FIELDS}, _FIELDS)))
        except (ValueError, KeyError, TypeError, RecursionError):
            self.damaged += 1

    def _keep(self, one: Logged) -> None:
        if one.key not in self._keys:
            self._keys.add(one.key)
            self.photos.append(one)

    def append(self, photos: Iterable[Logged]) -> list[Logged]:
        """Add those that are not there yet; returns them.

        Raises:
            DataError: the file cannot be written. A half-written line is never read.
        """
        if self.path is None:
            return self._new(photos)
        lock = self.path.with_name(f".{self.path.name}.lock")
        with _errors(self.path, "written"), locks.locked(lock, keep=False):
            self.refresh()
            unfinished, new = self._end, self._new(photos)
            lines = [json.dumps(asdict(one)).encode() + b"\n" for one in new]
            if lines:
                if unfinished:
                    self._take(unfinished)
                    lines.insert(0, b"\n")
                    self._end = b""
                _write(self.path, b"".join(lines))
                self._place = os.stat(self.path).st_size
        return new

    def check_writable(self) -> None:
        """Raise before the work what `append` would raise after it; a new file is made.

        Raises:
            DataError: the file cannot be written.
        """
        if self.path is not None:
            self.append(())
            with _errors(self.path, "written"):
                _write(self.path, b"")

    def _new(self, photos: Iterable[Logged]) -> list[Logged]:
        before = len(self.photos)
        for one in photos:
            self._keep(one)
        return self.photos[before:]


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    try:
        while data:  # one write, unless the disk is full: then the next one fails
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


@contextmanager
def _errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{show(path)} cannot be {what}: {error.strerror or error}.\nChoose another file.") from error
