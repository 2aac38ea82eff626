"""Downloads from servers that mean no good, or do no good: every try ends, and what arrived is not loaded twice."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart.backbones import fetch as fetching
from headstart.backbones.fetch import cache
from headstart.disk import download, retry
from headstart.disk.download import Wanted
from headstart.disk.retry import DownloadError, Pace, PassingError, patiently
from headstart.errors import BackboneError
from hub_server import MODEL, Heard, HubServer, Request, fetch, serving, stand_alone, tar

DATA = os.urandom(400_000)
PATH = "/file"
hugging_face = pytest.mark.skipif(not importlib.util.find_spec("huggingface_hub"), reason="no huggingface_hub")
kaggle = pytest.mark.skipif(not importlib.util.find_spec("kagglehub"), reason="no kagglehub")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of half a second in place of a minute, and one try."""
    monkeypatch.setattr(retry, "WINDOW", 0.5)
    monkeypatch.setattr(retry, "PAUSES", ())


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over: answers without end look at it."""
    event = threading.Event()
    yield event
    event.set()


def load(server: HubServer, room: Path, progress: Heard | None = None, most: int = 10**7, sha256: str = "") -> bytes:
    wanted = Wanted(server.url + PATH, "file", "a zip", most, sha256=sha256)
    return download.download(wanted, room, progress or Heard())[0].read_bytes()


def ends(server: HubServer, room: Path, words: str, seconds: float = 5.0) -> None:
    started = time.monotonic()
    with pytest.raises(DownloadError, match=words):
        load(server, room)
    assert time.monotonic() - started < seconds


def drip(request: Request, over: threading.Event, block: bytes = b"x", pause: float = 0.02) -> None:
    """The same few bytes for ever."""
    while not over.wait(pause):
        request.wfile.write(block)
        request.wfile.flush()


def parts(request: Request, upto: int, tag: str = '"one"') -> None:
    """DATA up to a byte, from where the client asks for it."""
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    where = {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"} if start else {}
    request.send(DATA[start:upto], 206 if start else 200, {"ETag": tag, **where}, claimed=len(DATA) - start)
    request.close_connection = True


# --- servers that are slow ---


def test_a_very_slow_body_is_given_up(server: HubServer, tmp_path: Path, over: threading.Event, hasty: None) -> None:
    def answer(request: Request) -> None:
        request.send(b"", claimed=1_000_000)
        drip(request, over)

    server.on(PATH, answer)
    ends(server, tmp_path / "room", r"less than 4 kB/s arrived for 0\.5 s")


def test_a_body_that_becomes_very_slow_is_given_up_and_kept(
    server: HubServer, tmp_path: Path, over: threading.Event, hasty: None
) -> None:
    def answer(request: Request) -> None:
        request.send(DATA[:100_000], headers={"ETag": '"one"'}, claimed=len(DATA))
        drip(request, over)

    server.on(PATH, answer, lambda r: parts(r, len(DATA)))
    ends(server, tmp_path / "room", "less than 4 kB/s")
    assert (tmp_path / "room/archive").read_bytes()[:100_000] == DATA[:100_000]
    server.on(PATH, lambda r: parts(r, len(DATA)))
    load(server, tmp_path / "room")
    assert server.requests[-1][2]["Range"].startswith("bytes=1000")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX-Drip: "], ids=["status", "header"])
def test_very_slow_headers_are_given_up(
    start: bytes, server: HubServer, tmp_path: Path, over: threading.Event, hasty: None
) -> None:
    def answer(request: Request) -> None:
        request.wfile.write(start)
        drip(request, over, b"H")

    server.on(PATH, answer)
    ends(server, tmp_path / "room", "less than 4 kB/s")


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_continue_without_end_is_ended(
    pause: float, server: HubServer, tmp_path: Path, over: threading.Event, hasty: None
) -> None:
    server.on(PATH, lambda r: drip(r, over, b"HTTP/1.1 100 Continue\r\n\r\n", pause))
    ends(server, tmp_path / "room", "less than 4 kB/s")


def test_very_slow_chunks_are_given_up(server: HubServer, tmp_path: Path, over: threading.Event, hasty: None) -> None:
    def answer(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        drip(request, over, b"1\r\nx\r\n")

    server.on(PATH, answer)
    ends(server, tmp_path / "room", "less than 4 kB/s")


def test_very_slow_redirects_are_given_up(
    server: HubServer, tmp_path: Path, over: threading.Event, hasty: None
) -> None:
    def answer(request: Request) -> None:
        over.wait(0.2)
        request.redirect(f"{PATH}?{time.monotonic_ns()}")

    server.on(PATH, answer)
    ends(server, tmp_path / "room", "less than 4 kB/s")


def test_a_server_that_never_answers_is_given_up(
    server: HubServer, tmp_path: Path, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "TIMEOUT", 0.2)
    server.on(PATH, lambda r: over.wait(20) and None)
    ends(server, tmp_path / "room", "did not answer in time")
    assert len(server.requests) == 4


def test_every_slow_attempt_is_reported_and_the_next_continues(
    server: HubServer, tmp_path: Path, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "WINDOW", 0.5)

    def slow(request: Request) -> None:
        request.send(DATA[:100_000], headers={"ETag": '"one"'}, claimed=len(DATA))
        over.wait(5)

    server.on(PATH, slow, lambda r: parts(r, len(DATA)))
    monkeypatch.setattr(retry, "TIMEOUT", 0.7)
    progress = Heard()
    assert load(server, tmp_path / "room", progress) == DATA
    assert "trying again" in progress.lines[0]
    assert progress.lines[1] == "file: continuing after 0.1 of 0.4 MB."


def test_a_slow_connection_at_the_minimum_rate_is_accepted(
    server: HubServer, tmp_path: Path, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "WINDOW", 0.5)
    monkeypatch.setattr(retry, "LEAST_RATE", 1_000)

    def answer(request: Request) -> None:
        request.send(b"", claimed=120_000)
        for _ in range(30):
            request.wfile.write(b"x" * 4_000)
            over.wait(0.05)

    server.on(PATH, answer)
    assert len(load(server, tmp_path / "room")) == 120_000
    assert len(server.requests) == 1


def test_one_byte_per_attempt_is_not_progress(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LEAST_RATE", 10**6)
    server.on(PATH, lambda r: parts(r, 5_000), *[lambda r, n=n: parts(r, 5_000 + n) for n in range(1, 100)])
    ends(server, tmp_path / "room", "broke off", 20)
    assert len(server.requests) <= 6


# --- the watchdog ---


def test_the_watchdog_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tries that end just when they are interrupted: an answer or our error, and nothing raised later.
    monkeypatch.setattr(retry, "WINDOW", 0.02)
    monkeypatch.setattr(retry, "_LOOKS", 2)
    monkeypatch.setattr(retry, "PAUSES", ())
    outcomes = set()
    durations = [0.0, 1.0, *(0.016 + number % 20 * 1e-3 for number in range(80))]
    for duration in durations:

        def work(pace: Pace, duration: float = duration) -> str:
            until = time.perf_counter() + duration
            while time.perf_counter() < until:
                time.sleep(0.0005)
            return "answer"

        try:
            outcomes.add(patiently("it", Heard(), work))
        except DownloadError:
            outcomes.add("error")
    assert outcomes == {"answer", "error"}
    until = time.perf_counter() + 0.05
    while time.perf_counter() < until:
        pass


def test_only_the_slow_thread_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "WINDOW", 0.3)
    monkeypatch.setattr(retry, "PAUSES", ())
    outcomes: dict[str, str] = {}

    def run(name: str, bytes_a_turn: int) -> None:
        def work(pace: Pace) -> str:
            for _ in range(80):
                pace.arrived += bytes_a_turn
                time.sleep(0.01)
            return "done"

        try:
            outcomes[name] = patiently(name, Heard(), work)
        except DownloadError as error:
            outcomes[name] = str(error)

    threads = [threading.Thread(target=run, args=arguments) for arguments in (("slow", 1), ("fast", 10_000))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"slow": "less than 4 kB/s arrived for 0.3 s", "fast": "done"}


def test_no_thread_is_left(server: HubServer, tmp_path: Path) -> None:
    def answer(pace: Pace) -> None:
        raise PassingError("never")

    before = threading.active_count()
    with pytest.raises(DownloadError, match="never"):
        patiently("it", Heard(), answer)
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


# --- servers that send too much ---


def test_http_counts_as_encrypted_only_to_this_machine() -> None:
    assert download.is_encrypted("https://h/a")
    assert download.is_encrypted("http://127.0.0.1:80/a")
    assert download.is_encrypted("http://localhost/a")
    assert not download.is_encrypted("http://h/a")


def test_redirects_without_end_are_not_followed(server: HubServer, tmp_path: Path) -> None:
    server.on(PATH, lambda r: r.redirect(f"{PATH}?{time.monotonic_ns()}"))
    ends(server, tmp_path / "room", "more than 10 times")
    assert len(server.requests) <= 11


def test_the_page_of_a_redirect_is_not_read(server: HubServer, tmp_path: Path, over: threading.Event) -> None:
    sent = []

    def endless(request: Request) -> None:
        request.send(b"", 302, {"Location": "/there"}, claimed=10**12)
        while not over.is_set():
            sent.append(request.wfile.write(bytes(1_000_000)))

    server.on(PATH, endless)
    server.on("/there", DATA)
    assert load(server, tmp_path / "room") == DATA
    assert len(sent) < 100


@pytest.mark.parametrize("header", [b"X: " + b"x" * 70_000 + b"\r\n", b"X: x\r\n" * 200], ids=["long", "many"])
def test_headers_without_end_are_refused_at_once(header: bytes, server: HubServer, tmp_path: Path) -> None:
    server.on(PATH, lambda r: r.wfile.write(b"HTTP/1.1 200 OK\r\n" + header) and None)
    ends(server, tmp_path / "room", "is not HTTP")
    assert len(server.requests) == 1


def test_a_body_without_end_is_cut(server: HubServer, tmp_path: Path, over: threading.Event) -> None:
    def answer(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nETag: one\r\n\r\n")
        drip(request, over, b"x" * 100_000, 0.0)

    server.on(PATH, answer)
    ends(server, tmp_path / "room", r"larger than 0\.01 GB")
    assert not (tmp_path / "room").exists()


def test_a_length_above_the_limit_is_refused_before_the_download(server: HubServer, tmp_path: Path) -> None:
    server.on(PATH, lambda r: r.send(DATA, claimed=10**12))
    ends(server, tmp_path / "room", "larger than")
    assert len(server.requests) == 1


def test_a_body_of_unknown_length_leaves_room_on_the_disk(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SPARE", 10**18)
    server.on(PATH, lambda r: r.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + DATA) and None)
    ends(server, tmp_path / "room", "MB free")


# --- servers that send something else ---


def test_a_file_whose_hash_is_known_must_have_it(server: HubServer, tmp_path: Path) -> None:
    server.on(PATH, DATA)
    assert load(server, tmp_path / "good", sha256=hashlib.sha256(DATA).hexdigest()) == DATA
    with pytest.raises(DownloadError, match=r"has SHA-256 .*, expected 0000"):
        load(server, tmp_path / "bad", sha256="0" * 64)
    assert not (tmp_path / "bad").exists()


def test_a_file_that_changes_with_every_attempt_is_given_up(server: HubServer, tmp_path: Path) -> None:
    def answer(request: Request) -> None:  # honours no If-Range, and breaks off
        request.headers.replace_header("Range", "bytes=0-") if "Range" in request.headers else None
        parts(request, 50_000, f'"{time.monotonic_ns()}"')

    server.on(PATH, answer)
    ends(server, tmp_path / "room", "broke off")
    assert len(server.requests) <= 5


def test_the_address_of_a_complete_file_is_known_in_the_next_run(server: HubServer, tmp_path: Path) -> None:
    server.on("/moved", lambda r: r.send(DATA, headers={"ETag": '"one"'}))
    server.on(PATH, lambda r: r.redirect("/moved?signature=secret"))
    wanted = Wanted(server.url + PATH, "file", "a zip", 10**7)
    first = download.download(wanted, tmp_path / "room", Heard())
    assert first[1] == server.url + "/moved"
    assert download.download(wanted, tmp_path / "room", Heard()) == first
    assert len(server.requests) == 2
    assert "secret" not in (tmp_path / "room/source.json").read_text()


# --- backbones: the next run goes on ---

NET = tar({**MODEL, "assets/noise": os.urandom(5_000_000)})


def whole(request: Request) -> None:
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    where = {"Content-Range": f"bytes {start}-{len(NET) - 1}/{len(NET)}"} if start else {}
    request.send(NET[start:], 206 if start else 200, {"ETag": '"one"', **where})


class Impatient(Heard):
    """Presses Ctrl-C at 90 %."""

    def downloading(self, name: str, done: int, total: int | None) -> None:
        if total and 0.9 * total <= done < total:
            raise KeyboardInterrupt


def interrupted(server: HubServer) -> str:
    handle = server.on("/big/1", whole)
    with pytest.raises(KeyboardInterrupt):
        fetch(handle, Impatient())
    assert fetching.kept() == []
    return handle


def arriving() -> list[Path]:
    return list((cache.models() / "arriving").rglob("archive"))


def test_a_model_interrupted_at_90_per_cent_continues_there(server: HubServer) -> None:
    handle = interrupted(server)
    progress = Heard()
    got = fetch(handle, progress)
    assert (got.path / "assets/noise").stat().st_size == 5_000_000
    start = int(server.requests[1][2]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert start >= 0.9 * len(NET)
    assert progress.lines == [f"{handle}: continuing after {start / 1e6:,.1f} of {len(NET) / 1e6:,.1f} MB."]
    assert arriving() == []


def test_if_the_server_is_away_the_message_says_that_the_partial_download_is_kept(server: HubServer) -> None:
    handle = interrupted(server)
    server.on("/big/1", lambda r: r.send(b"", 503))
    with pytest.raises(BackboneError, match="What has arrived is kept"):
        fetch(handle)
    server.on("/big/1", whole)
    fetch(handle)
    assert "Range" in server.requests[-1][2]


def test_a_partial_download_of_a_model_can_be_removed(server: HubServer) -> None:
    handle = interrupted(server)
    assert fetching.remove(handle) == handle
    assert arriving() == []
    with pytest.raises(BackboneError, match="is not in the cache"):
        fetching.remove(handle)


def test_old_partial_downloads_are_removed_and_new_ones_are_not(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(server)
    fetch(server.url + "/google/net/1")
    assert len(arriving()) == 1
    monkeypatch.setattr(cache, "ABANDONED", 0.0)
    fetch(server.on("/other/1", tar(MODEL)))
    assert arriving() == []


# --- the libraries of Hugging Face and Kaggle ---


@pytest.fixture
def face(server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HubServer:
    """Hugging Face with a network of 400 kB."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    info = {"id": "o/n", "sha": "a" * 40, "siblings": [{"rfilename": "model.onnx", "size": len(DATA)}]}
    body = json.dumps(info).encode()
    for path in ("/api/models/o/n", f"/api/models/o/n/revision/{'a' * 40}"):
        server.on(path, lambda r: r.send(body, headers={"Content-Type": "application/json"}))
    return server


