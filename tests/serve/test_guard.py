"""The guard of a server: who may ask, how much may be sent, and how slowly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from headstart.apps.serve.guard import Guard, Receive, Rules, Scope, Send, answer

HERE = (b"host", b"127.0.0.1:8080")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message.get("more_body", False)
    await answer(send, 200, str(size).encode())


class Asked:
    """An answer: its status, headers and body."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages)

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


async def asked(
    guard: Guard, *headers: tuple[bytes, bytes], method: str = "GET", path: str = "/", parts: Iterable[bytes] = ()
) -> Asked:
    coming, sent = list(parts), []

    async def receive() -> dict[str, Any]:
        if not coming:
            await asyncio.Event().wait()  # a client that sends no more
        body = coming.pop(0)
        return {"type": "http.request", "body": body, "more_body": body != b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    await guard(scope, receive, send)
    return Asked(sent)


def ask(rules: Rules, *headers: tuple[bytes, bytes], **request: Any) -> Asked:
    parts = request.setdefault("parts", [b""])
    if parts != [b""]:
        headers = (*headers, (b"transfer-encoding", b"chunked"))
    return asyncio.run(asked(Guard(echo, rules), *headers, **request))


@pytest.mark.parametrize(
    "host", [b"127.0.0.1", b"localhost:8080", b"[::1]:8080", b"LOCALHOST"], ids=lambda host: host.decode()
)
def test_its_own_names_are_answered(host: bytes) -> None:
    found = ask(Rules(), (b"host", host))
    assert found.status == 200
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b"attacker.example"],
        [b"127.0.0.1.attacker.example"],
        [b"127.0.0.1", b"attacker.example"],
        [b"["],
        [b"\xff"],
    ],
    ids=str,
)
def test_a_foreign_name_is_refused_as_when_a_name_is_pointed_here(hosts: list[bytes]) -> None:
    assert ask(Rules(), *[(b"host", host) for host in hosts]).status == 421


def test_a_page_of_another_site_may_not_post_and_gets_no_leave_to_read() -> None:
    other = (b"origin", b"https://attacker.example")
    assert ask(Rules(), HERE, other, method="POST").status == 403
    assert ask(Rules(), HERE, (b"origin", b"null"), method="POST").status == 403
    assert "access-control-allow-origin" not in ask(Rules(), HERE, other).headers
    assert ask(Rules(), HERE, (b"origin", b"http://127.0.0.1:8080"), method="POST").status == 200


def test_a_page_that_is_allowed_may() -> None:
    rules, origin = Rules(origins=frozenset({"https://mine.example"}), token="secret"), b"https://mine.example"
    preflight = (b"access-control-request-method", b"POST")
    found = ask(rules, HERE, (b"origin", origin), preflight, method="OPTIONS")
    assert (found.status, found.headers["access-control-allow-origin"]) == (204, "https://mine.example")
    posted = ask(rules, HERE, (b"origin", origin), (b"authorization", b"Bearer secret"), method="POST")
    assert (posted.status, posted.headers["access-control-allow-origin"]) == (200, "https://mine.example")
    assert "cross-origin-resource-policy" not in posted.headers


def test_a_token_is_asked_for_except_on_open_paths() -> None:
    rules = Rules(token="secret", open_paths=frozenset({"/live"}))
    assert ask(rules, HERE, path="/live").status == 200
    assert ask(rules, HERE, (b"authorization", b"Bearer secret")).status == 200
    for given in ([], [b"Bearer wrong"], [b"Bearer secrets"], [b"Basic secret"], [b"Bearer \xff"]):
        found = ask(rules, HERE, *[(b"authorization", value) for value in given])
        assert (found.status, found.headers["www-authenticate"]) == (401, "Bearer")
    assert "secret" not in repr(rules)


def test_a_body_may_have_a_length_in_one_way_only() -> None:
    length = (b"content-length", b"3")
    assert ask(Rules(), HERE, length, method="POST", parts=[b"abc", b""]).status == 400
    assert ask(Rules(), HERE, length, length, method="POST").status == 400


def test_a_body_that_is_too_large_is_refused_and_read_to_its_end() -> None:
    rules = Rules(body_bytes=1000)
    assert ask(rules, HERE, (b"content-length", b"1001"), method="POST").status == 413
    found = ask(rules, HERE, method="POST", parts=[b"a" * 600, b"a" * 600, b"a" * 600, b""])
    assert found.status == 413
    assert "at most 1,000" in found.error
    assert ask(rules, HERE, method="POST", parts=[b"a" * 1000, b""]).body == b"1000"


def test_bodies_of_all_requests_together_are_limited() -> None:
    async def two() -> tuple[Asked, Asked]:
        guard = Guard(echo, Rules(held_bytes=1000, body_seconds=0.2))
        chunked = (b"transfer-encoding", b"chunked")
        slow = asyncio.create_task(asked(guard, HERE, chunked, method="POST", parts=[b"a" * 900]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = await asked(guard, HERE, chunked, method="POST", parts=[b"a" * 200, b""])
        first = await slow
        assert (await asked(guard, HERE, chunked, method="POST", parts=[b"a" * 900, b""])).status == 200, "freed again"
        return first, second

    slow, second = asyncio.run(two())
    assert (second.status, second.headers["retry-after"]) == (503, "2")
    assert (slow.status, slow.headers["connection"]) == (408, "close")
