"""Models on servers, by handle: downloaded once, kept complete, found again offline.

Importing this is light: the code that contacts servers is imported when there is something to download.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.backbones.fetch import cache, client_caches, tfhub_cache
from headstart.backbones.fetch.contents import files_in
from headstart.backbones.fetch.failures import failure
from headstart.backbones.fetch.handles import Handle, is_remote, parse
from headstart.backbones.fetch.manifests import CONTENT, DamagedError, Kept, check
from headstart.disk import archive
from headstart.disk.archive import ArchiveError
from headstart.disk.home import offline
from headstart.errors import BackboneError
from headstart.progress import Progress, Silent

__all__ = [
    "Checked",
    "Fetched",
    "Kept",
    "Unpacked",
    "fetch",
    "found",
    "kept",
    "pack",
    "parse",
    "remove",
    "unpack",
    "verify",
]

#: Advice for each kind of `DownloadError`.
_ADVICE = {
    "again": "Try again later: headstart backbones get {handle}",
    "offline": "Connect this machine to the internet, or carry the model over: headstart backbones pack {handle} "
    "-o FILE there, headstart backbones unpack FILE here.",
    "address": "Use another address of it.",
    "certificate": "Check this machine's clock and its certificates (SSL_CERT_FILE names a file with others, such as "
    "a proxy's). Nothing was downloaded.",
    "room": "Make room, for example with: headstart backbones remove HANDLE. Or set HEADSTART_HOME to another folder.",
    "missing": "Check the handle: headstart models finds those that are known.",
    "forbidden": "Open the address in a browser: it may ask to sign in or to accept a licence.",
    "sign in": "Open its page in a browser; sign in as the service's own package does.",
    "withheld": "Your token was not sent, because a saved classifier chose the address. If you trust it: headstart "
    "backbones get {handle}",
    "version": "Upgrade it: pip install --upgrade 'headstart[hf,kaggle]'",
}
_CARRY = (
    "Expected the model on this machine. On a machine with internet: headstart backbones pack {handle} -o FILE; "
    "then here: headstart backbones unpack FILE. Or unset HEADSTART_OFFLINE."
)


@dataclass(frozen=True)
class Fetched:
    """A model on this machine.

    Attributes:
        handle: with the version or commit that was found.
        path: the model: the SavedModel's folder (it holds `saved_model.pb` or, in TensorFlow Hub's older format,
            `tfhub_module.pb` too), or the `.onnx`, `.tflite`, `.xml`, `.h5` or `.keras` file.
        folder: of all its files. It may belong to the cache of tensorflow_hub: never write there.
    """

    handle: Handle
    path: Path
    folder: Path


@dataclass(frozen=True)
class Checked:
    """The result of checking a cache entry: its handle, or its folder's name if that cannot be read.

    `problem` is empty if it is sound.
    """

    handle: str
    problem: str


@dataclass(frozen=True)
class Unpacked:
    """An entry unpacked from a file; `new` is False if the same one was here already."""

    kept: Kept
    new: bool


def fetch(asked: Handle, progress: Progress | None = None, refresh: bool = False, anonymous: bool = False) -> Fetched:
    """The files of a model: from this machine if they are here, otherwise from its server.

    Args:
        asked: the model's handle.
        progress: receives messages and bytes.
        refresh: ask the server even if the files are here, and what a handle without a version means now.
        anonymous: send no token even if the user has signed in; for handles that the user did not choose.

    Raises:
        BackboneError: the server cannot be reached or sends something else, the disk is full, or the model is not here
            and `HEADSTART_OFFLINE` is set.
    """
    progress = progress or Silent()
    here, damage = (None, "") if refresh else _here(asked, progress)
    if here is not None:
        return here
    if offline():
        what = f"is damaged: {damage}" if damage else "is not here" if not refresh else "cannot be refreshed"
        raise failure(asked, f"{what}, and HEADSTART_OFFLINE is set.", _CARRY.format(handle=asked))
    with cache.disk_errors(f"{asked} cannot be kept"), cache.locked(asked, "fetching", progress.message):
        if not refresh:
            try:
                if (here := _look(asked)) is not None:  # another process may just have fetched it
                    return here
            except DamagedError as error:
                progress.message(f"{asked} is damaged: {error}. It is fetched again.")
        try:
            return _fetched(_fetch(asked, progress, refresh, anonymous))
        except ArchiveError as error:
            what, _, expected = str(error).partition("\n")
            advice = f"{expected or 'Expected a tar.gz of plain files, with a model in it'}. Nothing of it was kept."
            raise failure(asked, f"cannot be used: what its server sent {what}.", advice) from error


def found(asked: Handle) -> Fetched | None:
    """A model that is on this machine and sound, else None; no server is asked."""
    return _here(asked, Silent())[0]


def kept() -> list[Kept]:
    """The cache's entries, by name; those with a damaged manifest are left out."""
    return [entry for _, entry in cache.everything() if isinstance(entry, Kept)]


