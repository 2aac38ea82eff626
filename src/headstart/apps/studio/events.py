"""One stream of events for all open pages: each event has the next number, so a page notices if it missed one."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import traceback
from collections.abc import AsyncIterator
from typing import Any

from headstart.errors import HeadstartError

#: Pages that may listen at once, and events that wait for one of them; a slower page is cut off and begins anew.
MOST_LISTENERS, MOST_WAITING = 64, 1000
#: A page that hears nothing for longer than this knows that the server is gone.
BEAT_SECONDS = 5.0


class Stream:
    """Numbers events and sends them to all who listen; `send` may be called from any thread.

    Attributes:
        session: another one after each start.
        revision: number of the latest event.
    """

    def __init__(self) -> None:
        self.session = secrets.token_hex(8)
        self.revision = 0
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Queue[bytes | None], asyncio.AbstractEventLoop] = {}

    def send(self, kind: str, **content: Any) -> None:
        """Send an event to all who listen."""
        with self._lock:
            self.revision += 1
            line = self._line(kind, content)
            for queue, loop in list(self._listeners.items()):
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._put, queue, line)

    def trouble(self, error: Exception) -> None:
        """Show an error on all pages."""
        self.send("trouble", message=reason(error))

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            for queue, loop in self._listeners.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(queue.put_nowait, None)

    def is_full(self) -> bool:
        """Whether no more pages may listen."""
        return len(self._listeners) >= MOST_LISTENERS

    async def listen(self) -> AsyncIterator[bytes]:
        """The events from now on, as server-sent events."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
            yield_first = self._line("hello", {})
        try:
            yield yield_first
            while True:
                try:
                    line = await asyncio.wait_for(queue.get(), BEAT_SECONDS)
                except TimeoutError:
                    line = b": still here\n\n"
                if line is None:
                    return
                yield line
        finally:
            with self._lock:
                self._listeners.pop(queue, None)

    def _put(self, queue: asyncio.Queue[bytes | None], line: bytes) -> None:
        """Runs in the event loop."""
        if queue.qsize() < MOST_WAITING:
            queue.put_nowait(line)
        elif queue.qsize() == MOST_WAITING:
            queue.put_nowait(None)

    def _line(self, kind: str, content: dict[str, Any]) -> bytes:
        event = {"type": kind, "session": self.session, "revision": self.revision, **content}
        return f"data: {json.dumps(event, separators=(',', ':'))}\n\n".encode()


def reason(error: Exception) -> str:
    """What the page shows of an error. Where one happened that nobody expected, stderr shows."""
    if isinstance(error, HeadstartError):
        return str(error)
    traceback.print_exception(error)
    return f"A fault of headstart: {error!r}. Please report it."