def onnx(request: Request, over: threading.Event | None = None) -> None:
    headers = {"ETag": f'"{hashlib.sha256(DATA).hexdigest()}"', "X-Repo-Commit": "a" * 40}
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    upto = len(DATA) if over is None else 200_000
    where = {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"} if start else {}
    request.send(DATA[start:upto], 206 if start else 200, {**headers, **where}, claimed=len(DATA) - start)
    if over is not None and request.command == "GET":
        drip(request, over)


FILE = f"/o/n/resolve/{'a' * 40}/model.onnx"


@hugging_face
@pytest.mark.parametrize("what", ["body", "answer"])
def test_a_very_slow_hugging_face_is_given_up(
    what: str, face: HubServer, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("huggingface_hub").HfApi  # noqa: B018  # its import takes longer than the window
    monkeypatch.setattr(retry, "WINDOW", 1.0)
    monkeypatch.setattr(retry, "PAUSES", ())
    if what == "body":
        face.on(FILE, lambda r: onnx(r, over))
    else:
        face.on("/api/models/o/n", lambda r: drip(r, over))
    started = time.monotonic()
    with pytest.raises(BackboneError, match="less than 4 kB/s"):
        fetch("hf:o/n")
    assert time.monotonic() - started < 10


@hugging_face
def test_hugging_face_that_never_answers_is_given_up(
    face: HubServer, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.backbones.fetch.hf.TIMEOUT", 0.3)
    monkeypatch.setattr(retry, "PAUSES", ())
    face.on("/api/models/o/n", lambda r: over.wait(20) and None)
    with pytest.raises(BackboneError, match="cannot be reached"):
        fetch("hf:o/n")


@hugging_face
def test_of_hugging_face_a_file_that_is_here_is_not_loaded_again(face: HubServer) -> None:
    # The library begins a file anew; of networks in several files the complete ones stay.
    files = ("model.onnx", "model.onnx_data")
    info = {"id": "o/n", "sha": "a" * 40, "siblings": [{"rfilename": name, "size": len(DATA)} for name in files]}
    body = json.dumps(info).encode()
    for path in ("/api/models/o/n", f"/api/models/o/n/revision/{'a' * 40}"):
        face.on(path, lambda r: r.send(body, headers={"Content-Type": "application/json"}))
    face.on(FILE, onnx)
    face.on(FILE + "_data", onnx)

    class Late(Heard):
        def downloading(self, name: str, done: int, total: int | None) -> None:
            if done > len(DATA) + 100_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("hf:o/n", Late())
    face.requests.clear()
    got = fetch("hf:o/n")
    assert sorted(path.name for path in got.folder.iterdir()) == ["model.onnx", "model.onnx_data"]
    assert got.path.read_bytes() == DATA
    assert [path for method, path, _ in face.requests if method == "GET" and "/resolve/" in path] == [FILE + "_data"]


@hugging_face
def test_a_size_above_that_of_any_model_from_hugging_face_is_refused(face: HubServer) -> None:
    info = {"id": "o/n", "sha": "a" * 40, "siblings": [{"rfilename": "model.onnx", "size": 10**12}]}
    body = json.dumps(info).encode()
    for path in ("/api/models/o/n", f"/api/models/o/n/revision/{'a' * 40}"):
        face.on(path, lambda r: r.send(body, headers={"Content-Type": "application/json"}))
    with pytest.raises(BackboneError, match="larger than 20 GB"):
        fetch("hf:o/n")
    assert not any(path == FILE for _, path, _ in face.requests)


@kaggle
@pytest.mark.parametrize("what", ["drips", "never answers"])
def test_kaggle_that_does_not_get_on_is_ended(
    what: str, server: HubServer, over: threading.Event, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environments = pytest.importorskip("kagglesdk.kaggle_env")
    importlib.import_module("kagglehub")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(environments._env_to_endpoint, environments.KaggleEnv.LOCAL, server.url)
    monkeypatch.setattr(retry, "WINDOW", 1.0 if what == "drips" else 10.0)
    monkeypatch.setattr(retry, "PAUSES", ())
    monkeypatch.setattr("headstart.backbones.fetch.kaggle.TIMEOUT", 0.5 if what == "never answers" else 20.0)
    path = "/api/v1/models.ModelApiService/ListModelInstanceVersionFiles"
    server.on(path, (lambda r: drip(r, over)) if what == "drips" else (lambda r: over.wait(20) and None))
    started = time.monotonic()
    with pytest.raises(BackboneError, match="less than 4 kB/s" if what == "drips" else "cannot be reached"):
        fetch("kaggle:google/mobilenet-v2/tensorFlow2/100-224-feature-vector/2")
    assert time.monotonic() - started < 15
