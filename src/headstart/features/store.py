"""The feature store: a model processes every photo only once.

    HEADSTART_HOME/
      vectors/<card key>/card.json      the card; the file's modification time is the time of the last use
      vectors/<card key>/vectors.*      content hash -> float32 vector (`records`)
      paths/paths.*                     path, size and times -> content hash, so that unchanged files are not read again
      compiled/*.compiled               graphs as the engine compiled them
      copies/                           thumbnails of photos, and which of them are nearly the same (`trust.copies`)

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

#: Age at which unfinished files of killed processes are removed: a day.
_LEFT_SECONDS = 86400.0
_RATE_FILE = "rate.json"
Rate = Literal["run", "backbone", "quiet"]
#: Keys in the file.
_RATES = {"run": "photos_per_second", "backbone": "network_photos_per_second", "quiet": "quiet_photos_per_second"}


@dataclass(frozen=True)
class Shelf:
    """The vectors kept for one card."""

    key: str
    backbone: str
    view: str
    vectors: int
    bytes: int
    last_used: float


class Store:
    """Vectors of photos, by backbone; several threads may use it.

    Args:
        folder: of the store; `home()` if not given. Made when something is first written.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is not None and not os.fspath(folder):  # an empty path would mean the working folder
            raise StoreError("The path of the store is empty.\nExpected a folder, or None for the user's own.")
        self.folder = Path(folder) if folder is not None else home()
        if os.path.exists(self.folder) and not self.folder.is_dir():
            raise StoreError(f"The store {self.folder} is a file.\nExpected a folder: set HEADSTART_HOME to one.")
        self._tables: dict[Path, Records] = {}

    @property
    def compiled(self) -> Path:
        """Folder for compiled graphs."""
        return self.folder / "compiled"

    @property
    def copies(self) -> Path:
        """Folder for what is known of photos that are nearly the same."""
        return self.folder / "copies"

    def refresh(self) -> None:
        """Read what this and other processes have written since the last call."""
        self._tables = {}

    # --- vectors ---

    def get(self, card: Card, hashes: Sequence[bytes], out: Vectors) -> npt.NDArray[np.bool_]:
        """Read the vectors of photos.

        Args:
            card: of the backbone.
            hashes: n content hashes.
            out: float32 `(n, dim)`, C order; rows that are not found are left undefined.

        Returns:
            bool `(n,)`, True where an intact vector was found.

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
        """Whether there is a record of each photo. Only reading it shows whether it is intact."""
        return self._table(card).find(hashes) >= 0

    def put(self, card: Card, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors. They survive if this process is killed afterwards.

        Args:
            card: of the backbone.
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
        marks = {path: mark for path in dict.fromkeys(paths) if (mark := fingerprint(path)) is not None}
        out = np.empty((len(marks), KEY_BYTES), np.uint8)
        good = self._path_table().read(list(marks.values()), out)
        known = {path: row.tobytes() for path, row, ok in zip(marks, out, good.tolist(), strict=True) if ok}
        return [known.get(path) for path in paths]

    def remember(self, marks: Sequence[bytes | None], hashes: Sequence[bytes]) -> None:
        """Keep the content hashes of files, so that the files need not be read again.

        Args:
            marks: each file's `fingerprint` from *before* it was read: a later one would also match what was written in
                between. None: the file is left out.
            hashes: SHA-256 of what was read.

        Raises:
            StoreError: the disk is full or read-only.
        """
        pairs = [(mark, digest) for mark, digest in zip(marks, hashes, strict=True) if mark is not None]
        values = np.frombuffer(b"".join(digest for _, digest in pairs), np.uint8).reshape(len(pairs), KEY_BYTES)
        self._path_table().append([mark for mark, _ in pairs], values)

    # --- speed ---

    def rate(self, card: Card, of: Rate = "run") -> float | None:
        """Photos per second with this card, None if it was not measured.

        Args:
            card: whose vectors.
            of: for the estimate before a run, the last long `run`, reading photos included, or the `backbone` in it;
                or the backbone alone, measured while the machine was `quiet`.
        """
        rate = self._rates(card).get(_RATES[of])
        return rate if isinstance(rate, float) and 0 < rate < math.inf else None

    def note_rate(self, card: Card, photos_per_second: float, of: Rate = "run") -> None:
        """Keep a speed, see `rate`."""
        with disk_errors(self.folder, "written"), self._table(card).locked():
            rates = {**self._rates(card), _RATES[of]: float(photos_per_second)}
            atomic.write(self._shelf(card) / _RATE_FILE, json.dumps(rates), lasting=False)

    def _rates(self, card: Card) -> dict[str, Any]:
        try:
            rates = json.loads((self._shelf(card) / _RATE_FILE).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return rates if isinstance(rates, dict) else {}

    # --- housekeeping ---

    def shelves(self) -> list[Shelf]:
        """The vectors kept, one shelf for each card, in the order of the keys."""
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
        tables = self._all_tables()
        return {path.name: table.distinct() - int(table.sound().sum()) for path, _, table, _ in tables}

    def prune(self, days: float) -> int:
        """Drop damaged and duplicate records, and what was unused for `days` days; returns the bytes freed."""
        before = self.size
        limit = time.time() - days * 86400
        with disk_errors(self.folder, "written"):
            for path, _, table, _ in self._all_tables():
                _drop(path, limit)
                table.compact()
                atomic.sweep(path, _LEFT_SECONDS)
            self._path_table().compact()
            for entry in (*self.compiled.glob("*"), *self.copies.glob("*.json")):
                if entry.stat().st_mtime < limit:
                    _remove(entry)
            for folder in (self.compiled, self.copies):
                atomic.sweep(folder, _LEFT_SECONDS)
        self.refresh()
        return before - self.size

    def clear(self) -> None:
        """Drop all vectors, known files, compiled graphs and what is known of copies."""
        with disk_errors(self.folder, "written"):
            for shelf in (*(self.folder / "vectors").glob("*"), self.folder / "paths", self.copies):
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
        tables = self._tables  # another thread's `refresh` may replace them
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
                continue  # not a shelf, or its card is damaged; the next run that needs it rewrites the card
            if card.key == path.name:
                found.append((path, card, self._table(card), used))
        return found


def _drop(shelf: Path, limit: float = math.inf) -> None:
    """Remove a folder of records unless it was used since `limit`; writers are locked out meanwhile."""
    with locks.locked(shelf / LOCK):
        card = shelf / "card.json"
        if card.exists() and card.stat().st_mtime >= limit:
            return
        for entry in shelf.iterdir():
            if entry.name != LOCK:
                _remove(entry)
        with suppress(OSError):  # Windows does not remove open files
            (shelf / LOCK).unlink()
            shelf.rmdir()


def _remove(path: Path) -> None:
    """Remove a file or folder, if another process has not done so."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
