"""The feature store: a model processes every photo only once.

    HEADSTART_HOME/
      vectors/<card key>/card.json      the card, for people; its time of change is the last use
      vectors/<card key>/vectors.*      content hash -> float32 vector (`records`)
      paths/paths.*                     path, size and times -> content hash, so that known files are not read
      compiled/*.compiled               graphs as the engine compiled them

Photos are identified by the SHA-256 of their bytes and models by their card's key; names and classes are not stored.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from headstart.backbones.base import Vectors
from headstart.backbones.card import Card
from headstart.disk import atomic, locks
from headstart.disk.home import home, size
from headstart.errors import HeadstartError, StoreError
from headstart.features.records import KEY_BYTES, LOCK, Records, disk_errors
from headstart.photos.reading import fingerprint

#: Unfinished files of killed processes are removed after a day.
_LEFT_SECONDS = 86400.0
_RATE_FILE = "rate.json"
Speed = Literal["run", "network"]
_SPEEDS = {"run": "photos_per_second", "network": "network_photos_per_second"}


@dataclass(frozen=True)
class Shelf:
    """What the store holds for one card."""

    key: str
    backbone: str
    view: str
    vectors: int
    bytes: int
    last_used: float


class Store:
    """Vectors of photos, by backbone; several threads may use it.

    Args:
        folder: where it is; `home()` if not given. Made when something is first written.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is not None and not os.fspath(folder):  # it would mean the working folder
            raise StoreError("The path of the store is empty.\nExpected a folder, or None for the user's own.")
        self.folder = Path(folder) if folder is not None else home()
        if os.path.exists(self.folder) and not self.folder.is_dir():
            raise StoreError(f"The store {self.folder} is a file.\nExpected a folder: set HEADSTART_HOME to one.")
        self._tables: dict[Path, Records] = {}

    @property
    def compiled(self) -> Path:
        """Folder for compiled graphs."""
        return self.folder / "compiled"

    def refresh(self) -> None:
        """Read what this and other processes have written since the last call."""
        self._tables = {}

    # --- vectors ---

    def get(self, card: Card, hashes: Sequence[bytes], out: Vectors) -> npt.NDArray[np.bool_]:
        """Read the vectors of photos.

        Args:
            card: of the network.
            hashes: n content hashes.
            out: float32 `(n, dim)`, C order; rows that are not found are left undefined.

        Returns:
            bool `(n,)`, True where a vector was found whole. Damaged ones count as not found.

        Raises:
            StoreError: the disk cannot be read.
        """
        table = self._table(card)
        width = card.dim * 4
        raw = out.view(np.uint8).reshape(len(hashes), width)
        if width == table.width:
            return table.read(hashes, raw)
        wide = np.empty((len(hashes), table.width), np.uint8)
        good = table.read(hashes, wide)
        raw[good] = wide[good, :width]
        return good

    def has(self, card: Card, hashes: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Whether there is a record of each photo. Whether it is intact shows only when it is read."""
        return self._table(card).find(hashes) >= 0

    def put(self, card: Card, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors; they survive the death of this process, however it dies.

        Args:
            card: of the network.
            hashes: n content hashes.
            vectors: float32 `(n, dim)`.

        Raises:
            StoreError: the disk is full or read-only.
        """
        table = self._table(card)
        wide = np.zeros((len(hashes), table.width), np.uint8)
        wide[:, : card.dim * 4] = np.ascontiguousarray(vectors, np.float32).view(np.uint8).reshape(-1, card.dim * 4)
        table.append(hashes, wide)

    def prepare(self, card: Card) -> None:
        """Make the card's shelf and mark it as used now.

        Raises:
            StoreError: the folder cannot be written.
        """
        with disk_errors(self.folder, "written"), self._table(card).locked():
            atomic.write(self._shelf(card) / "card.json", json.dumps(card.to_json(), indent=2), lasting=False)

    # --- known files ---

    def known(self, paths: Sequence[str]) -> list[bytes | None]:
        """Content hashes of files that are as they were when they were last read; None for the others."""
        known = {path: fingerprint(path) for path in dict.fromkeys(paths)}
        prints = [known[path] for path in paths]
        asked = [i for i, mark in enumerate(prints) if mark is not None]
        out = np.empty((len(asked), KEY_BYTES), np.uint8)
        good = self._path_table().read([prints[i] or b"" for i in asked], out)
        answer: list[bytes | None] = [None] * len(paths)
        for i, row, ok in zip(asked, out, good.tolist(), strict=True):
            if ok:
                answer[i] = row.tobytes()
        return answer

    def remember(self, marks: Sequence[bytes | None], hashes: Sequence[bytes]) -> None:
        """Note the content of files, so that it need not be read again.

        Args:
            marks: each file's `fingerprint` from *before* it was read: one taken later would vouch for whatever
                was written in between. None: not noted.
            hashes: SHA-256 of what was read.

        Raises:
            StoreError: the disk is full or read-only.
        """
        pairs = [(mark, digest) for mark, digest in zip(marks, hashes, strict=True) if mark is not None]
        values = np.frombuffer(b"".join(digest for _, digest in pairs), np.uint8).reshape(len(pairs), KEY_BYTES)
        self._path_table().append([mark for mark, _ in pairs], values)

    # --- speed, for the estimate before a run ---

    def rate(self, card: Card, of: Speed = "run") -> float | None:
        """Photos per second of this card's last long run, None if there was none.

        Args:
            card: whose vectors.
            of: `run`, reading photos included, or `network`, the backbone alone.
        """
        rate = self._rates(card).get(_SPEEDS[of])
        return rate if isinstance(rate, float) and 0 < rate < math.inf else None

    def note_rate(self, card: Card, photos_per_second: float, of: Speed = "run") -> None:
        """Note the speed of a run, or of the backbone alone."""
        with disk_errors(self.folder, "written"), self._table(card).locked():
            rates = {**self._rates(card), _SPEEDS[of]: float(photos_per_second)}
            atomic.write(self._shelf(card) / _RATE_FILE, json.dumps(rates), lasting=False)

    def _rates(self, card: Card) -> dict[str, Any]:
        try:
            rates = json.loads((self._shelf(card) / _RATE_FILE).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return rates if isinstance(rates, dict) else {}

    # --- housekeeping ---

    def shelves(self) -> list[Shelf]:
        """What is kept, one entry a card, in the order of the keys."""
        return [
            Shelf(path.name, card.handle, card.view.fit, table.distinct(), table.size, used)
            for path, card, table, used in self._all_tables()
        ]

    @property
    def size(self) -> int:
        """Bytes of all files in the store's folder."""
        return size(self.folder)

    def verify(self) -> dict[str, int]:
        """Check every vector: card key -> number of damaged ones."""
        damaged = {}
        for path, _, table, _ in self._all_tables():
            damaged[path.name] = table.distinct() - int(table.sound().sum())
        return damaged

    def prune(self, days: float) -> int:
        """Drop damaged and doubled records, shelves unused for `days`, and compiled graphs; returns bytes freed."""
        before = self.size
        limit = time.time() - days * 86400
        with disk_errors(self.folder, "written"):
            for path, _, table, _ in self._all_tables():
                _drop(path, limit)
                table.compact()
                atomic.sweep(path, _LEFT_SECONDS)
            self._path_table().compact()
            for compiled in self.compiled.glob("*"):
                if compiled.stat().st_mtime < limit:
                    _remove(compiled)
            atomic.sweep(self.compiled, _LEFT_SECONDS)
        self.refresh()
        return before - self.size

    def clear(self) -> None:
        """Drop everything that headstart put into the folder."""
        with disk_errors(self.folder, "written"):
            for shelf in (*(self.folder / "vectors").glob("*"), self.folder / "paths"):
                _drop(shelf) if shelf.is_dir() else _remove(shelf)
            for compiled in self.compiled.glob("*"):
                _remove(compiled)
            for folder in (self.folder / "vectors", self.compiled):
                with suppress(OSError):  # another process has just put something in it
                    folder.rmdir()
        self.refresh()

    def _shelf(self, card: Card) -> Path:
        return self.folder / "vectors" / card.key

    def _table(self, card: Card) -> Records:
        return self._opened(self._shelf(card), "vectors", -(-card.dim * 4 // 8) * 8)

    def _path_table(self) -> Records:
        return self._opened(self.folder / "paths", "paths", KEY_BYTES)

    def _opened(self, folder: Path, name: str, width: int) -> Records:
        tables = self._tables  # another thread's `refresh` may put others in their place
        if folder not in tables:
            tables[folder] = Records(folder, name, width)
        return tables[folder]

    def _all_tables(self) -> list[tuple[Path, Card, Records, float]]:
        """Each shelf's folder, card, vectors and time of the last use, as they are now."""
        self.refresh()
        found = []
        for path in sorted((self.folder / "vectors").glob("*")):
            try:
                card = Card.from_json(json.loads((path / "card.json").read_text("utf-8")))
                used = (path / "card.json").stat().st_mtime
            except (OSError, ValueError, HeadstartError):
                continue  # not a shelf, or its card is damaged; the next run that needs it writes the card anew
            if card.key == path.name:
                found.append((path, card, self._table(card), used))
        return found


def _drop(shelf: Path, limit: float = math.inf) -> None:
    """Remove a folder of records unless it was used since; no writer is in it meanwhile."""
    with locks.locked(shelf / LOCK):
        card = shelf / "card.json"
        if card.exists() and card.stat().st_mtime >= limit:
            return
        for entry in shelf.iterdir():
            if entry.name != LOCK:
                _remove(entry)
        with suppress(OSError):  # Windows keeps what is open
            (shelf / LOCK).unlink()
            shelf.rmdir()


def _remove(path: Path) -> None:
    """Remove a file or folder, if another process has not done so."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
