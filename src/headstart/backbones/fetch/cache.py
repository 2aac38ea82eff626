"""The cache of models: its entries are complete, checked on use, and shared by all processes.

    HEADSTART_HOME/networks/
      <key>/content/...      the files, as they came
      <key>/manifest.json    handle, source, time, and each file's size and SHA-256
      <key>/seen.json        the files' times when they were last hashed, so that they are not hashed at each use
      asked/<key>            what a handle without version or file meant when its server was last asked
      locks/<key>            who is working on it (`disk.locks`)
      making/<key>/          an unfinished entry; it belongs to the lock's owner and is removed when that is gone
      arriving/<key>/        a partial download, to be continued; removed after a month

A key is the handle, shortened to be readable, and 12 digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from headstart.backbones.fetch import contents
from headstart.backbones.fetch.handles import Handle, parse
from headstart.backbones.fetch.manifests import (
    CONTENT,
    MANIFEST,
    UNREADABLE,
    DamagedError,
    Kept,
    check,
    list_files,
    read,
)
from headstart.disk import archive, atomic, locks
from headstart.disk.home import home
from headstart.errors import BackboneError

_TRIES = 5
_ASKED, _LOCKS, _MAKING, _ARRIVING = "asked", "locks", "making", "arriving"
#: Seconds after which a partial download is removed.
ABANDONED = 30 * 86_400.0
#: Bytes; libraries leave notes of their own even if nothing has arrived.
_WORTH_KEEPING = 4096


def models() -> Path:
    """The folder of all entries."""
    return home() / "networks"


def key_of(handle: Handle) -> str:
    """The name of a handle's entry."""
    text = str(handle)
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", text.partition(":")[2]).strip("-.")[-60:].strip("-.")
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def meant(handle: Handle) -> Handle:
    """What a handle without version or file meant when its server was last asked; if never, the handle itself."""
    if handle.pinned:
        return handle
    try:
        fields = json.loads((models() / _ASKED / key_of(handle)).read_text("utf-8"))
        return parse(fields["handle"])
    except UNREADABLE:
        return handle


def find(handle: Handle) -> Kept | None:
    """The entry of a handle, None if there is none.

    Raises:
        DamagedError: it exists, but its manifest is damaged.
    """
    wanted = meant(handle)
    folder = models() / key_of(wanted)
    if not folder.exists():
        return None
    kept = read(folder)
    if kept.handle != wanted:
        raise DamagedError(f"its manifest is of {kept.handle}")
    return kept


def sound(handle: Handle) -> Kept | None:
    """The entry of a handle, None if there is none that passes `check`."""
    try:
        kept = find(handle)
        if kept is not None:
            check(kept)
    except DamagedError:
        return None
    return kept


def everything() -> Iterator[tuple[str, Kept | DamagedError]]:
    """Each entry's name and manifest, by name."""
    for folder in sorted(models().glob("*")):
        if folder.name in (_ASKED, _LOCKS, _MAKING, _ARRIVING) or not folder.is_dir():
            continue
        try:
            yield folder.name, read(folder)
        except DamagedError as error:
            yield folder.name, error


@contextmanager
def locked(handle: Handle, purpose: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold an entry's lock: needed to download, replace or remove it."""
    with locks.owned(models() / _LOCKS / key_of(handle), f"{purpose} {handle}", report):
        yield


@contextmanager
def making(name: str) -> Iterator[Path]:
    """A folder for an unfinished entry, removed afterwards in any case. The caller holds the lock of that name."""
    root = models() / _MAKING
    _sweep(root)
    _sweep(models() / _ARRIVING, ABANDONED)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):  # another process that has just ended removed the empty folder above
            folder.mkdir(parents=True)
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            root.rmdir()


@contextmanager
def arriving(name: str) -> Iterator[Path]:
    """A folder for a download. If it fails, what has arrived is kept, except after an `ArchiveError`.

    The caller holds the lock of that name.
    """
    folder = models() / _ARRIVING / name
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    keep = False
    try:
        yield folder
    except archive.ArchiveError:
        raise
    except BaseException:
        keep = has_arrived(name)
        raise
    finally:
        if not keep:
            _forget(name)


