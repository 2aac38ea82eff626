"""Files and folders on this disk and in object stores: listed, read and written in one way, failures repeated."""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from headstart.disk import atomic
from headstart.errors import DataError, MissingExtraError
from headstart.safety.printable import show

Result = TypeVar("Result")
#: Seconds before a failed request is repeated, each shortened by chance so that many workers do not come back at once.
PAUSES = (0.25, 1.0, 4.0, 15.0)
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_LASTING = ("ACCESS_DENIED", "AccessDenied", "NoSuchBucket", "Path does not exist", "HTTP response code 404")
_CHUNK = 2**23
_lock = threading.Lock()
_repeated = 0


class RequestError(OSError):
    """An object store failed, also when the request was repeated."""


def repeated() -> int:
    """How many requests of this process failed and were repeated."""
    return _repeated


def is_remote(address: str) -> bool:
    """Whether an address names an object store, such as `s3://bucket/photos`."""
    return _REMOTE.match(address) is not None


def patiently(action: Callable[[], Result]) -> Result:
    """Run one request to an object store, and again after a pause if it fails for a reason that may pass.

    Raises:
        FileNotFoundError, PermissionError: at once.
        RequestError: the last attempt failed too.
    """
    global _repeated
    pauses = iter(PAUSES)
    while True:
        try:
            return action()
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise
        except Exception as error:  # fsspec's file systems raise what their client libraries raise
            pause = next(pauses, None)
            if pause is None or any(sign in str(error) for sign in _LASTING):
                raise RequestError(str(error)) from error
            with _lock:
                _repeated += 1
            time.sleep(pause * random.uniform(0.5, 1.0))


@dataclass(frozen=True)
class Place:
    """A file or folder.

    Attributes:
        address: as the user gave it: a path, or `scheme://bucket/key`.
    """

    address: str

    @property
    def local(self) -> Path | None:
        """Its path on this disk; None: it is in an object store."""
        return None if is_remote(self.address) else Path(self.address)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rstrip("/").rpartition("/")[2]

    def __truediv__(self, name: str) -> Place:
        return Place(f"{self.address.rstrip('/') or '/'}/{name}")

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        if self.local is not None:
            return self.local.exists()
        from pyarrow.fs import FileType

        system, path = _opened(self.address)
        return bool(patiently(lambda: system.get_file_info([path])[0].type) != FileType.NotFound)

    def size(self) -> int:
        """Bytes of a file; 0 if there is none."""
        if self.local is not None:
            return self.local.stat().st_size if self.local.is_file() else 0
        system, path = _opened(self.address)
        return int(patiently(lambda: system.get_file_info([path])[0].size) or 0)

    def entries(self) -> tuple[list[str], list[str]]:
        """Names of the folders and of the files directly in it, in alphabetical order; none if it does not exist.

        Raises:
            OSError: it cannot be listed.
        """
        if self.local is not None:
            if not self.local.is_dir():
                return [], []
            with os.scandir(self.local) as found:
                folders: list[str] = []
                files: list[str] = []
                for entry in found:
                    (folders if entry.is_dir() else files).append(entry.name)
            return sorted(folders), sorted(files)
        from pyarrow.fs import FileSelector, FileType

        system, path = _opened(self.address)
        listed = patiently(lambda: system.get_file_info(FileSelector(path, allow_not_found=True)))
        return (
            sorted(one.base_name for one in listed if one.type == FileType.Directory),
            sorted(one.base_name for one in listed if one.type == FileType.File),
        )

    def read(self, most: int | None = None) -> bytes:
        """The bytes of a file.

        Args:
            most: if it has more bytes than this, only one byte more than this is read.

        Raises:
            OSError: it is missing or cannot be read.
        """
        if self.local is not None:
            with self.local.open("rb") as opened:
                return opened.read() if most is None else opened.read(most + 1)
        system, path = _opened(self.address)

        def fetched() -> bytes:
            with system.open_input_stream(path) as stream:
                return bytes(stream.read() if most is None else stream.read(most + 1))

        return patiently(fetched)

    def open(self) -> Any:
        """A file to read at any position, for pyarrow.

        Raises:
            OSError: it is missing or cannot be read.
        """
        if self.local is not None:
            import pyarrow

            return pyarrow.OSFile(str(self.local))
        system, path = _opened(self.address)
        return _Patient(patiently(lambda: system.open_input_file(path)))

    def copy_to(self, file: BinaryIO) -> None:
        """Append its bytes to a file, a few megabytes at a time."""
        with self.open() as opened:
            while chunk := opened.read(_CHUNK):
                file.write(chunk)

    def write(self, content: bytes | BinaryIO) -> None:
        """Write a file whole or not at all; it replaces one that is there.

        Raises:
            OSError: it cannot be written.
        """
        if self.local is not None:
            self.local.parent.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(self.local) as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    content.seek(0)
                    shutil.copyfileobj(content, file)
            return
        system, path = _opened(self.address)

        def send() -> None:
            if isinstance(content, bytes):
                with system.open_output_stream(path) as stream:
                    stream.write(content)
                return
            content.seek(0)
            with system.open_output_stream(path) as stream:
                while chunk := content.read(_CHUNK):
                    stream.write(chunk)

        patiently(send)

    def remove(self) -> None:
        """Remove a file, if it is there and this is allowed."""
        with suppress(OSError):
            if self.local is not None:
                self.local.unlink()
            else:
                system, path = _opened(self.address)
                system.delete_file(path)


