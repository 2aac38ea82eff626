"""uvicorn's connections with limits of their own: how many, and how long a client may take for the head of a request.

Errors that uvicorn answers by itself, before any of our code runs, are JSON here like all others.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn.config import Config

#: Seconds for the head of a request, bytes of it, connections at once, and seconds that an idle one is kept.
HEAD_SECONDS, HEAD_BYTES, CONNECTIONS, IDLE_SECONDS = 10.0, 2**14, 1000, 75

#: Seconds between looks at a connection on which something is coming, at the end.
_AGAIN = 0.05


class Connection(H11Protocol):
    """A connection. The head of a request must arrive within `HEAD_SECONDS` of its first byte, or of the connection."""

    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse a connection that is one too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self._answer(503, f"{CONNECTIONS} clients are connected already. Try again later.")
        else:
            self._slow = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a head, and stop it with the last."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_clock()
        elif self._slow is None:
            self._slow = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_clock()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """See `H11Protocol`: the next request's head has a clock of its own."""
        self._stop_clock()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close the connection when nothing is to be answered on it any more, a request on its way included."""
        if not self.transport.is_closing():
            with selectors.DefaultSelector() as selector:
                selector.register(self.transport.get_extra_info("socket"), selectors.EVENT_READ)
                if selector.select(0):
                    self.loop.call_later(_AGAIN, self.shutdown)
                    return
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._answer(400, "This is not a request of HTTP/1.1 that can be understood.")

    def _stop_clock(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _too_slow(self) -> None:
        self._answer(408, f"The head of the request did not arrive within {HEAD_SECONDS:g} seconds.")

    def _answer(self, status: int, why: str) -> None:
        """Answer and close."""
        body = json.dumps({"error": why}).encode()
        reason = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}[status]
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        retry = "retry-after: 2\r\n" if status == 503 else ""
        self.transport.write(f"{head}{retry}connection: close\r\n\r\n".encode() + body)
        self.transport.close()


def configured(app: object) -> Config:
    """A configuration of uvicorn for `app`: our connections, no log of its own, nothing taken from proxies' headers."""
    from uvicorn.config import Config

    return Config(
        app,  # type: ignore[arg-type]
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,
        backlog=2048,
    )