def verify(handles: Sequence[str] = ()) -> list[Checked]:
    """Compare every file with its SHA-256.

    Args:
        handles: of the models to check; none: all.

    Raises:
        BackboneError: a handle is not valid, or not here.
    """
    results = []
    for name, entry in [_entry(handle) for handle in handles] if handles else cache.everything():
        try:
            if isinstance(entry, DamagedError):
                raise entry
            check(entry, thoroughly=True)
            results.append(Checked(str(entry.handle), ""))
        except DamagedError as error:
            results.append(Checked(_shown(name, entry), str(error)))
    return results


def remove(handle: str, progress: Progress | None = None) -> str:
    """Remove a model from the cache, and a partial download of it.

    Args:
        handle: of the model, or the name of its folder if its manifest is damaged.
        progress: receives which process is waited for, if another one is using it.

    Returns:
        The canonical handle, or the name.

    Raises:
        BackboneError: there is none, or the disk cannot be written.
    """
    report = (progress or Silent()).message
    asked = parse(handle) if is_remote(handle) else None
    unfinished = asked is not None and cache.abandon(asked, report)
    try:
        name, entry = _entry(handle)
    except BackboneError:
        if unfinished:
            return str(asked)
        raise
    with cache.disk_errors(f"{handle} cannot be removed"):
        cache.drop(name, report)
    return _shown(name, entry)


def pack(handles: Sequence[Handle], file: str | Path, progress: Progress | None = None) -> list[Kept]:
    """Write models into one file, to carry them to a machine without internet. Those not here are downloaded.

    Raises:
        BackboneError: as for `fetch`, or the file cannot be written.
    """
    from headstart.backbones.fetch import packing

    packing.check_target(Path(file))
    entries = {entry.handle: entry for entry in (_own(handle, progress or Silent()) for handle in handles)}
    packing.write([entries[handle] for handle in sorted(entries, key=str)], Path(file))
    return list(entries.values())


def unpack(file: str | Path, progress: Progress | None = None) -> list[Unpacked]:
    """Take the models from a file that `pack` wrote, all or none.

    Raises:
        BackboneError: it is not such a file, it is damaged, or a model is here already with other content.
    """
    from headstart.backbones.fetch import packing

    return [Unpacked(entry, new) for entry, new in packing.read(Path(file), progress or Silent())]


def _here(asked: Handle, progress: Progress) -> tuple[Fetched | None, str]:
    """The files that are on this machine, in any cache; and what is wrong with those in ours."""
    try:
        return _look(asked) or _copied(asked, progress), ""
    except DamagedError as error:
        return _copied(asked, progress), str(error)


def _look(asked: Handle) -> Fetched | None:
    """The files that are on this machine and sound.

    Raises:
        DamagedError: our cache has the model, but its files have changed.
    """
    if (entry := cache.find(asked)) is not None:
        check(entry)
        return _fetched(entry)
    foreign = tfhub_cache.find(asked) if asked.kind == "hub" else None
    return None if foreign is None else Fetched(asked, foreign, foreign)