class _Patient:
    """A file in an object store; each read is repeated if it fails, from the position where it began."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close
        self.mode = "rb"

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return True

    def read(self, count: int | None = None) -> bytes:
        start = self._file.tell()

        def fetched() -> bytes:
            self._file.seek(start)
            return bytes(self._file.read(count))

        return patiently(fetched)

    def __enter__(self) -> _Patient:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def check_writable(place: Place) -> None:
    """Check before the work that files can be written to a folder; makes it on this disk.

    Raises:
        DataError: they cannot.
    """
    probe = place / f".writable-{os.getpid()}"
    try:
        probe.write(b"")
    except OSError as error:
        raise DataError(
            f"{show(place.address)} cannot be written: {error.strerror or error}.\nExpected a folder, or an address "
            "such as s3://bucket/folder, that you may write to."
        ) from error
    probe.remove()


def _opened(address: str) -> tuple[Any, str]:
    scheme, _, rest = address.partition("://")
    system = _system(scheme.lower(), rest.partition("/")[0])
    return system, rest if scheme.lower() in _OWN else system.handler.fs._strip_protocol(address)


_OWN = ("s3", "gs", "gcs")


def own_server() -> tuple[str, str] | None:
    """Address and region of a server that speaks S3 and is not Amazon's, which cannot be asked for the region."""
    address = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return (address, region) if address else None


@lru_cache(maxsize=64)
def _system(scheme: str, bucket: str) -> Any:
    """The file system of an object store: pyarrow's own, or what fsspec knows under this name."""
    arrow()
    from pyarrow import fs

    try:
        if scheme in ("gs", "gcs"):
            return fs.FileSystem.from_uri(f"gs://{bucket}")[0]
        if scheme == "s3":
            if own := own_server():
                return fs.S3FileSystem(endpoint_override=own[0], region=own[1])
            return fs.FileSystem.from_uri(f"s3://{bucket}")[0]
        import fsspec

        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme)))
    except (ImportError, ValueError) as error:
        raise MissingExtraError(
            f"{scheme}:// cannot be opened: {error}.\nExpected a path, s3://, gs://, or what fsspec knows, such as "
            "hf:// with pip install fsspec huggingface_hub."
        ) from error


def arrow() -> Any:
    """The module pyarrow.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f"Work in units needs pyarrow, which cannot be imported: {error}.\n"
            "Install it: pip install 'headstart[parquet]'."
        ) from error
    return pyarrow
