"""A server on this machine that answers as a test tells it to, and archives as servers send them."""

from __future__ import annotations

import base64
import gzip
import io
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headstart.backbones import fetch as fetching
from headstart.disk import retry
from headstart.progress import Silent

Answer = Callable[["Request"], None]

MODEL = {
    "saved_model.pb": b"graph" * 100,
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 200,
}
OTHER = "kaggle:someone/something/tensorFlow2/else/1"

#: Of `localhost` and 127.0.0.1, signed by itself, for tests alone; valid from 2020 to 2120.
_CERTIFICATE = """\
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQx
EjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDpfZRW99UrPpryi3bteTzLNuQLuLaUyRzBKjCz7VfigrPY9YG/d29SK
Ae5NHd5EoOgaAaPaznx019nBjGuj0wWjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBSb4glQ
NZ9UOGclvueJs6ILkev4pzAKBggqhkjOPQQDAgNIADBFAiAXZaSfLH6yeksOal74VGclbKxe0MkddtA9n3FgBRACBQIhAOjkc6jN7Clo1jBK2NVwzMhB
sCvYR1hqvOZxbjD0lax6"""
_KEY = """\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBtu3VmSoTo2njRCsXFiZtpkGQz/bgV2lDwalUZaOiuWhRANCAAQ6X2UVvfVKz6a8ot27
Xk8yzbkC7i2lMkcwSows+1X4oKz2PWBv3dvUigHuTR3eRKDoGgGj2s58dNfZwYxro9MF"""


class Request(BaseHTTPRequestHandler):
    """One request; `send` answers it."""

    server: _Server

    def answer(self) -> None:
        self.server.told.requests.append((self.command, self.path, dict(self.headers)))
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        answers = self.server.told.answers.get(path) or [lambda r: r.send(b"no such page", 404)]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815

    def send(
        self, body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None, claimed: int | None = None
    ) -> None:
        """Answer; `claimed` is a Content-Length that may be a lie."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def redirect(self, to: str) -> None:
        self.send(b"", 302, {"Location": to})

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    told: HubServer

    def handle_error(self, *_: object) -> None:
        pass  # a client that goes away is what some tests want


@dataclass
class HubServer:
    """What the server is told, and what it was asked. It holds MODEL at `/google/net/1` from the start.

    Attributes:
        url: where it is, without a slash at the end.
        answers: path without query -> what to answer, one after the other, the last for ever.
        requests: method, path with query, headers.
    """

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def on(self, path: str, *answers: Answer | bytes) -> str:
        """Set the answers of a path; returns its address."""
        self.answers[path] = [
            (lambda r, body=answer: r.send(body)) if isinstance(answer, bytes) else answer  # type: ignore[misc]
            for answer in answers
        ]
        return self.url + path


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[HubServer]:
    server = _Server(("127.0.0.1", 0), Request)
    server.told = HubServer(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}")
    server.told.on("/google/net/1", tar(MODEL))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_certificate(path: Path) -> Path:
    """The certificate and its key as one PEM file."""
    text = ""
    for kind, data in (("PRIVATE KEY", _KEY), ("CERTIFICATE", _CERTIFICATE)):
        lines = base64.encodebytes(base64.b64decode(data)).decode()
        text += f"-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n"
    path.write_text(text)
    return path


def tar(files: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    """An archive of files; a value that is a TarInfo is taken as the member, under its own name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zeros(claimed: int, unpacked: int) -> bytes:
    """A tar.gz of a SavedModel that says it has `claimed` bytes of zeros, and has `unpacked` of them."""
    member = tarfile.TarInfo("saved_model.pb")
    member.size = claimed
    million = gzip.compress(bytes(1_000_000))
    return gzip.compress(member.tobuf()) + million * (unpacked // 1_000_000)


class Heard(Silent):
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, int, int | None]] = []
        self.lines: list[str] = []

    def downloading(self, name: str, done: int, total: int | None) -> None:
        self.blocks.append((name, done, total))

    def message(self, text: str) -> None:
        self.lines.append(text)


def fetch(typed: str, progress: Heard | None = None, **options: Any) -> fetching.Fetched:
    """Fetch what a user types."""
    return fetching.fetch(fetching.parse(typed), progress, **options)


def pack(typed: Sequence[str], file: Path) -> list[fetching.Kept]:
    """Pack what a user types."""
    return fetching.pack([fetching.parse(one) for one in typed], file)


def stand_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses, no other cache, no proxy; and the catalogue knows another address of whatever it is asked for."""
    monkeypatch.setattr(retry, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "no-tfhub-cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hf-cache"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "no-kaggle-cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in (
        *("HEADSTART_OFFLINE", "SSL_CERT_FILE", "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_DISABLE_TELEMETRY"),
        *("KAGGLE_API_TOKEN", "HUGGINGFACE_HUB_CACHE"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("headstart.backbones.catalogue.other_address", lambda handle: OTHER)