def has_arrived(name: str) -> bool:
    """Whether enough of a download has arrived to be worth keeping."""
    files = (models() / _ARRIVING / name).rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file()) >= _WORTH_KEEPING


def abandon(handle: Handle, report: Callable[[str], None]) -> bool:
    """Remove a partial download; returns whether there was one."""
    name = key_of(handle)
    if not (models() / _ARRIVING / name).exists():
        return False
    with locked(handle, "removing", report):
        _forget(name)
    return True


def _forget(name: str) -> None:
    root = models() / _ARRIVING
    shutil.rmtree(root / name, ignore_errors=True)
    with suppress(OSError):
        root.rmdir()


def _sweep(root: Path, age: float = 0.0) -> None:
    """Remove folders whose lock nobody holds, left by processes that have died, if they are `age` seconds old."""
    for left in root.glob("*"):
        with locks.owned_if_free(models() / _LOCKS / left.name) as mine, suppress(OSError):
            if mine and time.time() - left.stat().st_mtime >= age:
                shutil.rmtree(left, ignore_errors=True)


def settle(folder: Path, asked: Handle, handle: Handle, source: str, report: Callable[[str], None]) -> Kept:
    """Make a download the entry of its handle; everything is on the disk when this returns.

    Args:
        folder: holds the complete content; within `making`.
        asked: what the user asked for; the caller holds its lock.
        handle: what that means, pinned.
        source: see `Kept`.
        report: receives which process is waited for, if another one is using the entry.

    Raises:
        ArchiveError: there is no model in it, or something that is not allowed.
        OSError: the disk is full or read-only.
    """
    _describe(folder, handle, source)
    with nullcontext() if asked == handle else locked(handle, "keeps", report):
        kept = place(folder, handle)
    note_asked(asked, handle)
    return kept


def _describe(folder: Path, handle: Handle, source: str) -> None:
    """Write the manifest beside the content."""
    from headstart import __version__

    content = folder / CONTENT
    contents.admit(content)
    model = contents.find_model(content)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = Kept(handle, source, now, model, list_files(content), content, __version__)
    atomic.write(folder / MANIFEST, json.dumps(kept.to_json(), indent=2))
    atomic.sync(folder)


def place(folder: Path, handle: Handle) -> Kept:
    """Make a folder with manifest and content the entry of a handle, whose lock is held; replaces an earlier one."""
    target = models() / key_of(handle)
    atomic.install(folder, target)
    atomic.sync(target.parent)
    return read(target)


def note_asked(asked: Handle, meant: Handle) -> None:
    """Record which model a handle means from now on."""
    if asked != meant:
        path = models() / _ASKED / key_of(asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps({"asked": str(asked), "handle": str(meant)}))


def asked_for(handle: Handle) -> list[Handle]:
    """The handles without version or file that mean this one."""
    found = []
    for path in sorted((models() / _ASKED).glob("*")):
        with suppress(*UNREADABLE):
            fields = json.loads(path.read_text("utf-8"))
            if fields["handle"] == str(handle):
                found.append(parse(fields["asked"]))
    return found


def drop(name: str, report: Callable[[str], None]) -> None:
    """Remove the entry of that name and its notes; processes that read it keep the files they have opened."""
    folder = models() / name
    with locks.owned(models() / _LOCKS / name, f"removing {name}", report):
        with suppress(DamagedError):
            for asked in asked_for(read(folder).handle):
                (models() / _ASKED / key_of(asked)).unlink(missing_ok=True)
        with making(name) as room:
            folder.rename(room / "old")  # at once: nobody sees half an entry


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn errors of the disk into a `BackboneError` that begins with `what`, such as "hf:a/b cannot be kept"."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise BackboneError(
            f"{what}: {error.strerror or error}{where}.\nExpected a folder at {models()} on a disk with room, that "
            "this user may write to and that has file locks. Make room, or set HEADSTART_HOME to another folder."
        ) from error
