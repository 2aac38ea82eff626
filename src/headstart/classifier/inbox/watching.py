"""`watch`: new photos of a folder, predicted as they come. A file is used when it no longer changes."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from headstart.classifier.classifier import Classifier
from headstart.classifier.inbox.inbox import Inbox
from headstart.disk.hashes import sha256
from headstart.errors import DataError
from headstart.evaluation.results import Predictions
from headstart.photos.folders import files_below
from headstart.safety.printable import show

#: A file that was last changed so many seconds ago is taken to be complete; others have to look the same twice.
_SETTLED = 10.0
#: Photos predicted at once: then they are in the log, whatever happens.
_AT_ONCE = 200
#: A path, its size and the time of its last change.
_State = tuple[str, int, int]


class Watcher:
    """Predicts the new photos of a folder, a look at a time.

    Attributes:
        inbox: receives them, and knows those that were there before.
        folder: with all folders below it.
        waiting: files that may still be written, or for which the last look had no time.

    Raises:
        DataError: the folder does not exist, or the log cannot be written.
    """

    def __init__(self, inbox: Inbox, folder: str | Path) -> None:
        if not os.path.isdir(folder):
            raise DataError(f"{show(folder)} is not a folder.\nExpected the folder into which new photos come.")
        inbox.log.check_writable()
        self.inbox = inbox
        self.folder = os.fspath(folder)
        self.waiting = 0
        self._before: set[_State] = set()
        self._done: set[_State] = set()

    def look(self) -> Predictions:
        """Predict what is new; a file that cannot be used is `skipped` once."""
        there = set(self._states())
        self._done &= there
        now = time.time_ns()
        new = sorted(there - self._done)
        ready = [one for one in new if one in self._before or now - one[2] > _SETTLED * 1e9]
        self._before = there
        self._done |= {*ready[:_AT_ONCE]}
        self.waiting = len(new) - len(ready[:_AT_ONCE])
        paths = [path for path, _, _ in ready[:_AT_ONCE]]
        found = self.inbox.classifier.predictions_of_files(self._unlogged(paths))
        gone = [one for one in found.skipped if not os.path.lexists(one.path)]
        found = replace(found, skipped=tuple(one for one in found.skipped if one not in gone))
        self.inbox.add(found)
        return found

    def _states(self) -> Iterator[_State]:
        with suppress(DataError):  # the folder is removed, or cannot be read for a while
            for path in files_below(self.folder):
                with suppress(OSError):  # removed meanwhile
                    info = os.stat(path)
                    if stat.S_ISREG(info.st_mode) and not self._is_log(path):
                        yield path, info.st_size, info.st_mtime_ns

    def _is_log(self, path: str) -> bool:
        """The log may be in the folder; it changes with each photo."""
        log = self.inbox.log.path
        if log is None or os.path.basename(path) != log.name:
            return False
        return os.path.realpath(path) == os.path.realpath(log)

    def _unlogged(self, paths: list[str]) -> list[str]:
        """Those of which no equal photo is in the log."""
        hashes = self.inbox.classifier.store.known(paths)
        return [path for path, digest in zip(paths, hashes, strict=True) if not self._is_logged(path, digest)]

    def _is_logged(self, path: str, digest: bytes | None) -> bool:
        with suppress(OSError):  # it will be skipped with a reason
            return self.inbox.holds(digest or bytes.fromhex(sha256(Path(path))))
        return False


def watch(
    classifier: Classifier, folder: str | Path, log: str | Path | None = None, *, every: float = 2.0
) -> Iterator[Predictions]:
    """Predict the photos of a folder as they come, for ever.

    Args:
        classifier: predicts them.
        folder: with all folders below it.
        log: a file that receives a line for each photo; photos in it are not predicted again.
        every: seconds from one look to the next.

    Yields:
        the new photos of each look that has some.

    Raises:
        DataError: the folder does not exist; the log cannot be read or written, or is another file.

    Examples:
        >>> import headstart
        >>> trees = headstart.train("photos").classifier
        >>> for found in headstart.watch(trees, "photos", "inbox.jsonl", every=0.1):
        ...     break
        >>> found.labels[0]
        'cherry'
    """
    watcher = Watcher(Inbox(classifier, log), folder)
    while True:
        found = watcher.look()
        if found.paths or found.skipped:
            yield found
        else:
            time.sleep(every)
