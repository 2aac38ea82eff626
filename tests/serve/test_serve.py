"""`headstart serve`: its answers are those of `headstart predict`, and it ends, changes and fails as it should."""

# ruff: noqa: F811  # fixtures that are imported have the names of arguments

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart
from headstart.apps.cli.commands import app
from headstart.classifier.classifier import Classifier
from headstart.errors import MissingExtraError, ServeError
from http_load import Client, Reply, ask, request
from servers import Serving, server, sights, start, store  # noqa: F401

CORNER = "corner"
FORM, JSON = f"multipart/form-data; boundary={CORNER}", "application/json"
Start = Callable[..., Serving]


def form(*photos: bytes, **fields: str) -> bytes:
    named = [('name="image"; filename="a.jpg"', photo) for photo in photos]
    named += [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts = [f"--{CORNER}\r\ncontent-disposition: form-data; {head}\r\n\r\n".encode() + body for head, body in named]
    return b"\r\n".join([*parts, f"--{CORNER}--\r\n".encode()])


def reply(one: Serving, *arguments: Any) -> Reply:
    return asyncio.run(ask(one.port, request(*arguments)))


def get(one: Serving, path: str, *headers: str) -> Reply:
    return reply(one, path, b"", "", "GET", *headers)


def text(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


@pytest.fixture(scope="module")
def photos(tiles: Path, samples: dict[str, Path]) -> list[Path]:
    """Twenty photos."""
    return [*sorted((tiles / "test").rglob("*.png")), *samples.values()][-20:]


@pytest.fixture(scope="module")
def expected(sights: Path, store: Path, photos: list[Path]) -> headstart.Predictions:
    """What `headstart predict` answers for them, all at once."""
    return Classifier.load(sights, store=store).predictions(photos)


def test_eight_clients_get_the_very_numbers_of_predict(server: Serving, photos: list[Path], expected: Any) -> None:
    found: dict[int, Any] = {}

    async def client(work: list[int]) -> None:
        one = Client(server.port)
        while work:
            number = work.pop()
            found[number] = (await one.ask(request("/predict?top=9", photos[number].read_bytes()))).json
        await one.close()

    async def eight() -> None:
        work = random.Random(0).sample(range(20), 20)
        await asyncio.gather(*(client(work) for _ in range(8)))

    asyncio.run(eight())
    for number in range(20):
        row = dict(zip(expected.classes, expected.probabilities[number].tolist(), strict=True))
        assert {one["label"]: one["score"] for one in found[number]} == row
        assert {one["unknown"] for one in found[number]} == {bool(expected.unknown[number])}
        assert found[number][0]["label"] == expected.labels[number]


def test_photos_may_be_sent_in_any_way(server: Serving, photos: list[Path]) -> None:
    one, other = photos[0].read_bytes(), photos[1].read_bytes()
    single = reply(server, "/predict", one).json
    both = [single, reply(server, "/predict", other, "application/octet-stream").json]
    assert single[0].keys() == {"label", "score", "unknown"}
    assert reply(server, "/predict", form(one), FORM).json == single
    assert reply(server, "/predict", form(one, other), FORM).json == both
    assert reply(server, "/predict", form(one, top="1"), FORM).json == single[:1]
    for document, answer in (
        ({"inputs": text(one)}, single),
        ({"inputs": [text(one), text(other)]}, both),
        ({"inputs": [text(one)]}, [single]),
        ({"image": "data:image/png;base64," + text(one)}, single),
        ({"inputs": text(one), "parameters": {"top_k": 1}}, single[:1]),
    ):
        assert reply(server, "/predict", json.dumps(document).encode(), JSON).json == answer
    assert reply(server, "/predict?top=1&unknown=false", one).json == [
        {"label": single[0]["label"], "score": single[0]["score"]}
    ]


def test_embed_gives_the_backbones_vector(server: Serving, photos: list[Path], store: Path) -> None:
    vector = headstart.embed(photos[0], store=store)
    assert reply(server, "/embed", photos[0].read_bytes()).json == vector.tolist()


def test_the_open_inference_protocol_takes_files_and_pixels(server: Serving, photos: list[Path], expected: Any) -> None:
    picture = np.asarray(Image.open(photos[0]).convert("RGB"))
    files = b"".join(struct.pack("<I", path.stat().st_size) + path.read_bytes() for path in photos[:2])
    tensors: list[tuple[dict[str, Any], bytes]] = [
        ({"shape": [2], "datatype": "BYTES", "data": [text(path.read_bytes()) for path in photos[:2]]}, b""),
        ({"shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(files)}}, files),
        ({"shape": [1, *picture.shape], "datatype": "UINT8", "data": picture.ravel().tolist()}, b""),
        ({"shape": [1, *picture.shape], "datatype": "UINT8", "data": [picture.tolist()]}, b""),
        ({"shape": [1, *picture.shape], "datatype": "UINT8", "parameters": {"binary_data_size": picture.size}},
         picture.tobytes()),
    ]  # fmt: skip
    for tensor, binary in tensors:
        head = json.dumps({"id": "7", "inputs": [{"name": "image", **tensor}]}).encode()
        more = [f"inference-header-content-length: {len(head)}"] if binary else []
        found = reply(server, "/v2/models/sights/infer", head + binary, JSON, "POST", *more).json
        n = tensor["shape"][0]
        assert (found["id"], found["model_name"]) == ("7", "sights")
        outputs = {one["name"]: one for one in found["outputs"]}
        assert outputs["probabilities"]["shape"] == [n, 2]
        assert outputs["probabilities"]["data"] == expected.probabilities[:n].ravel().tolist()
        assert outputs["label"]["data"] == expected.labels[:n]
        assert outputs["unknown"]["data"] == expected.unknown[:n].tolist()


def test_it_states_what_it_serves_without_a_path(server: Serving, sights: Path, store: Path) -> None:
    about = get(server, "/v2/models/sights")
    assert about.json["classes"] == ["flower", "temple"]
    assert about.json["backbone"] == "builtin:efficientnet-lite0"
    assert about.json["evaluation"]["n"] == about.json["measured_on"]
    assert get(server, "/v2/health/live").json == {"live": True}
    assert get(server, "/v2/models/sights/ready").json["ready"] is True
    everything = b""
    for path in ("/v2/models/sights", "/metrics", "/docs", "/openapi.json", "/nothing", "/v2/models/other", "/predict"):
        everything += get(server, path).body
    for folder in (sights.parent, store, Path(headstart.__file__).parent):
        assert str(folder).encode() not in everything


def test_its_page_loads_nothing_and_runs_nothing(server: Serving) -> None:
    page = get(server, "/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert not re.findall(rb"<script|<link|<img|url\(|@import|https?://(?!127\.0\.0\.1/predict)", page.body)
    assert b"/v2/models/sights/infer" in page.body
    assert get(server, "/").headers["location"] == "docs"


def test_requests_are_counted_and_logged_without_what_they_send(server: Serving, photos: list[Path]) -> None:
    assert reply(server, "/predict?top=1&secret=hidden", photos[0].read_bytes()).status == 200
    server.wait_for('"path": "/predict"')
    line = next(one for one in server.answered if one["path"] == "/predict")
    assert line.keys() == {"time", "client", "method", "path", "status", "seconds", "bytes", "photos"}
    assert not [one for one in server.said if "hidden" in one]
    metrics = get(server, "/metrics").body.decode()
    assert 'headstart_requests_total{route="/predict",status="200"}' in metrics
    assert 'headstart_photos_total{outcome="predicted"}' in metrics


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "words"),
    [
        ("/predict", b"", "image/jpeg", 422, "empty"),
        ("/predict", b"no photo", "image/jpeg", 422, "not an image"),
        ("/predict", b"no photo", "text/plain", 415, "multipart/form-data"),
        ("/predict", form(), FORM, 400, "no photo"),
        ("/predict", form(b"a"), "multipart/form-data", 400, "boundary"),
        ("/predict", form(b"a")[:-20], FORM, 400, "cut off"),
        ("/predict", form(*[b"a"] * 33), FORM, 413, "at most 32"),
        ("/predict", form(b"a", colour="red"), FORM, 400, "colour"),
        ("/predict", form(b"a", top="0"), FORM, 400, "1 or more"),
        ("/predict?top=x", b"a", "image/jpeg", 400, "whole number"),
        ("/predict?unknown=1", b"a", "image/jpeg", 400, "neither"),
        ("/predict", b"{", JSON, 400, "not JSON"),
        ("/predict", b"[" * 100_000, JSON, 400, "not JSON"),
        ("/predict", b"[],[" * 110_000, JSON, 413, "too many parts"),
        ("/predict", b"[]", JSON, 400, "Expected an object"),
        ("/predict", b'{"inputs": "a", "image": "b"}', JSON, 400, "or two"),
        ("/predict", b'{"inputs": "%%%"}', JSON, 400, "not base64"),
        ("/predict", b'{"inputs": {}}', JSON, 400, "Expected text"),
        ("/predict", b'{"inputs": "https://example.org/a.jpg"}', JSON, 400, "Nothing is fetched"),
        ("/v2/models/sights/infer", b"{}", JSON, 400, "one tensor"),
        ("/v2/models/sights/infer", b'{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}', JSON, 400, "UINT8"),
        ("/v2/models/sights/infer", b'{"inputs":[{"shape":[9,9],"datatype":"BYTES","data":[]}]}', JSON, 400, "shape"),
        ("/v2/models/sights/infer", b'{"inputs":[{"shape":[1,1,1,3],"datatype":"UINT8","data":[256,1,1]}]}', JSON, 400,
         "0 to 255"),
        ("/v2/models/other/infer", b"{}", JSON, 404, "/v2/models/sights"),
        ("/nothing", b"", JSON, 404, "/docs"),
        ("/metrics", b"", JSON, 405, "another method"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_explained(
    server: Serving,
    path: str,
    body: bytes,
    kind: str,
    status: int,
    words: str,
) -> None:
    found = reply(server, path, body, kind)
    assert found.status == status
    assert found.json.keys() == {"error"}
    assert words in found.json["error"]


# --- its start and its end ---


@pytest.fixture
def own_copy(sights: Path, tmp_path: Path) -> Path:
    """The classifier in a folder of its own."""
    return Path(shutil.copytree(sights, tmp_path / "sights"))


def test_a_token_from_the_environment_and_limits_from_options_are_kept(
    start: Start,
    sights: Path,
    photos: list[Path],
) -> None:
    limits = ["--max-bytes", "1000", "--max-photos", "2", "--log-format", "text", "--name", "mine"]
    one = start(sights, *limits, "--host", "0.0.0.0", HEADSTART_TOKEN="secret")
    assert '-H "Authorization: Bearer $HEADSTART_TOKEN"' in one.curl
    assert get(one, "/v2/models/mine").status == 401
    assert get(one, "/v2/models/mine", "authorization: Bearer secret").status == 200
    assert get(one, "/v2/health/ready").status == 200
    sent = ("image/png", "POST", "authorization: Bearer secret")
    assert reply(one, "/predict", photos[0].read_bytes(), *sent).status == 413
    assert reply(one, "/predict", form(b"a", b"a", b"a"), FORM, *sent[1:]).status == 413
    assert one.stop(signal.SIGINT) == 0
    assert not [line for line in one.said if "secret" in line or "Caution" in line]


def test_the_line_that_it_prints_works(server: Serving, photos: list[Path], tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    shutil.copy(photos[-1], tmp_path / "photo.jpg")
    done = subprocess.run(server.curl, shell=True, capture_output=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout)[0]["label"] in ("temple", "flower")


def test_without_a_token_it_cautions_whoever_opens_it_to_others(start: Start, sights: Path) -> None:
    one = start(sights, "--host", "0.0.0.0")
    one.wait_for("Caution")


def test_all_that_was_accepted_is_answered_before_it_ends(start: Start, sights: Path, photos: list[Path]) -> None:
    one = start(sights)
    sent = request("/predict", photos[0].read_bytes())
    answered: list[int] = []

    async def client() -> None:
        kept = Client(one.port)
        while True:
            try:
                reply = await kept.ask(sent)
            except ConnectionRefusedError:
                return
            answered.append(reply.status)

    async def load() -> None:
        clients = [asyncio.ensure_future(client()) for _ in range(16)]
        while len(answered) < 50:
            await asyncio.sleep(0.01)
        one.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*clients), 30)

    asyncio.run(load())
    assert one.stop() == 0
    assert set(answered) == {200}
    assert len(one.answered) == len(answered)


def test_a_new_version_takes_over_without_a_lost_request_and_a_damaged_one_does_not(
    start: Start,
    own_copy: Path,
    store: Path,
    tiles: Path,
    photos: list[Path],
) -> None:
    one = start(own_copy, "--watch")
    sent = request("/predict", photos[0].read_bytes())
    before = reply(one, "/predict", photos[0].read_bytes()).json
    statuses: list[int] = []

    async def client(until: asyncio.Event) -> None:
        kept = Client(one.port)
        while not until.is_set():
            statuses.append((await kept.ask(sent)).status)
        await kept.close()

    async def load(change: Callable[[], None], words: str) -> None:
        until = asyncio.Event()
        clients = [asyncio.ensure_future(client(until)) for _ in range(8)]
        await asyncio.to_thread(change)
        await asyncio.to_thread(one.wait_for, words)
        until.set()
        await asyncio.gather(*clients)

    head = (own_copy / "head.safetensors").read_bytes()
    asyncio.run(load(lambda: (own_copy / "head.safetensors").write_bytes(head[:-1]) and None, "the old one goes on"))
    assert reply(one, "/predict", photos[0].read_bytes()).json == before
    flipped = {"temple": "a", "flower": "b"}
    paths = sorted((tiles / "train").rglob("*.png"))

    def renew() -> None:
        labels = [flipped[path.parent.name] for path in paths]
        headstart.train(paths, labels, output=own_copy, overwrite=True, store=store)

    asyncio.run(load(renew, "answers from now on"))
    assert {one["label"] for one in reply(one, "/predict", photos[0].read_bytes()).json} == {"a", "b"}
    assert set(statuses) == {200}


@pytest.mark.slow
def test_workers_share_the_port_and_their_numbers(start: Start, sights: Path, photos: list[Path]) -> None:
    one = start(sights, "--workers", "2")
    sent = request("/predict", photos[0].read_bytes())

    async def many() -> list[Reply]:
        return await asyncio.gather(*(ask(one.port, sent) for _ in range(60)))

    replies = asyncio.run(many())
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    metrics = get(one, "/metrics").body.decode()
    assert 'headstart_requests_total{route="/predict",status="200"} 60.0' in metrics
    assert one.stop() == 0


def run(*words: str) -> None:
    app(["serve", *words], standalone_mode=False)


def test_what_keeps_it_from_starting_is_named(sights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServeError, match="in use by another program"):
            run(str(sights), "--port", str(taken.getsockname()[1]))
    with pytest.raises(headstart.HeadstartError, match="does not exist"):
        run(str(tmp_path / "nothing"), "--port", "0")
    with pytest.raises(ServeError, match="does not have the address"):
        run(str(sights), "--host", "192.0.2.1")
    with pytest.raises(Exception, match="65535"):
        run(str(sights), "--port", "70000")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headstart\[serve\]'"):
        run(str(sights))
