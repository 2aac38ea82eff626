"""Fetching from a server: the hosting protocol, redirects, tries, and every way in which it can go wrong."""

from __future__ import annotations

import errno
import io
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from headstart.backbones import fetch as fetching
from headstart.disk import archive, download, retry
from headstart.errors import BackboneError
from hub_server import (
    MODEL,
    OTHER,
    Answer,
    Heard,
    HubServer,
    Request,
    fetch,
    serving,
    stand_alone,
    tar,
    write_certificate,
    zeros,
)

TFHUB = "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_alone(tmp_path, monkeypatch)


@pytest.fixture
def hub(elsewhere: None) -> Iterator[HubServer]:
    with serving() as server:
        yield server


@pytest.fixture
def progress() -> Heard:
    return Heard()


def fails(handle: str, *words: str, progress: Heard | None = None) -> str:
    """Fetching fails as it should: one error of ours that names both addresses, and nothing is left."""
    with pytest.raises(BackboneError) as caught:
        fetch(handle, progress)
    text = str(caught.value)
    first, *rest = text.splitlines()
    assert first.startswith(handle)
    assert rest[-1] == f"The catalogue knows another address of it: {OTHER}"
    for word in words:
        assert word in text
    nothing_is_left()
    assert ("What has arrived is kept" in text) == (fetching.cache.models() / "arriving").exists()
    return text


def nothing_is_left() -> None:
    """Not a file but the locks, which stay, and what the next run goes on with."""
    assert fetching.kept() == []
    root = fetching.cache.models()
    left = [path.relative_to(root).parts[0] for path in root.rglob("*") if path.is_file()]
    assert set(left) <= {"locks", "arriving"}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def close(request: Request) -> None:
    """End the connection where it is."""
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


