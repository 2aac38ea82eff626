"""Resumable downloads: what has arrived is kept, and the next attempt or run requests the rest.

    <room>/archive        what has arrived
    <room>/source.json    its address, its ETag or date on the server, its length

The rest is requested together with the ETag or date of what is here (`If-Range`, RFC 9110, 13.1.5): a file that has
changed is sent whole. `disk.retry` limits every attempt.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from headstart.disk import archive, atomic, retry
from headstart.disk.hashes import sha256
from headstart.disk.retry import DownloadError, Pace, PassingError
from headstart.progress import Progress
from headstart.safety.printable import show

#: Redirects before the file. `http.client` limits the headers of each: 100 lines of 64 KiB.
MOST_REDIRECTS = 10
#: Bytes that a download of unknown length leaves free on the disk.
SPARE = 500_000_000
_BLOCK = 1 << 18
#: First bytes, from which a web page is recognised.
_HEAD = 4096
_BREAKS = (http.client.IncompleteRead, http.client.RemoteDisconnected)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Attributes:
        url: `http` or `https`.
        name: for the progress.
        expected: what kind of file it should be, in words.
        most: bytes that it may have at most.
        copies: how many times its size must be free on the disk: 2 if it will be unpacked.
        sha256: in hex; empty: not known.
    """

    url: str
    name: str
    expected: str
    most: int
    copies: int = 2
    sha256: str = ""


def download(wanted: Wanted, room: Path, progress: Progress) -> tuple[Path, str]:
    """Download a file, or the rest of it.

    Args:
        wanted: which.
        room: a folder for this file alone, created if missing; a partial file in it is continued.
        progress: receives every block.

    Returns:
        The complete file in `room`, and its address after redirects, without the query, which may hold a signature.

    Raises:
        DownloadError: the server cannot be reached, is not trusted, refuses, is too slow, or sends something else.
            What has arrived is kept if it can be continued.
        OSError: the disk is full or read-only.
    """
    if not is_encrypted(wanted.url):
        address = wanted.url.partition("?")[0]
        progress.caution(f"{address} is not encrypted: the file may have been changed on the way.")
    room.mkdir(parents=True, exist_ok=True)
    partial = _Partial(room, wanted.url)
    try:
        retry.patiently(wanted.name, progress, lambda pace: _get(wanted, partial, pace, progress))
        if wanted.sha256:
            found = sha256(partial.file)
            if found != wanted.sha256:
                partial.forget()
                raise DownloadError(f"what the server sent has SHA-256 {found}, expected {wanted.sha256}")
    except BaseException:
        if not partial.size:
            partial.forget()
            with suppress(OSError):
                room.rmdir()
        raise
    return partial.file, partial.source


