"""A light HTTP client for tests and benchmarks: raw sockets in one event loop, so that the load costs little itself."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer: its status, headers and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(path: str, body: bytes = b"", kind: str = "image/jpeg", method: str = "POST", *more: str) -> bytes:
    """The bytes of a request."""
    head = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *more]
    if method == "POST":
        head += [f"content-type: {kind}", f"content-length: {len(body)}"]
    return "\r\n".join([*head, "\r\n"]).encode() + body


async def read(reader: asyncio.StreamReader) -> Reply:
    """Read one answer.

    Raises:
        ConnectionError: the connection closed before its end.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError(f"closed after {len(error.partial)} bytes") from error
    return Reply(int(head[0].split()[1]), headers, body)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def ask(port: int, sent: bytes) -> Reply:
    """Send one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await read(reader)
    finally:
        await closed(writer)


class Client:
    """A client that keeps its connection while the server does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, sent: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(sent)
        reply = await read(reader)
        if reply.headers.get("connection") == "close":
            await self.close()
        return reply

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            await closed(writer)