def half(data: bytes, **headers: str) -> Answer:
    def answer(request: Request) -> None:
        request.send(data[: len(data) // 2], headers={"ETag": '"one"', **headers}, claimed=len(data))
        close(request)

    return answer


# --- it works ---


def test_the_hosting_protocol_is_spoken(hub: HubServer, progress: Heard) -> None:
    got = fetch(hub.url + "/google/net/1", progress)
    assert files_of(got.folder) == MODEL
    assert got.path == got.folder
    assert str(got.handle) == hub.url + "/google/net/1"
    ((method, path, headers),) = hub.requests
    assert (method, path) == ("GET", "/google/net/1?tf-hub-format=compressed")
    assert headers["User-Agent"].startswith("headstart/")


def test_the_bar_is_told_every_block_and_the_end(hub: HubServer, progress: Heard) -> None:
    size = 3_000_000
    hub.on("/big/1", tar({**MODEL, "assets/noise": os.urandom(size)}))
    fetch(hub.url + "/big/1", progress)
    names, done, totals = zip(*progress.blocks, strict=True)
    assert set(names) == {hub.url + "/big/1"}
    assert list(done) == sorted(done)
    assert len(done) > 5
    assert done[-1] == totals[-1] > size
    assert progress.lines == []


def test_a_body_of_unknown_length_is_taken_whole(hub: HubServer, progress: Heard) -> None:
    def answer(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(tar(MODEL))

    hub.on("/open/1", answer)
    assert files_of(fetch(hub.url + "/open/1", progress).folder) == MODEL
    assert progress.blocks[0][2] is None
    assert progress.blocks[-1][1] == progress.blocks[-1][2]


def test_redirects_are_followed_and_the_source_is_noted_without_its_signature(hub: HubServer) -> None:
    hub.on("/google/moved/1", lambda r: r.redirect("/store/net.tar.gz?X-Signature=secret"))
    hub.on("/store/net.tar.gz", tar(MODEL))
    fetch(hub.url + "/google/moved/1")
    (entry,) = fetching.kept()
    assert entry.source == hub.url + "/store/net.tar.gz"
    assert "secret" not in (entry.folder.parent / "manifest.json").read_text()


def test_a_handle_with_a_query_keeps_it(hub: HubServer) -> None:
    fetch(hub.url + "/google/net/1?version=2")
    assert hub.requests[0][1] == "/google/net/1?version=2&tf-hub-format=compressed"


def test_an_archive_may_have_one_folder_at_its_top(hub: HubServer) -> None:
    hub.on("/top/1", tar({f"net/{name}": data for name, data in MODEL.items()}))
    got = fetch(hub.url + "/top/1")
    assert got.path == got.folder / "net"
    assert (got.path / "saved_model.pb").read_bytes() == MODEL["saved_model.pb"]


@pytest.mark.parametrize("name", ["net.tflite", "net.onnx", "net.h5", "net.hdf5", "net.keras"])
def test_an_archive_may_hold_a_single_file(name: str, hub: HubServer) -> None:
    hub.on("/single/1", tar({name: b"network", "labels.txt": b"a\nb"}))
    got = fetch(hub.url + "/single/1")
    assert got.path == got.folder / name


def test_a_module_in_the_older_format_is_kept(hub: HubServer) -> None:
    hub.on("/old/1", tar({"tfhub_module.pb": b"", "saved_model.pb": b"graph"}))
    assert fetch(hub.url + "/old/1").path.joinpath("tfhub_module.pb").exists()


def test_the_address_of_a_file_gives_that_file(hub: HubServer) -> None:
    hub.on("/raw/my%20net.onnx", b"\x08\x07network")
    got = fetch(hub.url + "/raw/my%20net.onnx")
    assert got.path == got.folder / "my net.onnx"
    assert got.path.read_bytes() == b"\x08\x07network"
    assert hub.requests[0][1] == "/raw/my%20net.onnx"


def test_an_archive_that_is_not_compressed_is_taken(hub: HubServer) -> None:
    hub.on("/plain/1", tar(MODEL, "w"))
    assert files_of(fetch(hub.url + "/plain/1").folder) == MODEL


# --- tries ---


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(status: int, hub: HubServer, progress: Heard) -> None:
    hub.on("/busy/1", lambda r: r.send(b"", status), tar(MODEL))
    fetch(hub.url + "/busy/1", progress)
    assert len(hub.requests) == 2
    assert f"answered {status}" in progress.lines[0]
    assert "trying again" in progress.lines[0]


def test_a_download_that_broke_off_is_taken_up_where_it_ended(hub: HubServer, progress: Heard) -> None:
    data = tar({**MODEL, "assets/noise": os.urandom(1_000_000)})

    def rest(request: Request) -> None:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        assert request.headers["If-Range"] == '"one"'
        request.send(data[start:], 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})

    hub.on("/long/1", half(data, **{"Accept-Ranges": "bytes"}), rest)
    fetch(hub.url + "/long/1", progress)
    assert len(hub.requests) == 2
    assert progress.blocks[-1][1:] == (len(data), len(data))
    assert [done for _, done, _ in progress.blocks] == sorted(done for _, done, _ in progress.blocks)


@pytest.mark.parametrize("headers", [{"ETag": ""}, {"Accept-Ranges": "bytes", "ETag": 'W/"one"'}])
def test_a_download_that_cannot_be_taken_up_starts_again(headers: dict[str, str], hub: HubServer) -> None:
    data = tar(MODEL)
    hub.on("/long/1", half(data, **headers), data)
    assert files_of(fetch(hub.url + "/long/1").folder) == MODEL
    assert "Range" not in hub.requests[1][2]


def test_a_file_that_changed_meanwhile_starts_again(hub: HubServer) -> None:
    data = tar(MODEL)
    hub.on("/long/1", half(b"x" * 5_000, **{"Accept-Ranges": "bytes"}), data)
    assert files_of(fetch(hub.url + "/long/1").folder) == MODEL


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_server_says_how_long_to_wait(
    form: str, hub: HubServer, progress: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    when = "7" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True)
    hub.on("/busy/1", lambda r: r.send(b"", 429, {"Retry-After": when}), tar(MODEL))
    fetch(hub.url + "/busy/1", progress)
    assert len(pauses) == 1
    assert 6 <= pauses[0] <= 8


def test_a_server_that_asks_for_an_hour_is_not_waited_for(hub: HubServer) -> None:
    hub.on("/busy/1", lambda r: r.send(b"", 503, {"Retry-After": "3600"}))
    fails(hub.url + "/busy/1", "requests a pause of 3600 s")
    assert len(hub.requests) == 1


def test_an_odd_wish_to_wait_is_no_wish() -> None:
    assert retry.retry_after("soon") is None
    assert retry.retry_after(None) is None
    assert retry.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_the_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert list(retry.PAUSES) == sorted(retry.PAUSES)
    assert 5 < sum(retry.PAUSES) < 30


# --- it fails: each a clear error that names both addresses, nothing half-written left ---


def test_a_server_that_dies_half_way(hub: HubServer, progress: Heard) -> None:
    hub.on("/net/1", half(tar(MODEL)))
    fails(hub.url + "/net/1", "broke off after", progress=progress)
    assert len(hub.requests) == 4
    assert len(progress.lines) == 3


def test_a_server_that_dies_before_it_answers(hub: HubServer) -> None:
    hub.on("/net/1", close)
    fails(hub.url + "/net/1", "broke off")
    assert len(hub.requests) == 4


def test_chunks_that_end_too_early(hub: HubServer) -> None:
    def answer(request: Request) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"ffff\r\nonly this")
        close(request)

    hub.on("/net/1", answer)
    fails(hub.url + "/net/1", "broke off")


@pytest.mark.parametrize(
    ("status", "tries", "words"),
    [
        (401, 1, "Open the address in a browser"),
        (403, 1, "Open the address in a browser"),
        (404, 1, "Check the handle"),
        (410, 1, "Check the handle"),
        (418, 1, "answered 418"),
        (500, 4, "answered 500"),
        (504, 4, "answered 504"),
    ],
)
def test_an_answer_that_is_no_network(status: int, tries: int, words: str, hub: HubServer) -> None:
    hub.on("/net/1", lambda r: r.send(b"<html>no</html>", status))
    text = fails(hub.url + "/net/1", f"answered {status}", words)
    assert hub.url.removeprefix("http://") in text.splitlines()[0]
    assert len(hub.requests) == tries


def test_an_html_page_in_place_of_the_archive(hub: HubServer) -> None:
    hub.on("/net/1", b"<!doctype html><html><title>Find models</title>" + b"." * 5_000)
    fails(hub.url + "/net/1", "an HTML page ('Find models'), not an archive")
    assert len(hub.requests) == 1


def test_an_html_page_in_place_of_a_file(hub: HubServer) -> None:
    hub.on("/net.onnx", b"<!doctype html><html><title>Sign in</title>")
    fails(hub.url + "/net.onnx", "an HTML page ('Sign in'), not a model")


def test_an_empty_answer(hub: HubServer) -> None:
    hub.on("/net/1", b"")
    fails(hub.url + "/net/1", "empty")


def test_a_truncated_archive(hub: HubServer) -> None:
    hub.on("/net/1", tar(MODEL)[:-30])
    fails(hub.url + "/net/1", "damaged archive")
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tar({**MODEL, "../evil": b"x"}), "outside its folder"),
        (tar({**MODEL, "/tmp/evil": b"x"}), "outside its folder"),
        (zeros(10_000_000_000, 10_000_000_000), "10.0 GB"),
        (tar({"README.md": b"hello"}), "but README.md"),
        (tar({"a.onnx": b"", "b.onnx": b""}), "2 models"),
    ],
    ids=["above", "absolute", "zeros", "no network", "two networks"],
)
def test_an_evil_or_useless_archive(data: bytes, words: str, hub: HubServer) -> None:
    hub.on("/net/1", data)
    text = fails(hub.url + "/net/1", words, "Nothing of it was kept")
    assert ".." not in text.replace("../", "")


