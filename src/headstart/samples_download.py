"""Downloading a large file over a line that may break: what arrived is kept, the next try or run asks for the rest.

    <room>/archive        what has arrived
    <room>/source.json    where it comes from, by what the server knows it again, how long it will be

The rest is only asked for together with the mark (ETag or date) of what is here (`If-Range`, RFC 9110, 13.1.5): a file
that has changed comes whole.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from headstart import disk
from headstart.backbones.fetch import archive, trying
from headstart.backbones.fetch.hub import _RedirectError, _Redirects
from headstart.backbones.fetch.trying import PassingError
from headstart.backbones.fetch.watching import Watcher

#: Seconds without a byte, to connect or to read, before a try is given up.
TIMEOUT = 30.0
_BLOCK = 1 << 18
#: By so many bytes a page is told from a file.
_HEAD = 4096
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class DownloadError(Exception):
    """A download that did not succeed, and why: a sentence without its stop."""


def download(url: str, name: str, room: Path, watcher: Watcher) -> Path:
    """Load a file, or the rest of it.

    Args:
        url: of a zip or tar.gz; `http` or `https`.
        name: what the watcher is told.
        room: a folder for it alone, made if it is missing; what is in it from an earlier run is continued.
        watcher: told of every block.

    Returns:
        The file in `room`, complete.

    Raises:
        DownloadError: the server cannot be reached, is not trusted, refuses, or sends something else. What has
            arrived stays.
        OSError: the disk is full or read-only.
    """
    room.mkdir(parents=True, exist_ok=True)
    partial = _Partial(room, url)
    if partial.complete:
        return partial.file
    furthest, pauses = partial.size, iter(trying.PAUSES)
    while True:
        try:
            _get(partial, name, watcher)
            return partial.file
        except PassingError as error:
            if partial.size > furthest:  # the line is poor, but it carries: patience starts anew
                furthest, pauses = partial.size, iter(trying.PAUSES)
            pause = next(pauses, None)
            wait = max(pause or 0.0, error.pause or 0.0)
            if pause is None or wait > trying.LONGEST_PAUSE:
                asks = f" and asks to wait for {error.pause:.0f} s" if error.pause else ""
                raise DownloadError(f"{error.what}{asks}") from error
            watcher.said(f"{name}: {error.what}; trying again in {wait:.0f} s.")
            time.sleep(wait)


class _Partial:
    """A file that is on its way, and by what the server knows it again.

    Attributes:
        file: what has arrived.
        url: where it comes from.
        mark: the server's ETag or date of it; empty: it cannot be continued.
        total: bytes in all, None if the server did not say.
    """

    def __init__(self, room: Path, url: str) -> None:
        self.file = room / "archive"
        self.url = url
        self.mark = ""
        self.total: int | None = None
        self._note = room / "source.json"
        try:
            fields = json.loads(self._note.read_text("utf-8"))
            url, mark, total = str(fields["url"]), str(fields["mark"]), fields["total"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        if url == self.url and (total is None or isinstance(total, int)) and mark.isprintable():
            self.mark, self.total = mark, total

    @property
    def size(self) -> int:
        """Bytes that can be built on."""
        return self.file.stat().st_size if self.mark and self.file.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.size > 0 and self.size == self.total

    def start(self, mark: str, total: int | None) -> None:
        """Forget what is here and begin with a new file; in this order, for a process that dies in between."""
        self._note.unlink(missing_ok=True)
        self.file.write_bytes(b"")
        self.note(mark, total)

    def note(self, mark: str, total: int | None) -> None:
        """Write down what is known of the file."""
        self.mark, self.total = mark, total
        disk.write(self._note, json.dumps({"url": self.url, "mark": mark, "total": total}))

    def continues(self, headers: http.client.HTTPMessage) -> bool:
        """Whether an answer of 206 goes on exactly where this ends, in the same file."""
        found = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if not self.size or not found or int(found[1]) != self.size:
            return False
        return _mark(headers) in ("", self.mark) and found[2] in ("*", str(self.total))


def _get(partial: _Partial, name: str, watcher: Watcher) -> None:
    """One try."""
    from headstart import __version__

    request = urllib.request.Request(partial.url, headers={"User-Agent": f"headstart/{__version__}"})
    if partial.size:
        request.add_header("Range", f"bytes={partial.size}-")
        request.add_header("If-Range", partial.mark)
    try:
        response = urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            raise _answered(partial, error) from error
    except urllib.error.URLError as error:
        raise _unreached(partial.url, error.reason if isinstance(error.reason, Exception) else error) from error
    except _RedirectError as error:
        raise DownloadError(str(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreached(partial.url, error) from error
    with response:
        _receive(response, partial, name, watcher)


def _receive(response: http.client.HTTPResponse, partial: _Partial, name: str, watcher: Watcher) -> None:
    """Write a body to the file, behind what is there if the server goes on from there."""
    goes_on = response.status == 206
    if goes_on and not partial.continues(response.headers):
        partial.start("", None)
        raise PassingError("the server sent another part than was asked for")
    block = _read(response, partial.url, head=True)
    length = response.headers.get("Content-Length", "")
    if goes_on:
        of = f" of {partial.total / 1e6:,.1f}" if partial.total else ""
        watcher.said(f"{name}: going on after {partial.size / 1e6:,.1f}{of} MB.")
    else:
        _check_kind(block, partial)
        partial.start(_mark(response.headers), int(length) if length.isdigit() else None)
    done, total = (partial.size if goes_on else 0), partial.total
    _check_room(partial.file.parent, (total or 0) * 2 - done)  # packed and unpacked: photos hardly shrink
    with partial.file.open("ab") as file:
        while block:
            file.write(block)
            done += len(block)
            if done > archive.LIMITS.bytes:
                raise DownloadError(f"what the server sends is larger than {archive.LIMITS.bytes / 1e9:,.0f} GB")
            watcher.downloading(name, done, total)
            block = b"" if done == total else _read(response, partial.url)
    if total is not None and done != total:
        raise PassingError(f"the server broke off after {done:,} of {total:,} bytes")
    partial.note(partial.mark, done)
    watcher.downloading(name, done, done)


def _read(response: http.client.HTTPResponse, url: str, head: bool = False) -> bytes:
    """The first bytes, as many as there should be; later what has arrived, so that nothing is lost with the line."""
    try:
        return response.read(_HEAD) if head else response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreached(url, error) from error


def _mark(headers: http.client.HTTPMessage) -> str:
    """By what a server knows a file again; a weak ETag does not promise the same bytes."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _check_kind(block: bytes, partial: _Partial) -> None:
    """Refuse a page in place of the file before it is written over what has arrived."""
    answer = partial.file.with_name("answer")
    try:
        answer.write_bytes(block)
        kind = archive.kind_of(answer)
    finally:
        answer.unlink(missing_ok=True)
    if kind == "empty" or kind.startswith(("an HTML", "an XML", "a JSON")):
        raise DownloadError(f"what the server sent is {kind}, not a zip or tar.gz")


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"it needs {needed / 1e6:,.1f} MB to load and unpack, and the disk of {folder.parent} has "
            f"{free / 1e6:,.1f} MB free"
        )