def _copied(asked: Handle, progress: Progress) -> Fetched | None:
    """A model that the package of Hugging Face or Kaggle has in its cache, copied into ours; None if it has not."""
    if (cached := client_caches.find(cache.meant(asked))) is None:
        return None
    try:
        progress.message(f"{cached.handle} is copied from {cached.folder}.")
        return _fetched(_copy(asked, cached.handle, cached.folder, cached.files, progress))
    except ArchiveError:  # it is no model that we read: the server may have another one
        return None


def _copy(asked: Handle, handle: Handle, folder: Path, files: Iterable[str], progress: Progress) -> Kept:
    """Make files on this disk the entry of a handle."""
    with (
        cache.disk_errors(f"{asked} cannot be kept"),
        cache.locked(asked, "copying", progress.message),
        cache.making(cache.key_of(asked)) as room,
    ):
        if (entry := cache.sound(handle)) is not None:  # another process has just copied it
            cache.note_asked(asked, handle)
            return entry
        content = room / "new" / CONTENT
        for name in files:
            target = content / archive.safe_name(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
        return cache.settle(content.parent, asked, handle, folder.as_uri(), progress.message)


def _fetched(entry: Kept) -> Fetched:
    return Fetched(entry.handle, entry.path, entry.folder)


def _fetch(asked: Handle, progress: Progress, refresh: bool, anonymous: bool) -> Kept:
    """Download a handle whose lock is held."""
    from headstart.backbones.fetch import hf, hub, kaggle
    from headstart.disk.retry import DownloadError

    wanted = cache.meant(asked) if not refresh else asked  # a damaged one is repaired, not replaced by a newer one
    name = cache.key_of(asked)
    try:
        if asked.kind == "hf" and not wanted.pinned:
            wanted = hf.resolve(asked, progress, anonymous)
            entry = cache.sound(wanted)
            if entry is not None:
                cache.note_asked(asked, wanted)
                return entry
        with cache.making(name) as making, cache.arriving(name) as room:
            content = making / "new" / CONTENT
            content.parent.mkdir()
            if asked.kind == "hub":
                source = hub.download(wanted, content, room, progress)
            elif asked.kind == "hf":
                source = hf.download(wanted, content, room, progress, anonymous)
            else:
                wanted, source = kaggle.download(wanted, content, room, progress, anonymous)
            return cache.settle(content.parent, asked, wanted, source, progress.message)
    except DownloadError as error:
        there = " What has arrived is kept: the next try continues from there." if cache.has_arrived(name) else ""
        what = f"cannot be fetched: {error}.{there}"
        kind = "withheld" if anonymous and error.kind == "sign in" else error.kind
        raise failure(asked, what, _ADVICE[kind].format(handle=asked)) from error


def _own(asked: Handle, progress: Progress) -> Kept:
    """The entry of a model in our own cache; one that only tensorflow_hub's cache has is copied."""
    found = fetch(asked, progress)
    if (entry := cache.sound(found.handle)) is not None:
        return entry
    try:
        return _copy(asked, asked, found.folder, files_in(found.folder), progress)
    except ArchiveError as error:
        what = f"cannot be packed: its copy in {found.folder} {error}."
        raise failure(asked, what, "Remove that copy, then try again.") from error


def _shown(name: str, entry: Kept | DamagedError) -> str:
    """How an entry is printed: by its handle, or by its folder's name if its manifest is damaged."""
    return str(entry.handle) if isinstance(entry, Kept) else name


def _entry(handle: str) -> tuple[str, Kept | DamagedError]:
    """The name of an entry and what is in it; `handle` may be that name.

    Raises:
        BackboneError: there is none; the message lists similar names.
    """
    import difflib

    entries = dict(cache.everything())
    if handle in entries:
        return handle, entries[handle]
    if is_remote(handle):
        name = cache.key_of(cache.meant(parse(handle)))
        if name in entries:
            return name, entries[name]
    known = sorted(_shown(name, entry) for name, entry in entries.items())
    near = difflib.get_close_matches(handle, known, n=3, cutoff=0.5)
    raise BackboneError(
        f"{handle} is not in the cache.\n"
        + (f"Near names: {', '.join(near)}. " if near else "")
        + f"Expected one of the {len(known)} that are here; see them with: headstart backbones list"
    )
