"""The studio as an application behind its guards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from headstart.apps.serve.guard import LOOPBACK, Guard, Rules
from headstart.apps.studio.doors import Doors
from headstart.apps.studio.phones import NotInvitedError
from headstart.apps.studio.replies import refusal
from headstart.apps.studio.routes import Routes
from headstart.apps.studio.studio import NoClassifierError, Studio
from headstart.errors import BusyError, HeadstartError

#: Bytes of one upload and of all at once, which are kept on the disk while they come; and seconds for one.
MOST_BYTES, MOST_HELD, MOST_SECONDS = 2**31, 2**32, 900.0


def guarded(studio: Studio, network: str = "") -> Guard:
    """The studio as an ASGI application.

    Args:
        studio: to be shown. network: address of this machine in its network, if phones are admitted.
    """

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        studio.start()
        yield
        studio.stop()

    app = Starlette(
        routes=Routes(studio).all(),
        lifespan=life,
        exception_handlers={HeadstartError: _failed, HTTPException: _refused, ClientDisconnect: _gone},
    )
    hosts = LOOPBACK | ({network} if network else set())
    rules = Rules(hosts=hosts, body_bytes=MOST_BYTES, held_bytes=MOST_HELD, body_seconds=MOST_SECONDS)
    return Guard(Doors(app), rules)


def _failed(request: Request, error: Exception) -> Response:
    codes: dict[type[Exception], int] = {NotInvitedError: 403, NoClassifierError: 409, BusyError: 503}
    return refusal(str(error), codes.get(type(error), 400))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.detail, error.status_code)


def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads this answer: the page was closed while it sent something."""
    return Response(status_code=400)
