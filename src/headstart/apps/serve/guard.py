"""What stands before every page and answer of a server: who may ask, how much may be sent, and how slowly.

Plain ASGI, without a framework. A browser lets any web page send requests to this machine, and lets the owner of a
name point it here (DNS rebinding); so the names of the server and of pages that ask are checked.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
#: Sent with every answer that does not set the same header itself.
_HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
#: Bytes and seconds that are read of a request that was refused, so that its sender reads the answer.
_DRAINED, _DRAINING = 2**26, 2.0


@dataclass(frozen=True)
class Rules:
    """What a server accepts.

    Attributes:
        hosts: names that a request may address, without port; None: any.
        origins: pages of other sites that may ask, such as `https://example.org`.
        token: that a request must carry as `Authorization: Bearer ...`; empty: none.
        open_paths: paths that need no token and may be addressed by any name, for probes.
        body_bytes: bytes of one request's body.
        held_bytes: bytes of the bodies of all requests that are not yet answered.
        body_seconds: for sending a body.
    """

    hosts: frozenset[str] | None = LOOPBACK
    origins: frozenset[str] = frozenset()
    token: str = field(default="", repr=False)
    open_paths: frozenset[str] = frozenset()
    body_bytes: int = 2**26
    held_bytes: int = 2**28
    body_seconds: float = 30.0


class RefusedError(HTTPException):
    """A request is refused. One that is raised while the app reads the body reaches the app's handler of errors."""


class Guard:
    """Answers what breaks the rules, and passes on the rest.

    The app must read the body with `receive`, and turn `starlette.exceptions.HTTPException` into an answer.

    Args:
        app: what answers the rest.
        rules: what is accepted.
    """

    def __init__(self, app: App, rules: Rules) -> None:
        self._app, self._rules = app, rules
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _Exchange(self, scope, receive, send).run()

    async def checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, and answer or pass it on.

        Raises:
            RefusedError: it breaks the rules.
        """
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        self._check_frame(headers)
        if scope["path"] not in self._rules.open_paths:
            self._check_host(headers)
        origin = self._check_origin(scope["method"], headers)
        if origin and scope["method"] == "OPTIONS" and _value(headers, b"access-control-request-method"):
            await answer(send, 204, b"", (b"access-control-allow-methods", b"GET, POST"),
                         (b"access-control-allow-headers", b"authorization, content-type"))  # fmt: skip
            return
        self._check_token(scope["path"], headers)
        await self._app(scope, receive, send)

    def hold(self, size: int) -> None:
        """Count bytes of a body that are held from now on; negative: no longer.

        Raises:
            RefusedError: all requests together hold too much.
        """
        self._held += size
        if size > 0 and self._held > self._rules.held_bytes:
            raise RefusedError(503, "Too much is being sent at once. Try again later.", {"retry-after": "2"})

    def allowed_origin(self, scope: Scope) -> bytes:
        """The page of another site that asks, if it may; else empty."""
        origin = _value(scope["headers"], b"origin")
        return origin if origin.decode("latin-1") in self._rules.origins else b""

    @property
    def rules(self) -> Rules:
        """What is accepted."""
        return self._rules

    def _check_frame(self, headers: Headers) -> None:
        lengths = [value for name, value in headers if name == b"content-length"]
        if len(lengths) > 1 or (lengths and _value(headers, b"transfer-encoding")):
            raise RefusedError(400, "The length of the body is given in two ways. Expected one Content-Length.")
        if lengths and int(lengths[0]) > self._rules.body_bytes:
            raise self.too_large(int(lengths[0]))

    def too_large(self, size: int) -> RefusedError:
        """The error for a body of at least `size` bytes."""
        return RefusedError(
            413, f"The request has {size:,} bytes or more. Expected at most {self._rules.body_bytes:,}. Send less."
        )

    def _check_host(self, headers: Headers) -> None:
        given = [value for name, value in headers if name == b"host"]
        name = _host_name(given[0]) if len(given) == 1 else None
        if name is None or (self._rules.hosts is not None and name not in self._rules.hosts):
            raise RefusedError(421, "The request is addressed to another server. Expected a name that this one knows.")

    def _check_origin(self, method: str, headers: Headers) -> bool:
        """Whether another site's page asks, and may."""
        origin = _value(headers, b"origin").decode("latin-1")
        if not origin or urlsplit(origin).netloc.encode("latin-1") == _value(headers, b"host"):
            return False
        if origin in self._rules.origins:
            return True
        if method not in _SAFE_METHODS:
            raise RefusedError(403, "A page of another site sent this request, and that site is not allowed to.")
        return False

    def _check_token(self, path: str, headers: Headers) -> None:
        if not self._rules.token or path in self._rules.open_paths:
            return
        scheme, _, given = _value(headers, b"authorization").partition(b" ")
        right = hmac.compare_digest(given.strip(), self._rules.token.encode())
        if scheme.lower() != b"bearer" or not right:
            raise RefusedError(
                401, "The token is missing or wrong. Expected the header 'Authorization: Bearer TOKEN'.",
                {"www-authenticate": "Bearer"},
            )  # fmt: skip


class _Exchange:
    """One request and its answer."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self._received = 0
        headers = scope["headers"]
        has_body = _value(headers, b"transfer-encoding") or _value(headers, b"content-length") not in (b"", b"0")
        self._complete = not has_body  # whether the whole body has come
        self._deadline = asyncio.get_running_loop().time() + guard.rules.body_seconds

    async def run(self) -> None:
        """Answer the request."""
        try:
            await self._guard.checked(self._scope, self._read, self._write)
        except RefusedError as error:
            headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
            body = json.dumps({"error": error.detail}).encode()
            await answer(self._write, error.status_code, body, (b"content-type", b"application/json"), *headers)
        finally:
            self._guard.hold(-self._received)

    async def _read(self) -> Message:
        """Receive, within the limits of size and time; after the body, wait for the end of the connection."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise RefusedError(
                408, f"The request did not arrive within {self._guard.rules.body_seconds:g} seconds. Send it faster."
            ) from error
        size = len(message.get("body", b""))
        self._received += size
        self._complete = not message.get("more_body", False)
        self._guard.hold(size)
        if self._received > self._guard.rules.body_bytes:
            raise self._guard.too_large(self._received)
        return message

    async def _drain(self) -> None:
        """Read what the client is still sending: if the connection closed at once, it might not see the answer."""
        size, loop = 0, asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(self._deadline, loop.time() + _DRAINING)):
                while size < _DRAINED and not self._complete:
                    message = await self._receive()
                    size += len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)
        except TimeoutError:
            return

    async def _write(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Headers = list(message.get("headers", []))
            if not self._complete:
                headers.append((b"connection", b"close"))
                if not _value(self._scope["headers"], b"expect"):
                    await self._drain()
            named = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in _HEADERS.items() if name not in named]
            if origin := self._guard.allowed_origin(self._scope):
                headers = [one for one in headers if one[0] != b"cross-origin-resource-policy"]
                headers += [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
            message = {**message, "headers": headers}
        await self._send(message)


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


def _value(headers: Headers, name: bytes) -> bytes:
    """The first header of this name, or empty."""
    return next((value for key, value in headers if key == name), b"")


def _host_name(value: bytes) -> str | None:
    """The name in a Host header, without the port; None if it is not one."""
    try:
        return urlsplit(f"//{value.decode('ascii')}").hostname
    except ValueError:
        return None
