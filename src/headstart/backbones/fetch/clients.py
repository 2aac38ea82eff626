"""Calling the libraries of Hugging Face and Kaggle without their progress bars, messages and telemetry.

What is changed for a call is restored after it, because the program may use the libraries itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headstart.backbones.fetch.handles import Handle
from headstart.disk import archive
from headstart.disk.retry import PASSING_STATUS, DownloadError, Pace, PassingError, retry_after
from headstart.errors import BackboneError
from headstart.progress import Progress

#: Only one thread at a time may have the environment changed.
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def imported(package: str, handle: Handle, extra: str, environment: Mapping[str, str]) -> Iterator[Any]:
    """Import a package with these variables set, for as long as the context lasts.

    Raises:
        BackboneError: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise BackboneError(
            f"{handle} cannot be fetched: it needs the package {package}, which is not installed.\n"
            f"Install it: pip install 'headstart[{extra}]'"
        )
    with _ONE_AT_A_TIME:
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            yield importlib.import_module(package)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def changed(changes: Mapping[str, Any], needed: bool = False) -> Iterator[None]:
    """Change attributes such as `package.module.NAME` where this version of the package has them.

    Raises:
        AttributeError: it lacks one, and they are `needed`.
    """
    before = []
    if needed:
        for path in changes:
            getattr(importlib.import_module(path.rpartition(".")[0]), path.rpartition(".")[2])
    for path, value in changes.items():
        place, _, name = path.rpartition(".")
        module = importlib.import_module(place)
        if name in vars(module):
            before.append((module, name, vars(module)[name]))
            setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def bar_for(handle: Handle, progress: Progress, pace: Pace, total: int | None = None) -> type[Any]:
    """A replacement for the libraries' tqdm class that reports the sum over all files.

    Its bars raise `DownloadError` when more arrives than any model has.

    Args:
        handle: shown in the progress.
        progress: receives every block.
        pace: counts what arrives.
        total: bytes of all files; None: the sum of the bars' totals.
    """
    tqdm: Any = importlib.import_module("tqdm").tqdm

    class Reporting(tqdm):  # type: ignore[misc]
        """Draws nothing."""

        _lock_of_sums = threading.Lock()
        _done = 0
        _expected = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(disable=True)
            with Reporting._lock_of_sums:
                Reporting._expected += int(options.get("total") or 0)

        def update(self, n: float | None = 1) -> bool | None:
            with Reporting._lock_of_sums:
                Reporting._done += int(n or 0)
                pace.arrived += max(int(n or 0), 0)
                check_size(Reporting._done)
                expected = total or Reporting._expected
                progress.downloading(str(handle), Reporting._done, expected if expected > Reporting._done else None)
            return None

    return Reporting


def check_size(size: int) -> None:
    """Refuse more bytes than any model has.

    Raises:
        DownloadError: there are more.
    """
    if size > archive.LIMITS.bytes:
        raise DownloadError(f"it is larger than {archive.LIMITS.bytes / 1e9:,.3g} GB", "address")


def translated(service: str, error: Exception) -> Exception:
    """A library's error as one of ours: `PassingError` if temporary, else `DownloadError`; disk errors are unchanged.

    The libraries have no common base class, but their errors hold the server's answer as `response`.
    """
    if isinstance(error, DownloadError):
        return error
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    status = getattr(response, "status_code", None)
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
    if status in PASSING_STATUS:
        pause = retry_after(getattr(response, "headers", {}).get("Retry-After"))
        return PassingError(f"{service} answered {status}", pause)
    if status in (401, 403):
        what = f"{service} answered {status}: it does not exist, or asks to sign in or to accept a licence"
        return DownloadError(what, "sign in")
    if status == 404:
        return DownloadError(f"{service} answered 404: there is no such model, version or file", "missing")
    if status is not None:
        return DownloadError(f"{service} answered {status} ({first})")
    if isinstance(error, TypeError | AttributeError | ImportError):
        return DownloadError(f"{service}'s package is of a version that does not fit ({first})", "version")
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return error  # of the disk
    return DownloadError(f"{service} cannot be reached ({first})", "offline")
