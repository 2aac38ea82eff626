"""Connections have limits of their own: how many, and how long the head of a request may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from uvicorn.server import ServerState

from headstart.apps.serve import connections
from headstart.apps.serve.app import _while_connected
from headstart.apps.serve.connections import Connection, configured
from headstart.apps.serve.guard import Receive, Scope, Send, answer
from http_load import Client, closed, read, request


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, b"fine")


def on_a_server(work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Run `work` with the port of a server in this process."""

    async def both() -> None:
        config, state = configured(fine), ServerState()
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(config, state, {}), "127.0.0.1", 0
        )  # fmt: skip
        async with server:
            await work(server.sockets[0].getsockname()[1])

    asyncio.run(both())


def test_a_head_that_comes_too_slowly_is_refused_and_a_kept_connection_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)

    async def work(port: int) -> None:
        kept = Client(port)
        assert (await kept.ask(request("/", method="GET"))).body == b"fine"
        for sent in (b"", b"GET / HT"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            slow = await read(reader)
            assert (slow.status, slow.headers["connection"]) == (408, "close")
            await closed(writer)
        assert (await kept.ask(request("/", method="GET"))).body == b"fine"
        await kept.close()

    on_a_server(work)


def test_a_client_too_many_is_asked_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 1)

    async def work(port: int) -> None:
        first, second = Client(port), Client(port)
        assert (await first.ask(request("/", method="GET"))).status == 200
        refused = await second.ask(request("/", method="GET"))
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        await first.close()

    on_a_server(work)


def test_the_work_for_a_client_that_goes_away_is_stopped() -> None:
    stopped = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    async def leave() -> None:
        async def gone() -> dict[str, str]:
            await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        with pytest.raises(ClientDisconnect):
            await _while_connected(SimpleNamespace(receive=gone), endless())  # type: ignore[arg-type]
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert stopped == [True]
