"""Backbones: frozen networks by handle. `load` and `load_card` are the ways in."""

from __future__ import annotations

import os
import re
import shlex
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.backbones import forks
from headstart.backbones.hints import Layers, Options
from headstart.errors import BackboneError

if TYPE_CHECKING:  # numpy and Pillow come with them: the catalogue, which is asked from the shell, needs neither
    from headstart.backbones.base import Backbone
    from headstart.backbones.card import Card, Precision
    from headstart.backbones.fetch import Watcher
    from headstart.backbones.local import Local

__all__ = ["DEFAULT", "Layers", "Options", "load", "load_card"]

DEFAULT = "builtin:efficientnet-lite0"
#: Beginnings of the catalogue's names whose publisher states TensorFlow Hub's common image signature, [0, 1].
_COMMON_SIGNATURE = ("imagenet/", "tf2-preview/", "bit/", "experts/bit/", "efficientnet/")


def load(
    handle: str = DEFAULT,
    precision: Precision = "auto",
    folder: Path | None = None,
    options: Options | None = None,
    watcher: Watcher | None = None,
    doubts: bool = True,
) -> Backbone:
    """The network with this handle, in its default view.

    An input range that is only assumed is told: to the watcher, or as a `UserWarning` where there is none.

    Args:
        handle: `builtin:efficientnet-lite0`; a path; `https://tfhub.dev/...` or another address that speaks
            TensorFlow Hub's protocol, `tfhub:...`, `kaggle:...`, `hf:...`; a plugin's; or a name that is unique in
            the catalogue.
        precision: `auto`, `float32` or `bfloat16`.
        folder: where compiled graphs are kept; None: nowhere.
        options: what the user says of it: input range, layers.
        watcher: is told of downloads and doubts.
        doubts: False for a caller that settles them itself.

    Raises:
        BackboneError: no network has this handle, it cannot be fetched or read, or the processor lacks the precision.
    """
    forks.enter()  # before the imports: in a forked child, who is at them may be a thread that is not there
    from headstart.backbones import builtin
    from headstart.backbones.compiled import resolve_precision
    from headstart.backbones.local import open_network
    from headstart.backbones.source import load_plugin

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
    network = open_network(_local(handle, watcher), options, resolved, folder)
    if doubts and network.card.doubt:
        if watcher is None:
            warnings.warn(network.card.doubt, stacklevel=2)
        else:
            watcher.said(network.card.doubt)
    return network


def load_card(card: Card, folder: Path | None = None, elsewhere: str = "", watcher: Watcher | None = None) -> Backbone:
    """The network of a saved card, in the card's view.

    The precision is the card's where this processor has it, else float32: `card.precision` of the result tells.

    Args:
        card: of a saved classifier.
        folder: where compiled graphs are kept; None: nowhere.
        elsewhere: another handle or path where the same network lies now.
        watcher: is told of downloads.

    Raises:
        BackboneError: the network cannot be found, or gives other vectors than the card's.
    """
    forks.enter()
    from headstart.backbones import builtin
    from headstart.backbones.compiled import has_bfloat16
    from headstart.backbones.local import reopen
    from headstart.backbones.source import load_plugin

    if card.precision == "bfloat16" and not has_bfloat16():
        card = replace(card, precision="float32")
    handle = _known(elsewhere or card.handle)
    network: Backbone | None
    if handle == builtin.HANDLE:
        network = builtin.network(card.precision, folder, Options(layers=card.layers))
    else:
        network = load_plugin(handle)
    if network is None:
        if not elsewhere:
            _check_reach(handle)
        return reopen(_local(handle, watcher), card, folder)
    here = replace(network.card.with_fit(card.view.fit), handle=card.handle)
    if card.key != here.key:
        theirs, ours = card.to_json(), here.to_json()
        other = [name for name in ours if theirs[name] != ours[name]]
        raise BackboneError(
            f"{handle} is not the network that this classifier was trained on: {', '.join(other)} differ(s).\n"
            "Expected the same. Train it anew, or install the version of headstart that trained it."
        )
    return network.with_card(here)


def _check_reach(handle: str) -> None:
    """A saved classifier may come from a stranger: it fetches only from where its user would, and never in silence.

    Raises:
        BackboneError: its network is not here, or only at an address that the catalogue does not know.
    """
    from headstart.backbones import catalogue
    from headstart.backbones.fetch import here, is_remote

    if not is_remote(handle):
        if not os.path.exists(handle):
            raise BackboneError(
                f"The network {handle} that this classifier was trained on is not there any more.\nExpected that file "
                "or folder. If it has moved, say where it is now: -b PATH (in Python: backbone=PATH)."
            )
        return
    if handle.startswith(("http:", "https:")) and catalogue.by_handle(handle) is None and not here(handle):
        raise BackboneError(
            f"This classifier asks for a network from {handle}, which is not here and not in the catalogue.\nExpected "
            f"an address that you trust. If you do: headstart backbones get {shlex.quote(handle)}; then try again."
        )


def _known(handle: str) -> str:
    """The handle itself if its form tells where to look, else the one that the catalogue has for this name."""
    from headstart.backbones import catalogue
    from headstart.backbones.fetch import is_remote
    from headstart.backbones.source import plugins

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
    from headstart.backbones.files import ENDINGS

    marked = handle.startswith((".", "/", "~")) or "\\" in handle or re.match(r"[A-Za-z]:/", handle)
    return bool(marked) or handle.lower().endswith(tuple(ENDINGS))


def _local(handle: str, watcher: Watcher | None) -> Local:
    """A network on this disk, fetched if it was not."""
    from headstart.backbones import catalogue
    from headstart.backbones.fetch import fetch, is_remote
    from headstart.backbones.files import format_of
    from headstart.backbones.hints import Hints, feed_of
    from headstart.backbones.local import Local

    if not is_remote(handle):
        # A classifier is used from other folders than it was trained in.
        return Local(os.path.abspath(handle), Path(os.path.abspath(handle)))
    fetched = fetch(handle, watcher)
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
