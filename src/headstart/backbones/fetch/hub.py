"""Downloading from servers that speak TensorFlow Hub's hosting protocol, or simply hold a network's file.

`GET <handle>?tf-hub-format=compressed` answers, perhaps after redirects, a tar.gz of the SavedModel's folder.
A download that breaks off is taken up where it ended, if the server vouches that the file is still the same.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from headstart.backbones.fetch import archive
from headstart.backbones.fetch.handles import Handle
from headstart.backbones.fetch.trying import AGAIN, NO_NETWORK, PASSING_STATUS, PassingError, patiently, retry_after
from headstart.backbones.fetch.watching import Watcher, failure
from headstart.printable import show

#: Seconds without a byte, to connect or to read, before a try is given up.
TIMEOUT = 30.0
_BLOCK = 1 << 18


def download(handle: Handle, folder: Path, watcher: Watcher) -> str:
    """Download what a handle names and unpack it.

    Args:
        handle: of kind `hub`.
        folder: for the content; made. `<folder>.download` is used on the way.
        watcher: told of every block.

    Returns:
        The address that the bytes came from, after redirects, without its query: that may hold a signature.

    Raises:
        BackboneError: the server cannot be reached, is not trusted or refuses.
        ArchiveError: what it sent is not admitted.
        OSError: the disk is full or read-only.
    """
    if not handle.encrypted:
        watcher.said(f"{handle} is not encrypted: what arrives may have been changed on the way.")
    partial = _Partial(folder.with_name(folder.name + ".download"))
    address = patiently(handle, watcher, lambda: _get(handle, partial, watcher))
    if handle.is_file:
        kind = archive.kind_of(partial.path)
        if kind == "empty" or kind.startswith(("an HTML", "an XML", "a JSON")):
            raise archive.ArchiveError(f"is {kind}, not a network")
        folder.mkdir()
        partial.path.rename(folder / archive.safe_name(unquote(urlsplit(handle.place).path.rpartition("/")[2])))
    else:
        archive.unpack(partial.path, folder)
        partial.path.unlink()
    return address


@dataclass
class _Partial:
    """A file that is on its way, and by what the server knows it again (empty: it cannot be taken up)."""

    path: Path
    same: str = ""

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.same and self.path.exists() else 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but to no other protocol and never from an encrypted one to one that is not."""

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
            _RedirectError: the way is not gone.
        """
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old == "https" and new == "http"):
            fp.close()
            raise _RedirectError(f"the server redirects from {old} to {new}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _RedirectError(Exception):
    """A redirect that is not followed."""


def _get(handle: Handle, partial: _Partial, watcher: Watcher) -> str:
    """One try."""
    from headstart import __version__

    request = urllib.request.Request(handle.request, headers={"User-Agent": f"headstart/{__version__}"})
    start = partial.size
    if start:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", partial.same)
    try:
        response = urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            raise _answered(handle, error) from error
    except urllib.error.URLError as error:
        raise _unreached(handle, error.reason if isinstance(error.reason, Exception) else error) from error
    except _RedirectError as error:
        raise failure(str(handle), f"cannot be fetched: {error}.", "Use another address of it.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreached(handle, error) from error
    with response:
        _receive(handle, response, partial, start, watcher)
        return str(response.geturl()).partition("?")[0]


def _receive(
    handle: Handle, response: http.client.HTTPResponse, partial: _Partial, start: int, watcher: Watcher
) -> None:
    """Write a body to the partial file, behind what is there if the server goes on from there."""
    goes_on = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")
    done = start if goes_on else 0
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdigit() else None
    tag = response.headers.get("ETag", "")
    partial.same = "" if tag.startswith("W/") or response.headers.get("Accept-Ranges") != "bytes" else tag
    _check_room(handle, partial.path.parent, (total or 0) - done)
    with partial.path.open("ab" if goes_on else "wb") as file:
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _unreached(handle, error) from error
            if not block:
                break
            file.write(block)
            done += len(block)
            if done > archive.LIMITS.bytes:
                most = f"{archive.LIMITS.bytes / 1e9:,.0f} GB"
                raise failure(str(handle), f"is larger than {most}, which no network is.", "Use another address of it.")
            watcher.downloading(str(handle), done, total)
    if total is not None and done != total:
        raise PassingError(f"the server broke off after {done:,} of {total:,} bytes")
    watcher.downloading(str(handle), done, done)


def _check_room(handle: Handle, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise failure(
            str(handle),
            f"cannot be fetched: it needs {needed / 1e6:,.1f} MB, and the disk of {folder} has {free / 1e6:,.1f} MB.",
            "Make room, for example with: headstart backbones remove HANDLE. Or set HEADSTART_HOME to another folder.",
        )


def _answered(handle: Handle, error: urllib.error.HTTPError) -> Exception:
    """The server's answer is not the network."""
    host = urlsplit(error.url).netloc
    what = f"the server {host} answered {error.code} ({show(error.reason)})"
    if error.code in PASSING_STATUS:
        return PassingError(what, retry_after(error.headers.get("Retry-After")))
    if 300 <= error.code < 400:
        what, advice = f"the server {host} redirects in a circle", AGAIN
    elif error.code in (404, 410):
        advice = "Check the handle: headstart models finds those that are known."
    elif error.code in (401, 403):
        advice = "Open the address in a browser: it may ask to sign in or to accept a licence."
    else:
        advice = AGAIN
    return failure(str(handle), f"cannot be fetched: {what}.", advice.format(handle=handle))


def _unreached(handle: Handle, cause: Exception) -> Exception:
    """There was no answer, or not all of it."""
    host = urlsplit(handle.place).netloc
    if isinstance(cause, ValueError) and not isinstance(cause, OSError):
        what, advice = f"the server's address is not valid ({cause})", "Use another address of it."
    elif isinstance(cause, ssl.SSLCertVerificationError):
        what = f"the certificate of {host} is not trusted: {cause.verify_message}"
        advice = (
            "Check this machine's clock and its certificates (SSL_CERT_FILE names a file with others, such as a "
            "proxy's). Nothing was downloaded."
        )
    elif isinstance(cause, socket.gaierror):
        what, advice = f"the name {host} is not found; there seems to be no network", NO_NETWORK
    elif isinstance(cause, ConnectionRefusedError):
        what, advice = f"{host} refuses the connection", AGAIN
    elif isinstance(cause, OSError) and not isinstance(cause, ConnectionError | TimeoutError | ssl.SSLError):
        what, advice = f"{host} cannot be reached: {cause.strerror or cause}", NO_NETWORK
    else:
        text = "it did not answer in time" if isinstance(cause, TimeoutError) else str(cause) or type(cause).__name__
        return PassingError(f"the connection to {host} broke off ({text})")
    return failure(str(handle), f"cannot be fetched: {what}.", advice.format(handle=handle))
