"""An append-only table of fixed-size records on disk, safe with several processes, `kill -9` and faulty disks.

Two files: `NAME.values` has the values, `NAME.keys` for each value its key and a checksum of key and value.
A value is written before its key, so a record exists as soon as its key does; the next writer overwrites an unfinished
end. A rewritten table is `NAME.1.values` and `NAME.1.keys`, then `NAME.2...`. The highest number counts; its keys are
renamed last, so that this one step switches from both old files to both new ones.
Writers take a file lock that the kernel frees when its owner ends. Readers take none, but check all that they read.
Chosen over SQLite, see `benchmarks/store.py`: twice as fast to read, five times as fast to write.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from headstart.disk import atomic, locks
from headstart.errors import StoreError

KEY_BYTES = 32
_KEY = np.dtype([("key", "V32"), ("check", "<u8")])
_CHUNK = 1024
_NEW = ".new"
LOCK = "lock"

Bytes = npt.NDArray[np.uint8]


class _Index:
    """A snapshot of the keys of a table and their places. It never changes, so threads share it.

    Args:
        number: of the table's files.
        data: the file of keys.
    """

    def __init__(self, number: int, data: bytes) -> None:
        self.number = number
        self.keys = np.frombuffer(data[: len(data) // _KEY.itemsize * _KEY.itemsize], _KEY)
        raw = self.keys.view(np.uint8).reshape(len(self.keys), _KEY.itemsize)
        self.words = np.ascontiguousarray(raw[:, :KEY_BYTES]).view(np.uint64)
        self._order = np.argsort(self.words[:, 0], kind="stable")
        self._prefixes = self.words[self._order, 0]

    def find(self, keys: Sequence[bytes]) -> npt.NDArray[np.intp]:
        """The place of the newest record of each 32-byte key; -1 if there is none."""
        if not len(self.keys) or not len(keys):
            return np.full(len(keys), -1, np.intp)
        wanted = np.frombuffer(b"".join(keys), np.uint64).reshape(len(keys), 4)
        last = np.searchsorted(self._prefixes, wanted[:, 0], side="right") - 1
        found = self._order[last]
        for i in np.flatnonzero((self.words[found] != wanted).any(axis=1)):
            found[i] = self._find_before(int(last[i]), wanted[i])
        return found

    def _find_before(self, position: int, wanted: npt.NDArray[np.uint64]) -> int:
        """Continue among the keys with the same first 8 bytes; -1 if there are no more."""
        while position >= 0 and self._prefixes[position] == wanted[0]:
            if (self.words[self._order[position]] == wanted).all():
                return int(self._order[position])
            position -= 1
        return -1


class Records:
    """One table; several threads may use it.

    Args:
        folder: of the two files; made when the first record is written.
        name: their name.
        width: bytes of a value, a multiple of 8.
    """

    def __init__(self, folder: Path, name: str, width: int) -> None:
        if width % 8:
            raise ValueError(f"width {width} is not a multiple of 8")
        self.folder = folder
        self.width = width
        self._name = name
        self._own = re.compile(re.escape(name) + r"(?:\.([1-9][0-9]*))?\.(keys|values)")
        self._weights = _weights(KEY_BYTES // 8 + width // 8 + 1)
        self.refresh()

    def __len__(self) -> int:
        """Records at the last refresh, duplicate and damaged ones included."""
        return len(self._index.keys)

    @property
    def size(self) -> int:
        """Bytes of both files."""
        return sum(path.stat().st_size for path in self._files(self._newest()) if path.exists())

    def refresh(self) -> None:
        """Read what other processes have written since."""
        number = -1
        data = b""
        while number != (newest := self._newest()):  # another process may rewrite the table meanwhile
            number = newest
            keys, _ = self._files(number)
            with disk_errors(keys, "read"), suppress(FileNotFoundError, NotADirectoryError):
                data = keys.read_bytes()
        self._index = _Index(number, data)

    def find(self, keys: Sequence[bytes]) -> npt.NDArray[np.intp]:
        """The place of the newest record of each 32-byte key; -1 if there is none."""
        return self._index.find(keys)

    def read(self, keys: Sequence[bytes], out: Bytes) -> npt.NDArray[np.bool_]:
        """Read values into the rows of `out`.

        Args:
            keys: n keys of 32 bytes.
            out: uint8 `(n, width)`; rows without an intact record are left undefined.

        Returns:
            bool `(n,)`: True where a record was found and its checksum is right.
        """
        index = self._index
        rows = index.find(keys)
        good = np.zeros(len(keys), np.bool_)
        wanted = np.flatnonzero(rows >= 0)
        if not len(wanted):
            return good
        values = self._values(index.number)
        if not len(values) and self._newest() > index.number:  # another process has rewritten the table
            self.refresh()
            return self.read(keys, out)
        wanted = wanted[rows[wanted] < len(values)]
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            taken = values[rows[part]]
            kept = index.keys[rows[part]]
            good[part] = self._check(kept["key"], taken) == kept["check"]
            out[part] = taken
        return good

    def _files(self, number: int) -> tuple[Path, Path]:
        """Keys and values of that number."""
        name = f"{self._name}.{number}" if number else self._name
        return self.folder / f"{name}.keys", self.folder / f"{name}.values"

    def _newest(self) -> int:
        """The number of the table's files: the highest one that has keys."""
        names: list[str] = []
        with disk_errors(self.folder, "read"), suppress(FileNotFoundError, NotADirectoryError):
            names = os.listdir(self.folder)
        found = map(self._own.fullmatch, names)
        return max((int(match[1] or 0) for match in found if match and match[2] == "keys"), default=0)

    def _values(self, number: int) -> Bytes:
        """All complete values, `(count, width)`, mapped from disk; none if the file is missing."""
        _, path = self._files(number)
        with disk_errors(path, "read"), suppress(FileNotFoundError), path.open("rb") as file:
            if count := os.fstat(file.fileno()).st_size // self.width:
                return np.memmap(file, np.uint8, "r", shape=(count, self.width))
        return np.empty((0, self.width), np.uint8)

    def append(self, keys: Sequence[bytes], values: Bytes) -> None:
        """Write records; when this returns, other processes can read them.

        Args:
            keys: n keys of 32 bytes.
            values: uint8 `(n, width)`, C order.

        Raises:
            StoreError: the disk is full or read-only. A half-written record is never used.
        """
        if not len(keys):
            return
        with disk_errors(self.folder, "written"), self.locked():
            self._write(keys, values)

    def _write(self, keys: Sequence[bytes], values: Bytes) -> None:
        head = np.empty(len(keys), _KEY)
        head["key"] = np.frombuffer(b"".join(keys), "V32")
        head["check"] = self._check(head["key"], values)
        keys_path, values_path = self._files(self._newest())
        with _open(keys_path) as key_file, _open(values_path) as value_file:
            count = os.fstat(key_file.fileno()).st_size // _KEY.itemsize
            value_file.seek(count * self.width)
            value_file.write(values.data)
            value_file.flush()
            key_file.seek(count * _KEY.itemsize)
            key_file.write(head.tobytes())
            key_file.truncate()

    def distinct(self) -> int:
        """Number of different keys."""
        return len(np.unique(self._index.words, axis=0))

    def sound(self) -> npt.NDArray[np.bool_]:
        """Check every record: True for those that are intact and the newest of their key."""
        index = self._index
        keys = [key.tobytes() for key in index.keys["key"]]
        newest = index.find(keys) == np.arange(len(keys))
        good = np.zeros(len(keys), np.bool_)
        buffer = np.empty((_CHUNK, self.width), np.uint8)
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            good[start : start + len(part)] = self.read(part, buffer[: len(part)])
        sound: npt.NDArray[np.bool_] = good & newest
        return sound

    def compact(self) -> int:
        """Rewrite the table without damaged and duplicate records; returns how many were dropped.

        Raises:
            StoreError: the disk is full or read-only; the table is unchanged.
        """
        if not self.size:
            return 0
        with disk_errors(self.folder, "written"), self.locked():
            self.refresh()
            number = self._index.number
            self._remove_others(number)  # left by a process that was killed while rewriting
            keep = np.flatnonzero(self.sound())
            dropped = len(self) - len(keep)
            if not dropped:
                return 0
            try:
                new = self._copy(keep)
                for path, target in zip(reversed(new._files(0)), reversed(self._files(number + 1)), strict=True):
                    atomic.sync(path)
                    os.replace(path, target)  # the keys last: this step switches
                atomic.sync(self.folder)
            finally:
                self.refresh()
                self._remove_others(self._index.number)
            return dropped

    def _copy(self, rows: npt.NDArray[np.intp]) -> Records:
        """Write these rows, the newest of their keys, to a table with another name in the same folder."""
        new = Records(self.folder, _NEW, self.width)
        buffer = np.empty((_CHUNK, self.width), np.uint8)
        for start in range(0, len(rows), _CHUNK):
            part = [self._index.keys["key"][row].tobytes() for row in rows[start : start + _CHUNK]]
            good = self.read(part, buffer[: len(part)])  # again: a disk can fail between two reads
            new._write([key for key, ok in zip(part, good.tolist(), strict=True) if ok], buffer[: len(part)][good])
        for path in new._files(0):
            path.touch()
        return new

    def _remove_others(self, number: int) -> None:
        """Remove the files of all numbers but this one: unfinished and earlier ones."""
        for path in self.folder.iterdir():
            own = self._own.fullmatch(path.name) and path not in self._files(number)
            if own or path.name.startswith(f"{_NEW}."):
                with suppress(PermissionError):  # Windows: another process reads it
                    path.unlink()

    def locked(self) -> AbstractContextManager[None]:
        """Hold the folder's lock; the system frees it if this process is killed."""
        return locks.locked(self.folder / LOCK)

    def _check(self, keys: npt.NDArray[np.void], values: Bytes) -> npt.NDArray[np.uint64]:
        """Checksum of each record: sum over its 64-bit words of mix(word) * odd constant, modulo 2**64.

        Odd constants are invertible modulo 2**64 and so is `mix`, so a change in any one word always shows. A sum of
        products alone would be blind to two flipped top bits (2**63 + 2**63 = 0), so `mix` brings the upper half of
        each word into the lower one. This guards against accidents, not against forgery. One more constant is
        added, so that files full of zeros do not pass.
        """
        total = np.full(len(keys), self._weights[-1])
        for words, weights in (
            (np.ascontiguousarray(keys).view(np.uint64).reshape(len(keys), 4), self._weights[:4]),
            (np.ascontiguousarray(values).view(np.uint64), self._weights[4:-1]),
        ):
            total += (words ^ (words >> np.uint64(32))) @ weights
        return total


def _open(path: Path) -> BinaryIO:
    """Open for reading and writing at any place; create the file if it is missing."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "r+b")


@contextmanager
def disk_errors(path: Path, what: str) -> Iterator[None]:
    """Turn errors of the disk into a `StoreError` with advice; `what` is "read" or "written"."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The feature store at {path} cannot be {what}: {error.strerror or error}.\n"
            "Expected a folder on a disk with room that this user may write to. Set HEADSTART_HOME to another folder, "
            "or make room with: headstart cache prune"
        ) from error


def _weights(count: int) -> npt.NDArray[np.uint64]:
    """Odd 64-bit constants: the numbers of SplitMix64 (Steele, Lea and Flood 2014, figure 15) from seed 0."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        odd: npt.NDArray[np.uint64] = (z ^ (z >> np.uint64(31))) | np.uint64(1)
    return odd
