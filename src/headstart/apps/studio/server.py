"""Runs the studio: finds a port, opens the browser, stops at Ctrl-C."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from headstart.apps.studio.folder import TRASH
from headstart.apps.studio.phones import address_in_network
from headstart.disk import locks
from headstart.errors import DataError, MissingExtraError
from headstart.safety.printable import show

#: Port that is tried first.
PORT = 8770
_TRIED = 20


def serve(
    folder: Path,
    backbones: Sequence[str],
    port: int | None,
    lan: bool,
    browser: bool,
    ready: Callable[[str, bool], None],
) -> None:
    """Show a folder in the studio until Ctrl-C is pressed.

    Args:
        folder: of class folders; made if missing. backbones: handles of those here; the first is used.
        port: to listen on; None: a free one. lan: whether phones on the same network may send photos.
        browser: whether to open the page. ready: receives the address as soon as the page can be opened, and
            whether the folder was made.

    Raises:
        MissingExtraError: the extra `studio` is not installed.
        DataError: the folder cannot be used, the port is taken, or there is no network for phones.
    """
    try:
        from headstart.apps.serve.connections import configured
        from headstart.apps.studio.app import guarded
    except ImportError as error:
        raise MissingExtraError(
            f"The studio needs {error.name}.\nInstall it: pip install 'headstart[studio]'"
        ) from error
    import uvicorn

    from headstart.apps.studio.studio import Studio

    network = address_in_network() if lan else ""
    with _bound("0.0.0.0" if lan else "127.0.0.1", port) as bound:
        number = bound.getsockname()[1]
        studio = Studio(folder, backbones, f"http://{network}:{number}" if lan else "")

        class Server(uvicorn.Server):
            """Reports when the page can be opened, and ends the streams when it stops."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                """See `uvicorn.Server`."""
                await super().startup(sockets)
                ready(f"http://127.0.0.1:{number}/", studio.folder.is_new)
                if browser:
                    webbrowser.open(f"http://127.0.0.1:{number}/")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                """See `uvicorn.Server`."""
                studio.stop()  # ends the streams, which would never end by themselves
                await super().shutdown(sockets)

        config = configured(guarded(studio, network))
        config.timeout_graceful_shutdown = 1
        with locks.owned_if_free(studio.folder.at(f"{TRASH}/lock")) as free:
            if not free:
                raise DataError(
                    f"{show(folder)} is open in another studio.\nExpected one at a time. Use its page, or end it with "
                    "Ctrl-C."
                )
            Server(config).run([bound])


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
