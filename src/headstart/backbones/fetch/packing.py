"""Models in one file, to carry to a machine that is offline.

A plain tar, the same bytes for the same entries: first `pack.json`, then for each entry its manifest and content.
Weights hardly shrink, so it is not compressed. What is read is checked as any stranger's archive, and by SHA-256.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.backbones.fetch import cache
from headstart.backbones.fetch.contents import files_in
from headstart.backbones.fetch.handles import Handle, parse
from headstart.backbones.fetch.manifests import CONTENT, MANIFEST, DamagedError, Kept, check
from headstart.backbones.fetch.manifests import read as read_manifest
from headstart.disk import archive, atomic, locks
from headstart.errors import BackboneError
from headstart.progress import Progress

_PACK = "pack.json"
_FORMAT = 1
#: Several models at once; the ratio does not matter in a file that is not compressed.
_LIMITS = archive.Limits(bytes=10 * archive.LIMITS.bytes, files=10 * archive.LIMITS.files)


def check_target(file: Path) -> None:
    """Check that a pack can be written there, before anything is fetched.

    Raises:
        BackboneError: it is a folder, or lies in none.
    """
    if not file.name or file.is_dir():
        raise BackboneError(
            f"{file} cannot be written: it is a folder.\nExpected the name of a file to write, such as models.tar."
        )
    if not file.absolute().parent.is_dir():
        raise BackboneError(
            f"{file} cannot be written: the folder {file.absolute().parent} does not exist.\n"
            "Make it, or choose another place."
        )


def write(entries: Sequence[Kept], file: Path) -> None:
    """Write entries into a file, whole or not at all.

    Raises:
        BackboneError: an entry is damaged, or the file cannot be written.
    """
    asked = [[str(one) for one in cache.asked_for(entry.handle)] for entry in entries]
    listed = [{"handle": str(entry.handle), "asked": own} for entry, own in zip(entries, asked, strict=True)]
    try:
        with (
            atomic.replacing(file) as opened,
            tarfile.open(fileobj=opened, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            _add(tar, _PACK, json.dumps({"format": _FORMAT, "networks": listed}, indent=2).encode())
            for entry in entries:
                check(entry, thoroughly=True)
                key = cache.key_of(entry.handle)
                _add(tar, f"{key}/{MANIFEST}", (entry.folder.with_name(MANIFEST)).read_bytes())
                for kept in entry.files:
                    with (entry.folder / kept.name).open("rb") as content:
                        member = tarfile.TarInfo(f"{key}/{CONTENT}/{kept.name}")
                        member.size = kept.size
                        tar.addfile(member, content)
    except DamagedError as error:
        raise BackboneError(f"{entry.handle} is damaged: {error}.\nFetch it again: headstart backbones get") from error
    except OSError as error:
        raise BackboneError(
            f"{file} cannot be written: {error.strerror or error}.\nExpected a place with room for "
            f"{sum(entry.bytes for entry in entries) / 1e6:,.1f} MB."
        ) from error


def read(file: Path, progress: Progress) -> list[tuple[Kept, bool]]:
    """Take the entries of a file into the cache.

    Returns:
        Each entry, and whether it is new here.

    Raises:
        BackboneError: it is not a file that `write` made, it is damaged, an entry is here already with other
            content, or the disk is full or read-only.
    """
    if not file.is_file():
        raise BackboneError(f"{file} is not a file.\nExpected one that `headstart backbones pack` wrote.")
    name = "unpack"
    with (
        cache.disk_errors(f"{file} cannot be unpacked"),
        locks.owned(cache.models() / "locks" / name, f"unpacking {file}", progress.message),
        cache.making(name) as room,
    ):
        try:
            archive.unpack(file, room / "all", _LIMITS)
            found = [_entry(room / "all", listed) for listed in _table(room / "all")]
        except (archive.ArchiveError, DamagedError) as error:
            text = str(error).replace("\n", " ")
            what = text if isinstance(error, archive.ArchiveError) else f"is damaged: {text}"
            raise BackboneError(
                f"{file} cannot be unpacked: it {what}.\nExpected a file that `headstart backbones pack` wrote. "
                "Nothing of it was kept."
            ) from error
        for handle, entry, _ in found:
            _refuse_other(file, handle, entry)
        return [_take(handle, entry, asked, progress) for handle, entry, asked in found]


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _table(folder: Path) -> list[Any]:
    try:
        table = json.loads((folder / _PACK).read_text("utf-8"))
        if table["format"] != _FORMAT:
            raise DamagedError(f"its format is {table['format']}, this version of headstart reads {_FORMAT}")
        return list(table["networks"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise DamagedError(f"{_PACK} cannot be read: {error}") from error


def _entry(folder: Path, listed: Any) -> tuple[Handle, Kept, list[Handle]]:
    """An entry that was unpacked, checked to the last byte; and the handles that mean it."""
    try:
        handle = parse(listed["handle"])
        asked = [parse(text) for text in listed["asked"]]
    except (BackboneError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{_PACK} holds no handle: {error}") from error
    place = folder / cache.key_of(handle)
    entry = read_manifest(place)
    expected = {file.name for file in entry.files}
    there = set(files_in(entry.folder))
    if entry.handle != handle or not handle.pinned:
        raise DamagedError(f"the manifest of {handle} is of {entry.handle}")
    if any(other.pinned or (other.kind, other.place) != (handle.kind, handle.place) for other in asked):
        raise DamagedError(f"it gives {handle} other handles that cannot be its own")
    if there != expected:
        raise DamagedError(f"{handle} has other files than its manifest: {sorted(there ^ expected)[0]}")
    check(entry, thoroughly=True)
    return handle, entry, asked


def _refuse_other(file: Path, handle: Handle, entry: Kept) -> None:
    here = cache.sound(handle)
    if here is not None and here.files != entry.files:
        raise BackboneError(
            f"{handle} is here already, with other content than in {file}.\nNothing was unpacked. To take the file's: "
            f"headstart backbones remove {handle}"
        )


def _take(handle: Handle, entry: Kept, asked: list[Handle], progress: Progress) -> tuple[Kept, bool]:
    with cache.locked(handle, "unpacking", progress.message):
        here = cache.sound(handle)
        if here is None:
            for path in (*entry.folder.rglob("*"), entry.folder, entry.folder.parent):
                atomic.sync(path)
            here, new = cache.place(entry.folder.parent, handle), True
        else:
            progress.message(f"{handle} is already here, unchanged.")
            new = False
        for other in asked:
            cache.note_asked(other, handle)
    return here, new