def is_encrypted(url: str) -> bool:
    """Whether the file is protected against changes on the way; this machine itself counts as encrypted."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


class _Partial:
    """A partly downloaded file, and how the server identifies it.

    Attributes:
        file: what has arrived.
        url: the address that was requested.
        source: the address after redirects.
        mark: its ETag or date on the server; empty: it cannot be continued.
        total: bytes in all, None if unknown.
    """

    def __init__(self, room: Path, url: str) -> None:
        self.file = room / "archive"
        self.url = url
        self.source = self.mark = ""
        self.total: int | None = None
        self._done = False
        self._note = room / "source.json"
        try:
            fields = json.loads(self._note.read_text("utf-8"))
            url, source, mark, total = str(fields["url"]), str(fields["source"]), str(fields["mark"]), fields["total"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if url == self.url and (total is None or isinstance(total, int)) and mark.isprintable():
            self.source, self.mark, self.total = source, mark, total

    @property
    def size(self) -> int:
        """Bytes after which the download can continue."""
        return self.file.stat().st_size if self.mark and self.file.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self._done or 0 < self.size == self.total

    def forget(self) -> None:
        """Remove the files, `source.json` first, in case the process is killed in between."""
        self._done, self.mark, self.total = False, "", None
        self._note.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)

    def start(self, response: http.client.HTTPResponse, total: int | None) -> None:
        """Begin with a new file."""
        self.forget()
        self.file.write_bytes(b"")
        self.source = response.geturl().partition("?")[0]
        self.mark = _mark(response.headers)
        self._write(total)

    def finish(self) -> None:
        """Record that everything has arrived."""
        self._done = True
        self._write(self.file.stat().st_size)

    def continues(self, headers: http.client.HTTPMessage) -> bool:
        """Whether a 206 response continues exactly where this file ends."""
        found = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if not self.size or not found or int(found[1]) != self.size:
            return False
        return _mark(headers) in ("", self.mark) and found[2] in ("*", str(self.total))

    def _write(self, total: int | None) -> None:
        self.total = total
        fields = {"url": self.url, "source": self.source, "mark": self.mark, "total": total}
        atomic.write(self._note, json.dumps(fields))


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to `http` and `https`, but not from `https` to `http`."""

    max_redirections = MOST_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """See the base class.

        Raises:
            DownloadError: the redirect is not allowed.
        """
        fp.close()  # the base class would read its whole body
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old == "https" and new == "http"):
            raise DownloadError(f"the server redirects from {old} to {new}, which is not followed", "address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _get(wanted: Wanted, partial: _Partial, pace: Pace, progress: Progress) -> None:
    """Make one attempt."""
    from headstart import __version__

    if partial.complete:
        return
    request = urllib.request.Request(wanted.url, headers={"User-Agent": f"headstart/{__version__}"})
    pace.kept = partial.size
    if partial.size:
        request.add_header("Range", f"bytes={partial.size}-")
        request.add_header("If-Range", partial.mark)
    try:
        response = urllib.request.build_opener(Redirects()).open(request, timeout=retry.TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise _answered(partial, error) from error
    except urllib.error.URLError as error:
        raise _unreached(wanted.url, error.reason if isinstance(error.reason, Exception) else error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreached(wanted.url, error) from error
    try:
        with response:
            _receive(response, wanted, partial, pace, progress)
    finally:
        pace.kept = partial.size


def _receive(
    response: http.client.HTTPResponse, wanted: Wanted, partial: _Partial, pace: Pace, progress: Progress
) -> None:
    """Write a response to the file, appended if the server continues there."""
    goes_on = response.status == 206
    if goes_on and not partial.continues(response.headers):
        partial.forget()
        raise PassingError("the server sent another part than the one requested")
    block = _read(response, wanted.url, head=True)
    if goes_on:
        of = f" of {partial.total / 1e6:,.1f}" if partial.total else ""
        progress.message(f"{wanted.name}: continuing after {partial.size / 1e6:,.1f}{of} MB.")
    else:
        kind = archive.kind_of(block)
        if kind == "empty" or kind.startswith(("an HTML", "an XML", "a JSON")):  # it must not replace the partial file
            raise DownloadError(f"what the server sent is {kind}, not {wanted.expected}", "address")
        length = response.headers.get("Content-Length", "")
        partial.start(response, int(length) if length.isdigit() else None)
    done, total = partial.file.stat().st_size, partial.total
    _check_size(wanted, partial, total or 0)
    _check_room(partial.file.parent, (total or 0) * wanted.copies - done)
    with partial.file.open("ab") as file:
        while block:
            file.write(block)
            done += len(block)
            pace.arrived += len(block)
            _check_size(wanted, partial, done)
            if total is None:
                _check_room(partial.file.parent, SPARE)
            progress.downloading(wanted.name, done, total)
            block = b"" if done == total else _read(response, wanted.url)
    if total is not None and done != total:
        raise PassingError(f"the server broke off after {done:,} of {total:,} bytes")
    partial.finish()
    progress.downloading(wanted.name, done, done)


def _read(response: http.client.HTTPResponse, url: str, head: bool = False) -> bytes:
    """Read the first bytes in full; later whatever has arrived, so that a broken connection loses nothing."""
    try:
        return response.read(_HEAD) if head else response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreached(url, error) from error


def _mark(headers: http.client.HTTPMessage) -> str:
    """The ETag or date of a file on its server; a weak ETag does not promise the same bytes."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _check_size(wanted: Wanted, partial: _Partial, size: int) -> None:
    if size > wanted.most:
        partial.forget()
        raise DownloadError(f"what the server sends is larger than {wanted.most / 1e9:,.3g} GB", "address")


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"it needs {needed / 1e6:,.1f} MB, and the disk of {folder.parent} has {free / 1e6:,.1f} MB free", "room"
        )


def _answered(partial: _Partial, error: urllib.error.HTTPError) -> Exception:
    """The error for a response that is not the file."""
    host = urlsplit(error.url).netloc
    if error.code == 416:  # the server's file ends before ours does
        partial.forget()
        return PassingError("what was here is not the start of the server's file")
    if 300 <= error.code < 400:
        return DownloadError(f"the server {host} redirects in a circle or more than {MOST_REDIRECTS} times")
    what = f"the server {host} answered {error.code} ({show(error.reason)})"
    if error.code in retry.PASSING_STATUS:
        return PassingError(what, retry.retry_after(error.headers.get("Retry-After")))
    kinds = {401: "forbidden", 403: "forbidden", 404: "missing", 410: "missing"}
    return DownloadError(what, kinds.get(error.code, "again"))


def _unreached(url: str, cause: Exception) -> Exception:
    """The error for a missing or incomplete response."""
    host = urlsplit(url).netloc
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DownloadError(f"the certificate of {host} is not trusted: {cause.verify_message}", "certificate")
    if isinstance(cause, socket.gaierror):
        return DownloadError(f"the name {host} is not found; this machine seems to be offline", "offline")
    if isinstance(cause, ConnectionRefusedError):
        return DownloadError(f"{host} refuses the connection")
    if isinstance(cause, http.client.InvalidURL) or (isinstance(cause, ValueError) and not isinstance(cause, OSError)):
        return DownloadError(f"the server's address is not valid ({cause})", "address")
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, _BREAKS):
        return DownloadError(f"what {host} answered is not HTTP ({cause or type(cause).__name__})", "address")
    if isinstance(cause, OSError) and not isinstance(cause, ConnectionError | TimeoutError | ssl.SSLError):
        return DownloadError(f"{host} cannot be reached: {cause.strerror or cause}", "offline")
    text = "it did not answer in time" if isinstance(cause, TimeoutError) else str(cause) or type(cause).__name__
    return PassingError(f"the connection to {host} broke off ({text})")
