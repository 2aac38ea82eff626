"""Backbones: frozen networks by handle. `load` and `load_card` are the ways in."""

from __future__ import annotations

import os
import re
import shlex
import stat
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.backbones.hints import Layers, Options
from headstart.backbones.runtimes.openvino import forks
from headstart.errors import BackboneError, NotFetchedError

if TYPE_CHECKING:  # numpy and Pillow come with them: the catalogue, which is asked from the shell, needs neither
    from headstart.backbones.base import Backbone
    from headstart.backbones.card import Card, Precision
    from headstart.backbones.fetch import Fetched
    from headstart.backbones.local import Local
    from headstart.progress import Progress

__all__ = ["DEFAULT", "Layers", "Options", "load", "load_card"]

DEFAULT = "builtin:efficientnet-lite0"
#: Beginnings of the catalogue's names whose publisher states TensorFlow Hub's common image signature, [0, 1].
_COMMON_SIGNATURE = ("imagenet/", "tf2-preview/", "bit/", "experts/bit/", "efficientnet/")


def load(
    handle: str = DEFAULT,
    precision: Precision = "auto",
    folder: Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    doubts: bool = True,
) -> Backbone:
    """The network with this handle, in its default view.

    An input range that is only assumed is told: to the progress, or as a `UserWarning` where there is none.

    Args:
        handle: `builtin:efficientnet-lite0`; a path; `https://tfhub.dev/...` or another address that speaks
            TensorFlow Hub's protocol, `tfhub:...`, `kaggle:...`, `hf:...`; a plugin's; or a name that is unique in
            the catalogue.
        precision: `auto`, `float32` or `bfloat16`.
        folder: where compiled graphs are kept; None: nowhere.
        options: what the user says of it: input range, layers.
        progress: is told of downloads and doubts.
        doubts: False for a caller that settles them itself.

    Raises:
        BackboneError: no network has this handle, it cannot be fetched or read, or the processor lacks the precision.
    """
    forks.enter()  # before the imports: in a forked child, who is at them may be a thread that is not there
    from headstart.backbones import builtin
    from headstart.backbones.local import open_network
    from headstart.backbones.plugins import load_plugin
    from headstart.backbones.runtimes.openvino.compiled import resolve_precision

    options = options or Options()
    resolved = resolve_precision(precision)
    handle = _known(handle)
    if handle == builtin.HANDLE:
        return builtin.network(resolved, folder, options)
    plugin = load_plugin(handle)
    if plugin is not None:
        if options != Options():
            raise BackboneError(f"{handle} comes from a plugin.\nExpected no --input-range and no --layers with it.")
        return plugin
    network = open_network(_local(handle, progress), options, resolved, folder)
    if doubts and network.card.doubt:
        if progress is None:
            warnings.warn(network.card.doubt, stacklevel=2)
        else:
            progress.message(network.card.doubt)
    return network


def load_card(
    card: Card, folder: Path | None = None, elsewhere: str = "", progress: Progress | None = None, fetch: bool = False
) -> Backbone:
    """The network of a saved card, in the card's view.

    A saved classifier may come from a stranger. What its card names is used if it is here; it is fetched only with
    `fetch`, and then without any token; and its weights are compared with the card's before anything reads them.
    The precision is the card's where this processor has it, else float32: `card.precision` of the result tells.

    Args:
        card: of a saved classifier.
        folder: where compiled graphs are kept; None: nowhere.
        elsewhere: another handle or path where the same network lies now; the user's own word, so it is fetched.
        progress: is told of downloads.
        fetch: whether what the card names may be fetched.

    Raises:
        NotFetchedError: the network is not on this machine, and `fetch` is False.
        BackboneError: the network cannot be found, or gives other vectors than the card's.
    """
    forks.enter()
    from headstart.backbones import builtin
    from headstart.backbones.local import reopen
    from headstart.backbones.plugins import load_plugin
    from headstart.backbones.runtimes.openvino.compiled import has_bfloat16

    if card.precision == "bfloat16" and not has_bfloat16():
        card = replace(card, precision="float32")
    if not elsewhere and re.match(r"[\\/]{2}", card.handle):  # even to look whether it is there would ask that server
        raise BackboneError(
            f"This classifier asks for a network on another computer, {card.handle}, which is not looked for.\n"
            "Expected a path on this one. If you trust it: -b PATH (in Python: backbone=PATH)."
        )
    handle = _known(elsewhere or card.handle)
    network: Backbone | None
    if handle == builtin.HANDLE:
        network = builtin.network(card.precision, folder, Options(layers=card.layers))
    else:
        network = load_plugin(handle)
    if network is None:
        return reopen(_local(handle, progress) if elsewhere else _named(handle, progress, fetch), card, folder)
    here = replace(network.card.with_fit(card.view.fit), handle=card.handle)
    if card.key != here.key:
        theirs, ours = card.to_json(), here.to_json()
        other = [name for name in ours if theirs[name] != ours[name]]
        raise BackboneError(
            f"{handle} is not the network that this classifier was trained on: {', '.join(other)} differ(s).\n"
            "Expected the same. Train it anew, or install the version of headstart that trained it."
        )
    return network.with_card(here)


