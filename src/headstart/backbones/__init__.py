"""Backbones: frozen models by handle. `load`, `load_view` and `load_card` are the entry points."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headstart.backbones.hints import DEFAULT, Layers, Options, Viewing
from headstart.backbones.runtimes.openvino import forks
from headstart.errors import BackboneError, NotFetchedError
from headstart.progress import standard

if TYPE_CHECKING:  # these import numpy and Pillow, which the catalogue's commands do without
    from headstart.backbones.base import Backbone
    from headstart.backbones.card import Card
    from headstart.backbones.fetch import Fetched
    from headstart.backbones.fetch.handles import Handle
    from headstart.backbones.local import LocalModel
    from headstart.backbones.runtimes.openvino.compiled import PrecisionChoice
    from headstart.progress import Progress

__all__ = ["DEFAULT", "Layers", "Located", "Options", "Viewing", "load", "load_card", "load_view", "locate"]

#: How the catalogue's names begin whose publishers state TensorFlow Hub's common image signature, [0, 1].
_COMMON_SIGNATURE = ("imagenet/", "tf2-preview/", "bit/", "experts/bit/", "efficientnet/")


@dataclass(frozen=True)
class Located:
    """Where the model of a handle is.

    Attributes:
        source: `builtin`; `plugin`; `remote`: on a server, or fetched from one; `path`: a file or folder.
        handle: as it is printed; of a catalogue name the model's handle, of a path the absolute one, because a
            classifier may be used in another folder than it was trained in.
        remote: its parts, for a model on a server; None for the other sources.
    """

    source: Literal["builtin", "plugin", "remote", "path"]
    handle: str
    remote: Handle | None = None


def locate(handle: str) -> Located:
    """Decide which source a handle belongs to.

    Raises:
        BackboneError: it is empty, incomplete, or neither a handle, a path nor a unique name of the catalogue.
    """
    from headstart.backbones import catalogue
    from headstart.backbones.fetch.handles import is_remote, parse
    from headstart.backbones.formats import EXTENSIONS
    from headstart.backbones.plugins import plugins

    if not handle:
        raise BackboneError(f"The handle of the backbone is empty.\nExpected one, such as {DEFAULT}.")
    if handle == DEFAULT:
        return Located("builtin", handle)
    if is_remote(handle):
        return Located("remote", handle, parse(handle))
    word, colon, _ = handle.partition(":")
    if colon and word in plugins():
        return Located("plugin", handle)
    path = os.path.expanduser(handle)
    marked = handle.startswith((".", "/", "~")) or "\\" in handle or re.match(r"[A-Za-z]:/", handle)
    if marked or handle.lower().endswith(tuple(EXTENSIONS)) or os.path.exists(path):
        return Located("path", os.path.abspath(path))
    try:
        return locate(catalogue.resolve(handle))
    except BackboneError as error:
        if "/" not in handle and "." not in handle:
            raise
        raise BackboneError(f"There is no file or folder {handle} here.\n{error}") from error


def load(
    handle: str = DEFAULT,
    precision: PrecisionChoice = "auto",
    folder: Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    doubts: bool = True,
) -> Backbone:
    """The backbone with this handle, in its default view.

    If its input range is only assumed, this is reported: to `progress`, or as a `HeadstartWarning` without one.

    Args:
        handle: `builtin:efficientnet-lite0`; a path; `https://tfhub.dev/...` or another address that speaks
            TensorFlow Hub's protocol, `tfhub:...`, `kaggle:...`, `hf:...`; a plugin's; or a name that is unique in
            the catalogue.
        precision: `auto`, `float32` or `bfloat16`.
        folder: where compiled graphs are kept; None: nowhere.
        options: input range and layers, as the user specifies them.
        progress: receives downloads and warnings.
        doubts: False: the caller deals with an assumed input range itself, so it is not reported.

    Raises:
        BackboneError: no model has this handle, it cannot be fetched or read, or the processor lacks the precision.
    """
    forks.enter()  # before the imports, whose locks a thread may hold that is not in a forked child
    from headstart.backbones import builtin
    from headstart.backbones.local import open_model
    from headstart.backbones.plugins import load_plugin
    from headstart.backbones.runtimes.openvino.compiled import resolve_precision

    options = options or Options()
    resolved = resolve_precision(precision)
    located = locate(handle)
    if located.source == "builtin":
        return builtin.network(resolved, folder, options)
    if located.source == "plugin":
        if options != Options():
            raise BackboneError(f"{handle} comes from a plugin.\nExpected no --input-range and no --layers with it.")
        return load_plugin(located.handle)
    backbone = open_model(_local(located, progress), options, resolved, folder)
    if doubts and backbone.card.doubt:
        standard(progress).caution(backbone.card.doubt)
    return backbone


def load_view(
    handles: str | Sequence[str] = DEFAULT,
    view: Viewing = "squash",
    folder: Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    doubts: bool = True,
) -> Backbone:
    """The backbone with this handle in a view; of several handles, and of `both` views, the features are joined.

    Args:
        handles: one; or a list, whose features are joined. An input range applies to those of a list that do not
            declare their own.
        view: `squash`, `crop`, `pad` or `both`.
        folder, options, progress, doubts: see `load`.

    Raises:
        BackboneError: see `load`; no handle, or the same twice.
    """
    from headstart.backbones.joined import viewed

    if isinstance(handles, str):
        return viewed([load(handles, folder=folder, options=options, progress=progress, doubts=doubts)], view)
    return viewed([_load_listed(one, folder, options or Options(), progress, doubts) for one in handles], view)


def _load_listed(
    handle: str, folder: Path | None, options: Options, progress: Progress | None, doubts: bool
) -> Backbone:
    """The user's input range applies only if the model does not declare its own."""
    given = options.input_range
    plain = replace(options, input_range="")
    opened = load(handle, folder=folder, options=plain, progress=progress, doubts=doubts and not given)
    if given and opened.card.range_from == "assumed":
        return load(handle, folder=folder, options=options, progress=progress, doubts=doubts)
    return opened


