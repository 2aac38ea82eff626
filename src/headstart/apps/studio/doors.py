"""Who may come in by which door: pages on this machine everywhere, phones only to what is theirs.

It stands behind `serve.guard`, which has checked the names of the server and of the page that asks.
"""

from __future__ import annotations

import ipaddress

from headstart.apps.serve.guard import App, Message, Receive, RefusedError, Scope, Send

#: A form of another site cannot set it, so a request that has it comes from our page.
HEADER = b"x-headstart"
_FOR_PHONES = ("/phone/", "/page/")
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
        b"base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    ),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=()"),
]
#: Only on this machine: browsers ignore it, and complain, where the connection is neither encrypted nor local.
_HEADERS_HERE = [*_HEADERS, (b"cross-origin-opener-policy", b"same-origin")]


class Doors:
    """Refuses what must not come in, and sets the page's policies.

    Args:
        app: what answers the rest.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification.

        Raises:
            RefusedError: the request must not come in.
        """
        if scope["type"] != "http":  # the start and the end of the server
            await self._app(scope, receive, send)
            return
        here = _is_here(scope)
        if not here and not scope["path"].startswith(_FOR_PHONES):
            raise RefusedError(403, "This page is only for the computer that it runs on. Scan its QR code.")
        if scope["method"] == "POST" and not any(name == HEADER for name, _ in scope["headers"]):
            raise RefusedError(403, "The header X-Headstart: 1 is missing. Expected it with every POST.")
        headers = _HEADERS_HERE if here else _HEADERS

        async def write(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *headers]}
            await send(message)

        await self._app(scope, receive, write)


def _is_here(scope: Scope) -> bool:
    """Whether the request comes from this machine."""
    client = scope.get("client")
    return client is not None and ipaddress.ip_address(client[0]).is_loopback