def _named(handle: str, progress: Progress | None, may_fetch: bool) -> Local:
    """The network that a saved classifier names: what is here, or what its user lets it fetch.

    Raises:
        BackboneError: there is none, or a path leads to something else.
    """
    from headstart.backbones.fetch import fetch, found, is_remote, origin
    from headstart.disk.home import offline

    if not is_remote(handle):
        _check_path(Path(handle))
        return _local(handle, progress)
    fetched = found(handle)
    if fetched is None:
        name, host = origin(handle)
        if not may_fetch and not offline():  # offline, `fetch` says how it can be carried here
            raise NotFetchedError(
                f"The network {name} that this classifier was trained on is not on this machine.\nIt would come from "
                f"{host}; nothing is downloaded unasked. If you trust it: headstart backbones get {shlex.quote(name)}; "
                "then try again. Or let it be downloaded without your token: --fetch (in Python: fetch=True).",
                f"{name} ({host})",
            )
        if progress is not None and not offline():
            progress.message(f"The classifier's network {name} is downloaded from {host}, without your token.")
        fetched = fetch(handle, progress, anonymous=True)
    return _placed(fetched)


def _check_path(path: Path) -> None:
    """A path that a stranger wrote is read only if it is a file or folder of the size of a network.

    Raises:
        BackboneError: it is not.
    """
    from headstart.backbones.graph.files import parts
    from headstart.disk.archive import LIMITS

    try:
        mode, size = (info := os.stat(path)).st_mode, info.st_size
        plain = stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and 0 < size <= LIMITS.bytes)
        plain = plain and sum(part.stat().st_size for part in parts(path)) <= LIMITS.bytes
    except OSError as error:
        raise BackboneError(
            f"The network {path} that this classifier was trained on is not there any more, or cannot be read "
            f"({error.strerror}).\nExpected that file or folder. If it has moved, say where it is now: -b PATH (in "
            "Python: backbone=PATH)."
        ) from error
    if not plain:
        raise BackboneError(
            f"{path}, where this classifier looks for its network, is not a file or folder of at most "
            f"{LIMITS.bytes / 1e9:,.0f} GB.\nExpected a network. If you trust it: -b PATH (in Python: backbone=PATH)."
        )


def _known(handle: str) -> str:
    """The handle itself if its form tells where to look, else the one that the catalogue has for this name."""
    from headstart.backbones import catalogue
    from headstart.backbones.fetch import is_remote
    from headstart.backbones.plugins import plugins

    if handle == DEFAULT or is_remote(handle) or handle.partition(":")[0] in plugins():
        return handle
    if not handle:
        raise BackboneError("The handle of the network is empty.\nExpected one, such as builtin:efficientnet-lite0.")
    path = os.path.expanduser(handle)
    if os.path.exists(path) or _looks_like_a_path(handle):
        return path
    try:
        return catalogue.resolve(handle)
    except BackboneError as error:
        if "/" not in handle and "." not in handle:
            raise
        raise BackboneError(f"{error}\nThere is no file or folder {handle} here, either.") from error


def _looks_like_a_path(handle: str) -> bool:
    from headstart.backbones.formats import EXTENSIONS

    marked = handle.startswith((".", "/", "~")) or "\\" in handle or re.match(r"[A-Za-z]:/", handle)
    return bool(marked) or handle.lower().endswith(tuple(EXTENSIONS))


def _local(handle: str, progress: Progress | None) -> Local:
    """A network on this disk, fetched if it was not."""
    from headstart.backbones.fetch import fetch, is_remote
    from headstart.backbones.local import Local

    if is_remote(handle):
        return _placed(fetch(handle, progress))
    # A classifier is used from other folders than it was trained in.
    return Local(os.path.abspath(handle), Path(os.path.abspath(handle)))


def _placed(fetched: Fetched) -> Local:
    """A fetched network, with what is known of it by where it came from."""
    from headstart.backbones import catalogue
    from headstart.backbones.graph.files import format_of
    from headstart.backbones.hints import Hints, feed_of
    from headstart.backbones.local import Local

    if fetched.handle.startswith("hf:"):
        return Local(fetched.handle, fetched.path, top=fetched.folder)
    entry = catalogue.by_handle(fetched.handle)
    # The common image signature of TensorFlow Hub: float32 [0, 1], RGB. These families keep it; some others do not.
    own = entry is not None and entry.name.startswith(_COMMON_SIGNATURE)
    saved = format_of(fetched.path) in ("savedmodel", "tf1hub")
    feed = feed_of("0..1", "hub" if own else "assumed") if saved else None
    if entry is None:
        return Local(fetched.handle, fetched.path, Hints(feed=feed))
    side = entry.input_size
    kind = entry.kind if entry.kind in ("feature_vector", "classification") else None
    return Local(
        fetched.handle,
        fetched.path,
        Hints(feed=feed, size=(side, side) if side else None, kind=kind, licence=entry.licence),  # type: ignore[arg-type]
    )
