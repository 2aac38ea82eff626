"""Runs the studio: finds a port, opens the browser, stops at Ctrl-C."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path

from headstart.errors import DataError, MissingExtraError

#: Port that is tried first.
PORT = 8770
_TRIED = 20


def serve(folder: Path, handle: str, port: int | None, lan: bool, browser: bool, ready: Callable[[str], None]) -> None:
    """Show a folder in the studio until Ctrl-C is pressed.

    Args:
        folder: of class folders; made if missing. handle: of the backbone.
        port: to listen on; None: a free one. lan: whether phones on the same network may send photos.
        browser: whether to open the page. ready: receives the address as soon as the page can be opened.

    Raises:
        MissingExtraError: the extra `studio` is not installed.
        DataError: the folder cannot be used, or the port is taken.
    """
    try:
        import uvicorn

        from headstart.apps.studio.app import make_app
    except ImportError as error:
        raise MissingExtraError(
            f"The studio needs {error.name}.\nInstall it: pip install 'headstart[studio]'"
        ) from error
    from headstart.apps.studio.studio import Studio

    studio = Studio(folder, handle)
    bound = _bound("127.0.0.1", port)
    address = f"http://127.0.0.1:{bound.getsockname()[1]}/"

    class Server(uvicorn.Server):
        """Reports when the page can be opened, and ends the streams when it stops."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """See `uvicorn.Server`."""
            await super().startup(sockets)
            ready(address)
            if browser:
                webbrowser.open(address)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """See `uvicorn.Server`."""
            studio.stop()  # ends the streams, which would never end by themselves
            await super().shutdown(sockets)

    Server(uvicorn.Config(make_app(studio), log_level="warning", timeout_graceful_shutdown=1)).run([bound])


def _bound(host: str, port: int | None) -> socket.socket:
    """A socket that listens on the port, or on a free one near the usual."""
    for number in [port] if port is not None else [*range(PORT, PORT + _TRIED), 0]:
        bound = socket.socket(socket.AF_INET)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, number))
            return bound
        except OSError as error:
            bound.close()
            reason = error.strerror
    raise DataError(f"Port {port} cannot be used: {reason}.\nExpected a free one. Leave out --port to find one.")
