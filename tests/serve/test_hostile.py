"""Requests that mean harm: each is refused, none disturbs the server or those who ask beside it."""

# ruff: noqa: F811  # fixtures that are imported have the names of arguments

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bombs import gif, png, webp, zeros
from http_load import Client, ask, closed, read, request
from servers import Serving, server, sights, start, store  # noqa: F401

JSON = "application/json"
HOST, BOTH = b"host: 127.0.0.1\r\n", b"content-length: 5\r\ntransfer-encoding: chunked\r\n"


async def raw(port: int, *parts: bytes, cut: bool = False) -> int:
    """The status of the answer to these bytes, or 0 if the server closes; `cut`: the client closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return 0 if cut else (await asyncio.wait_for(read(reader), 60)).status
    except (ConnectionError, asyncio.LimitOverrunError):
        return 0
    finally:
        await closed(writer)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /predict HTTP/1.1\r\n" + HOST + BOTH + b"\r\n0\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef", 400),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"content-length: +5\r\n\r\nabcde", 400),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"content-length: -1\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"content-length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"content-length: 9999999999\r\nexpect: 100-continue\r\n\r\n", 413),
        (b"POST /predict HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /docs HTTP/1.1\r\n" + HOST + b"bad header: 1\r\n\r\n", 400),
        (b"GET /docs HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET /docs HTTP/1.1\r\n\r\n", 400),
        (b"GET /docs HTTP/1.1\r\nhost: attacker.example\r\n\r\n", 421),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /" + b"a" * 30_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421),
        (b"\r\n\r\n\r\nhello\r\n\r\n", 400),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_head_that_could_be_understood_in_two_ways_is_refused(server: Serving, head: bytes, status: int) -> None:
    assert asyncio.run(raw(server.port, head)) == status


def bombs() -> Iterator[bytes]:
    """Small files of large or slow pictures."""
    plain = png(64, 8, 2)
    yield png(20_000, 8, 2)
    yield png(4_900, 8, 2)
    yield png(3_000, 8, 6)
    yield png(3_000, 8, 2, interlaced=1)
    yield gif(16_000)
    yield webp(5_000)
    yield plain[:-30]
    yield b"\xff\xd8\xff" + b"\xff" * 100_000
    yield b"RIFF\xff\xff\xff\xffWEBP" + bytes(1000)
    yield zeros(10**6)


def hostile(photo: bytes, rng: random.Random) -> list[Callable[[int], Any]]:
    """2,000 requests, in a random order."""
    made: list[Callable[[int], Any]] = []

    def add(sent: bytes, count: int = 1, cut: bool = False) -> None:
        made.extend([lambda port: raw(port, sent, cut=cut)] * count)

    whole = request("/predict", photo)
    for bomb in bombs():
        add(request("/predict", bomb), 5)
    for _ in range(450):
        add(whole[: rng.randrange(len(whole))], cut=True)
        add(request("/predict", rng.randbytes(rng.randrange(3000)), rng.choice(KINDS)))
        noisy = bytearray(photo)
        for _ in range(20):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        add(request("/predict", bytes(noisy)))
        add(request(rng.choice(PATHS), json.dumps(rubbish(rng, 4)).encode(), JSON))
    add(request("/predict", bytes(20_000_001)), 10)
    add(request("/predict", b"[" * 150_000, JSON), 140)
    return rng.sample(made, len(made))


KINDS = ("image/jpeg", "application/octet-stream", JSON, "multipart/form-data; boundary=b", "text/html", "")
PATHS = ("/predict", "/embed", "/v2/models/sights/infer", "/v2/models/x/infer", "/metrics", "/" + "a" * 99)


def rubbish(rng: random.Random, depth: int) -> Any:
    """A JSON document with the names of fields that are known, and values that are wrong."""
    if not depth or rng.random() < 0.2:
        return rng.choice([None, True, -1, 1e308, 10**30, "", "%%", "QUJD", "http://a", "\ud800", [], {}])
    if rng.random() < 0.3:
        return [rubbish(rng, depth - 1) for _ in range(rng.randrange(4))]
    names = ("inputs", "image", "parameters", "top_k", "top", "name", "shape", "datatype", "data", "id")
    return {name: rubbish(rng, depth - 1) for name in rng.sample(names, 4)}


@pytest.mark.slow
def test_two_thousand_hostile_requests_disturb_nobody(server: Serving, tiles: Path) -> None:
    photo = next((tiles / "test").rglob("*.png")).read_bytes()
    statuses: list[int] = []

    async def timed(one: Client, count: int) -> float:
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            reply = await one.ask(request("/predict", photo))
            seconds.append(time.perf_counter() - began)
            assert reply.status == 200
        return statistics.median(seconds)

    async def attacker(work: list[Callable[[int], Any]]) -> None:
        while work:
            statuses.append(await work.pop()(server.port))

    async def slow() -> None:
        """Opens connections and sends a byte a second."""
        writers = [(await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(100)]
        try:
            for place in range(1000):
                for writer in writers:
                    writer.write(b"POST /predict HTTP/1.1\r\n"[place % 25 : place % 25 + 1])
                await asyncio.sleep(1)
        finally:
            for writer in writers:
                await closed(writer)

    async def both() -> tuple[float, float]:
        one = Client(server.port)
        alone = await timed(one, 60)
        work = hostile(photo, random.Random(0))
        assert len(work) == 2000
        slow_ones = asyncio.ensure_future(slow())
        attackers = [asyncio.ensure_future(attacker(work)) for _ in range(4)]
        beside = await timed(one, 60)
        await asyncio.gather(*attackers)
        slow_ones.cancel()
        await asyncio.gather(slow_ones, return_exceptions=True)
        await timed(one, 5)
        await one.close()
        return alone, beside

    alone, beside = asyncio.run(both())
    assert {status for status in statuses if status >= 500} <= {503}
    assert {400, 413, 415, 422} <= set(statuses)
    assert beside <= 6 * alone, "the bar is 2, see benchmarks/RESULTS.md; other tests may run meanwhile"


@pytest.mark.slow
def test_requests_made_from_its_own_description_never_make_it_fail(server: Serving) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error

    document = asyncio.run(ask(server.port, request("/openapi.json", method="GET"))).json
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    seen: set[int] = set()
    for operation in schema.get_all_operations():

        @given(case=operation.ok().as_strategy())
        @settings(max_examples=25, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        def probe(case: Any) -> None:
            response = case.call(headers={"host": "127.0.0.1"})
            seen.add(response.status_code)
            case.validate_response(response, checks=(not_a_server_error,))

        probe()
    assert seen >= {200, 400}