def load_card(
    card: Card, folder: Path | None = None, elsewhere: str = "", progress: Progress | None = None, fetch: bool = False
) -> Backbone:
    """The backbone of a saved card, in the card's view.

    A saved classifier may come from a stranger. The model that its card names is used if it is on this machine; it is
    downloaded only with `fetch`, and then without any token; and its weights are compared with the card's before
    anything reads them. The precision is the card's if this processor has it, else float32, as the result's card shows.

    Args:
        card: of a saved classifier.
        folder: where compiled graphs are kept; None: nowhere.
        elsewhere: another handle or path of the same model; the user chose it, so it may be downloaded.
        progress: receives downloads.
        fetch: whether the model that the card names may be downloaded.

    Raises:
        NotFetchedError: the model is not on this machine, and `fetch` is False.
        BackboneError: the model cannot be found, or gives other vectors than the card's.
    """
    forks.enter()
    if card.parts:
        return _load_parts(card, folder, elsewhere, progress, fetch)
    from headstart.backbones import builtin
    from headstart.backbones.local import reopen
    from headstart.backbones.plugins import load_plugin
    from headstart.backbones.runtimes.openvino.compiled import has_bfloat16

    if card.precision == "bfloat16" and not has_bfloat16():
        card = replace(card, precision="float32")
    if not elsewhere and re.match(r"[\\/]{2}", card.handle):  # even checking that it exists would contact that server
        raise BackboneError(
            f"This classifier needs a model on another computer, {card.handle}, which is not opened.\n"
            "Expected a path on this one. If you trust it: -b PATH (in Python: backbone=PATH)."
        )
    located = locate(elsewhere or card.handle)
    if located.source == "builtin":
        backbone: Backbone = builtin.network(card.precision, folder, Options(layers=card.layers))
    elif located.source == "plugin":
        backbone = load_plugin(located.handle)
    else:
        model = _local(located, progress) if elsewhere else _saved(located, progress, fetch)
        return reopen(model, card, folder)
    here = replace(backbone.card.with_fit(card.view.fit), handle=card.handle)
    if card.key != here.key:
        theirs, ours = card.to_json(), here.to_json()
        other = [name for name in ours if theirs[name] != ours[name]]
        raise BackboneError(
            f"{located.handle} is not the backbone that this classifier was trained on.\nExpected the same "
            f"{', '.join(other)}. Train the classifier again, or install the version of headstart that trained it."
        )
    return backbone.with_card(here)


