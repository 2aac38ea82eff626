"""Trying again after failures that pass, and ending a try that hardly gets on.

A try goes on as long as enough arrives: `LEAST_RATE`, averaged over the last `WINDOW` seconds, from the first moment.
So one rule bounds servers that never answer, drip bytes or headers, or redirect slowly, whoever speaks to them: our
own downloader, or a library whose calls we cannot change. A single wait for a byte is bounded by `TIMEOUT`.
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

#: Seconds before the second, third and fourth try.
PAUSES = (1.0, 3.0, 9.0)
#: A server that asks for a longer pause than this is not waited for.
LONGEST_PAUSE = 60.0
#: Seconds without a byte, to connect or to read, before a try is given up.
TIMEOUT = 30.0
#: Bytes a second, on average over `WINDOW` seconds, below which a try is given up; a telephone line gives more.
LEAST_RATE = 4_000
WINDOW = 60.0
#: How often within the window what has arrived is looked at.
_LOOKS = 10
#: Answers that may be another one in a moment.
PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class PassingError(Exception):
    """A failure that may pass.

    Attributes:
        what: happened, the rest of a sentence about the server.
        pause: seconds that the server asks to wait, None if it does not say.
    """

    def __init__(self, what: str, pause: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.pause = pause


class DownloadError(Exception):
    """A download that did not succeed, and why: a sentence without its stop.

    Attributes:
        kind: which advice helps: `again` (later), `no network`, `address`, `certificate`, `room` (on the disk),
            `missing` or `forbidden`.
    """

    def __init__(self, what: str, kind: str = "again") -> None:
        super().__init__(what)
        self.kind = kind


class Pace:
    """How a download gets on.

    Attributes:
        arrived: bytes so far, in all tries.
        kept: bytes from which the next try goes on.
    """

    def __init__(self) -> None:
        self.arrived = 0
        self.kept = 0


def patiently(name: str, progress: Progress, action: Callable[[Pace], Result]) -> Result:
    """Do it, and again while it fails with `PassingError` or is too slow.

    Patience starts anew after tries that, pauses counted, have carried it on at `LEAST_RATE`: a poor line is borne,
    a server that gives a byte a try is not.

    Args:
        name: what the user is told.
        progress: told of every failure and pause.
        action: one try; it counts what arrives.

    Raises:
        DownloadError: the last try failed too, or the server asks to wait for too long.
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
                asks = f" and asks to wait for {error.pause:.0f} s" if error.pause else ""
                raise DownloadError(f"{error.what}{asks}") from error
            progress.message(f"{name}: {error.what}; trying again in {wait:.0f} s.")
            time.sleep(wait)


class _TooSlow(BaseException):  # like KeyboardInterrupt: no library shall take it for an error of its own
    """Raised by the watchdog in the thread that it watches."""


class _Watchdog:
    """A thread that interrupts the thread that made it when too little arrives: once a window, until it is stopped."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._watched = threading.get_ident()
        self._stopped = threading.Event()
        self._sending = threading.Lock()

    def start(self) -> None:
        """From now on."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        counts = deque([self._pace.arrived], maxlen=_LOOKS + 1)
        while not self._stopped.wait(WINDOW / _LOOKS):  # looks, not a clock: a process that was halted is not slow
            counts.append(self._pace.arrived)
            if len(counts) > _LOOKS and counts[-1] - counts[0] < LEAST_RATE * WINDOW:
                with self._sending:
                    if not self._stopped.is_set():
                        _interrupt(self._watched, _TooSlow)
                counts = deque([counts[-1]], maxlen=_LOOKS + 1)

    def stop(self) -> None:
        """After this nothing is sent, and nothing that was sent is on its way."""
        with self._sending:
            self._stopped.set()
        _interrupt(self._watched, None)


def _interrupt(thread: int, kind: type[BaseException] | None) -> None:
    """Have an exception raised in a thread when it next runs Python; None takes back one that was not raised yet."""
    exception = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


def _bounded(action: Callable[[Pace], Result], pace: Pace) -> Result:
    """One try.

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
        watchdog.stop()  # it may have been that which was interrupted
        raise PassingError(f"less than {LEAST_RATE / 1000:g} kB/s arrived for {WINDOW:g} s") from error


def retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for: it holds seconds or a date."""
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
