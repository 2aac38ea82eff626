"""Trying again after failures that pass: a few times, with pauses that grow, and the user is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from headstart.backbones.fetch.handles import Handle
from headstart.backbones.fetch.watching import Watcher, failure

Result = TypeVar("Result")

#: Seconds before the second, third and fourth try.
PAUSES = (1.0, 3.0, 9.0)
#: A server that asks for a longer pause than this is not waited for.
LONGEST_PAUSE = 60.0
#: Answers that may be another one in a moment.
PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
#: What to do.
AGAIN = "Try again later: headstart backbones get {handle}"
NO_NETWORK = (
    "Connect this machine to the network, or carry the network over: headstart backbones pack {handle} -o FILE there, "
    "headstart backbones unpack FILE here."
)


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


def patiently(handle: Handle, watcher: Watcher, action: Callable[[], Result]) -> Result:
    """Do it, and again while it fails with `PassingError`.

    Raises:
        BackboneError: the last try failed too, or the server asks to wait for too long.
    """
    for pause in (*PAUSES, None):
        try:
            return action()
        except PassingError as error:
            wait = max(pause or 0.0, error.pause or 0.0)
            if pause is None or wait > LONGEST_PAUSE:
                asks = f"\nIt asks to wait for {error.pause:.0f} s." if error.pause else ""
                advice = AGAIN.format(handle=handle)
                raise failure(str(handle), f"cannot be fetched: {error.what}.{asks}", advice) from error
            watcher.said(f"{handle}: {error.what}; trying again in {wait:.0f} s.")
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


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