def _load_parts(card: Card, folder: Path | None, elsewhere: str, progress: Progress | None, fetch: bool) -> Backbone:
    """`load_card` for a joined backbone. Of several models, `elsewhere` is the place of the one that is not found."""
    from headstart.backbones.joined import Joined

    opened: dict[str, Backbone] = {}
    for one in card.models:
        try:
            opened[one.handle] = load_card(one, folder, elsewhere if len(card.models) == 1 else "", progress, fetch)
        except BackboneError:
            if not elsewhere or len(card.models) == 1:
                raise
            opened[one.handle] = load_card(one, folder, elsewhere, progress, fetch)
    parts = []
    for part in card.parts:
        found = opened[part.handle].with_fit(part.view.fit)
        if replace(part, precision=found.card.precision).key != found.card.key:
            raise BackboneError(
                f"{part.handle} gives other vectors in the view '{part.view.fit}' than at the training."
                "\nExpected the same. Train the classifier again."
            )
        parts.append(found)
    return Joined(parts)


def _local(located: Located, progress: Progress | None) -> LocalModel:
    """The model on this disk; it is fetched if it was not here."""
    from headstart.backbones.fetch import fetch
    from headstart.backbones.local import LocalModel

    if located.remote is not None:
        return _described(fetch(located.remote, progress))
    return LocalModel(located.handle, Path(located.handle))


def _saved(located: Located, progress: Progress | None, may_fetch: bool) -> LocalModel:
    """The model that a saved classifier names: one that is here, or that the user allows to download.

    Raises:
        BackboneError: there is none, or a path leads to something else.
    """
    from headstart.backbones.fetch import fetch, found
    from headstart.disk.home import offline

    if located.remote is None:
        _check_path(Path(located.handle))
        return _local(located, progress)
    fetched = found(located.remote)
    if fetched is None:
        name, host = (ascii(text)[1:-1] for text in (str(located.remote), located.remote.host))  # printable
        if not may_fetch and not offline():  # offline, `fetch` explains how it can be copied here
            raise NotFetchedError(
                f"The model {name} that this classifier was trained on is not on this machine.\nIt would come from "
                f"{host}, and nothing is downloaded without your consent. If you trust it: headstart backbones get "
                f"{shlex.quote(name)}; then try again. Or allow the download, without your token: --fetch (in Python: "
                "fetch=True).",
                f"{name} ({host})",
            )
        if progress is not None and not offline():
            progress.message(f"Downloading the classifier's model {name} from {host}, without your token.")
        fetched = fetch(located.remote, progress, anonymous=True)
    return _described(fetched)


def _check_path(path: Path) -> None:
    """Read a path that a stranger wrote only if it is a file or folder of the size of a model.

    Raises:
        BackboneError: it is not.
    """
    from headstart.backbones.graph.files import size
    from headstart.disk.archive import LIMITS

    try:
        info = os.stat(path)
        plain = stat.S_ISDIR(info.st_mode) or (stat.S_ISREG(info.st_mode) and 0 < info.st_size <= LIMITS.bytes)
        plain = plain and size(path) <= LIMITS.bytes
    except OSError as error:
        raise BackboneError(
            f"The model {path} that this classifier was trained on is no longer there or cannot be read "
            f"({error.strerror}).\nExpected that file or folder. If it has moved, pass its new place: -b PATH (in "
            "Python: backbone=PATH)."
        ) from error
    if not plain:
        raise BackboneError(
            f"{path}, where this classifier looks for its model, is not a file or folder of at most "
            f"{LIMITS.bytes / 1e9:,.0f} GB.\nExpected a model. If you trust it: -b PATH (in Python: backbone=PATH)."
        )


def _described(fetched: Fetched) -> LocalModel:
    """A fetched model, and what is known of it because of its source."""
    from headstart.backbones import catalogue
    from headstart.backbones.graph.files import format_of
    from headstart.backbones.hints import Hints
    from headstart.backbones.local import LocalModel
    from headstart.backbones.ranges.feeds import feed_of

    handle = str(fetched.handle)
    if fetched.handle.kind == "hf":
        return LocalModel(handle, fetched.path, top=fetched.folder)
    entry = catalogue.by_handle(handle)
    # The common image signature of TensorFlow Hub: float32 [0, 1], RGB. These families keep it; some others do not.
    common = entry is not None and entry.name.startswith(_COMMON_SIGNATURE)
    saved = format_of(fetched.path) in ("savedmodel", "tf1hub")
    hints = Hints(feed=feed_of("0..1", "hub" if common else "assumed") if saved else None)
    if entry is not None:
        side = entry.input_size
        kind = entry.kind if entry.kind in ("feature_vector", "classification") else None
        hints = replace(hints, size=(side, side) if side else None, kind=kind, licence=entry.licence)  # type: ignore[arg-type]
    return LocalModel(handle, fetched.path, hints)