def _answered(partial: _Partial, error: urllib.error.HTTPError) -> Exception:
    """The server's answer is not the file."""
    host = urlsplit(error.url).netloc
    if error.code == 416:  # there is nothing behind what is here: it is not of this file
        partial.start("", None)
        return PassingError("what was here is not the start of the server's file")
    if 300 <= error.code < 400:
        return DownloadError(f"the server {host} redirects in a circle")
    what = f"the server {host} answered {error.code} ({error.reason})"
    if error.code in trying.PASSING_STATUS:
        return PassingError(what, trying.retry_after(error.headers.get("Retry-After")))
    return DownloadError(what)


def _unreached(url: str, cause: Exception) -> Exception:
    """There was no answer, or not all of it."""
    host = urlsplit(url).netloc
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DownloadError(
            f"the certificate of {host} is not trusted: {cause.verify_message} (check this machine's clock; "
            "SSL_CERT_FILE names a file with other certificates, such as a proxy's)"
        )
    if isinstance(cause, socket.gaierror):
        return DownloadError(f"the name {host} is not found; there seems to be no network")
    if isinstance(cause, ConnectionRefusedError):
        return DownloadError(f"{host} refuses the connection")
    if isinstance(cause, ValueError) and not isinstance(cause, OSError):
        return DownloadError(f"the server's address is not valid ({cause})")
    if isinstance(cause, OSError) and not isinstance(cause, ConnectionError | TimeoutError | ssl.SSLError):
        return DownloadError(f"{host} cannot be reached: {cause.strerror or cause}")
    text = "it did not answer in time" if isinstance(cause, TimeoutError) else str(cause) or type(cause).__name__
    return PassingError(f"the connection to {host} broke off ({text})")