def test_a_certificate_that_is_not_trusted(elsewhere: None, tmp_path: Path) -> None:
    with serving(write_certificate(tmp_path / "certificate.pem")) as server:
        server.on("/net/1", tar(MODEL))
        fails(server.url + "/net/1", "certificate", "not trusted", "self-signed", "SSL_CERT_FILE")
        assert server.requests == []


def test_a_certificate_that_is_trusted(elsewhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving(file) as server:
        server.on("/net/1", tar(MODEL))
        assert files_of(fetch(server.url + "/net/1").folder) == MODEL


def test_a_redirect_from_https_to_http_is_refused(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving(file) as server:
        server.on("/net/1", lambda r: r.redirect(hub.url + "/google/net/1"))
        fails(server.url + "/net/1", "redirects from https to http")
        assert hub.requests == []


def test_a_redirect_to_a_file_of_this_machine_is_refused(hub: HubServer) -> None:
    hub.on("/net/1", lambda r: r.redirect("file:///etc/passwd"))
    fails(hub.url + "/net/1", "cannot be fetched")
    request = urllib.request.Request(hub.url)
    with pytest.raises(Exception, match="redirects from http to ftp"):
        download.Redirects().redirect_request(request, io.BytesIO(), 302, "", None, "ftp://h/a")  # type: ignore[arg-type]


def test_redirects_in_a_circle(hub: HubServer) -> None:
    hub.on("/net/1", lambda r: r.redirect("/net/2?tf-hub-format=compressed"))
    hub.on("/net/2", lambda r: r.redirect("/net/1?tf-hub-format=compressed"))
    fails(hub.url + "/net/1", "redirects in a circle")
    assert len(hub.requests) < 30


def test_a_redirect_to_nowhere(hub: HubServer) -> None:
    hub.on("/net/1", lambda r: r.redirect("http://host:port/net"))
    fails(hub.url + "/net/1", "cannot be fetched")


def test_a_connection_that_is_refused(elsewhere: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/net/1"
    fails(address, "refuses the connection", "Try again later")


def test_a_name_that_is_not_found_is_no_network(elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def nothing(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    fails(TFHUB, "the name tfhub.dev is not found", "seems to be offline", "headstart backbones pack")
    assert asked == ["tfhub.dev"]


def test_the_catalogue_tells_where_a_known_network_is_too(elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    with pytest.raises(BackboneError, match="another address of it: kaggle:google/mobilenet-v2/tensorFlow2/"):
        fetch(TFHUB)


def test_a_network_that_cannot_be_reached(elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    fails(TFHUB, "cannot be reached: Network is unreachable")


def test_a_server_that_does_not_answer(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "TIMEOUT", 0.1)
    done = threading.Event()
    hub.on("/net/1", lambda r: done.wait(20) and None)
    fails(hub.url + "/net/1", "did not answer in time")
    done.set()


def test_a_disk_that_is_too_small_is_told_before_the_download(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage(10, 9, 1))
    fails(hub.url + "/google/net/1", "0.0 MB", "Make room")


def test_a_disk_that_becomes_full(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(BackboneError) as caught:
        fetch(hub.url + "/google/net/1")
    first = str(caught.value).splitlines()[0]
    assert hub.url + "/google/net/1" in first
    assert "No space left on device" in first
    nothing_is_left()


def test_a_file_system_that_takes_no_more(hub: HubServer, home: Path) -> None:
    # A real refusal of the system, in the middle of a file: the process may write no file longer than 20,000 bytes.
    script = """
import resource, signal, sys
from headstart.backbones.fetch import fetch, parse
from headstart.errors import BackboneError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try: fetch(parse(sys.argv[1]))
except BackboneError as error: print(error)
"""
    handle = hub.url + "/google/net/1"
    result = subprocess.run([sys.executable, "-c", script, handle], capture_output=True, text=True, check=True)
    assert result.stdout.startswith(f"{handle} cannot be kept: File too large")
    nothing_is_left()


def test_a_download_without_end_is_cut(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LIMITS", archive.Limits(bytes=1_000))
    hub.on("/net/1", os.urandom(5_000))
    fails(hub.url + "/net/1", "is larger than")


def test_ctrl_c_leaves_nothing(hub: HubServer) -> None:
    class Impatient(Heard):
        def downloading(self, name: str, done: int, total: int | None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(hub.url + "/google/net/1", Impatient())
    nothing_is_left()
    assert files_of(fetch(hub.url + "/google/net/1").folder) == MODEL


def test_a_folder_that_cannot_be_written(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "file"))
    with pytest.raises(BackboneError, match="cannot be kept") as caught:
        fetch(hub.url + "/google/net/1")
    assert hub.url + "/google/net/1" in str(caught.value).splitlines()[0]
    assert "HEADSTART_HOME" in str(caught.value)


def test_http_to_another_machine_is_reported(elsewhere: None, progress: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "no")))
    fails("http://intranet/net/1", "the name intranet", progress=progress)
    assert "not encrypted" in progress.lines[0]
