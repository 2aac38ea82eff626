"""Retrying after temporary failures, and stopping attempts that are too slow.

An attempt continues as long as enough arrives: `LEAST_RATE`, averaged over the last `WINDOW` seconds, from its start.
This one rule covers servers that never answer, send bytes or headers very slowly, or redirect slowly, for our own
downloader and for libraries whose calls we cannot change. `TIMEOUT` limits each wait for a byte.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from headstart.progress import Progress

Result = TypeVar("Result")

#: Seconds before the second, third and fourth attempt.
PAUSES = (1.0, 3.0, 9.0)
#: Seconds; if a server requests a longer pause, the download fails.
LONGEST_PAUSE = 60.0
#: Seconds without a byte, while connecting or reading, after which an attempt fails.
TIMEOUT = 30.0
#: Bytes a second, on average over `WINDOW` seconds, below which an attempt fails; a dial-up line gives more.
LEAST_RATE = 4_000
WINDOW = 60.0
#: How often per window the bytes are counted.
_LOOKS = 10
#: HTTP statuses of temporary failures.
PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class PassingError(Exception):
    """A temporary failure.

    Attributes:
        what: what happened, in words that continue a sentence about the server.
        pause: seconds to wait that the server requests; None if it requests no pause.
    """

    def __init__(self, what: str, pause: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.pause = pause


class DownloadError(Exception):
    """A download failed. The message is a sentence without its full stop.

    Attributes:
        kind: which advice helps: `again` (later), `offline`, `address`, `certificate`, `room` (on the disk),
            `missing` or `forbidden`.
    """

    def __init__(self, what: str, kind: str = "again") -> None:
        super().__init__(what)
        self.kind = kind


class Pace:
    """The progress of a download.

    Attributes:
        arrived: bytes so far, in all attempts.
        kept: bytes after which the next attempt continues.
    """

    def __init__(self) -> None:
        self.arrived = 0
        self.kept = 0


def patiently(name: str, progress: Progress, action: Callable[[Pace], Result]) -> Result:
    """Run `action`, and again while it fails with `PassingError` or is too slow.

    The count of attempts starts again when, pauses included, the download has advanced at `LEAST_RATE`: a poor
    connection is tolerated, a server that gives one byte per attempt is not.

    Args:
        name: of the download, for the user.
        progress: receives every failure and pause.
        action: one attempt; it counts the bytes that arrive.

    Raises:
        DownloadError: the last attempt failed too, or the server requests too long a pause.
    """
    pace, pauses = Pace(), iter(PAUSES)
    kept, since = 0, time.monotonic()
    while True:
        try:
            return _bounded(action, pace)
        except PassingError as error:
            if pace.kept > kept + LEAST_RATE * (time.monotonic() - since):
                kept, since, pauses = pace.kept, time.monotonic(), iter(PAUSES)
            pause = next(pauses, None)
            wait = max(pause or 0.0, error.pause or 0.0)
            if pause is None or wait > LONGEST_PAUSE:
                requested = f" and requests a pause of {error.pause:.0f} s" if error.pause else ""
                raise DownloadError(f"{error.what}{requested}") from error
            progress.message(f"{name}: {error.what}; trying again in {wait:.0f} s.")
            time.sleep(wait)


class _TooSlow(BaseException):  # like KeyboardInterrupt: libraries must not catch it
    """Raised by the watchdog in the thread that it watches."""


class _Watchdog:
    """A thread that interrupts its maker's thread when too little arrives, at most once per window, until stopped."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._watched = threading.get_ident()
        self._stopped = threading.Event()
        self._sending = threading.Lock()

    def start(self) -> None:
        """Start watching."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        counts = deque([self._pace.arrived], maxlen=_LOOKS + 1)
        while not self._stopped.wait(WINDOW / _LOOKS):  # counts, not a clock: a suspended process is not slow
            counts.append(self._pace.arrived)
            if len(counts) > _LOOKS and counts[-1] - counts[0] < LEAST_RATE * WINDOW:
                with self._sending:
                    if not self._stopped.is_set():
                        _interrupt(self._watched, _TooSlow)
                counts = deque([counts[-1]], maxlen=_LOOKS + 1)

    def stop(self) -> None:
        """Stop watching; afterwards no interrupt is sent or pending."""
        with self._sending:
            self._stopped.set()
        _interrupt(self._watched, None)


def _interrupt(thread: int, kind: type[BaseException] | None) -> None:
    """Raise an exception in a thread when it next runs Python; None cancels one that is pending."""
    exception = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


def _bounded(action: Callable[[Pace], Result], pace: Pace) -> Result:
    """Run one attempt.

    Raises:
        PassingError: too little arrived.
    """
    watchdog = _Watchdog(pace)
    try:
        try:
            watchdog.start()
            return action(pace)
        finally:
            watchdog.stop()
    except _TooSlow as error:
        watchdog.stop()  # the interrupt may have hit the first call
        raise PassingError(f"less than {LEAST_RATE / 1000:g} kB/s arrived for {WINDOW:g} s") from error


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a `Retry-After` header, which contains seconds or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
