"""What a text names that is given as a backbone. It is read here, once; every caller uses the result.

builtin:efficientnet-lite0                      built in
https://..., tfhub:..., kaggle:..., hf:...      remote, see `fetch.handles`
PLUGIN:...                                      a plugin's
./net.onnx, /models/net, net.tflite             a path
mobilenet_v2_100_224                            a name for the catalogue
"""

from __future__ import annotations

import os
import re
from collections.abc import Container
from dataclasses import dataclass

from headstart.backbones.fetch import handles
from headstart.backbones.fetch.handles import Handle
from headstart.backbones.formats import EXTENSIONS
from headstart.errors import BackboneError

DEFAULT = "builtin:efficientnet-lite0"


@dataclass(frozen=True)
class BuiltIn:
    """The backbone that comes with headstart."""


@dataclass(frozen=True)
class Remote:
    """A backbone on a server."""

    handle: Handle


@dataclass(frozen=True)
class OfPlugin:
    """A backbone of a plugin: `name` chooses the plugin, which gets the whole `handle`."""

    name: str
    handle: str


@dataclass(frozen=True)
class LocalPath:
    """A file or folder on this machine, which need not exist; `~` is expanded."""

    path: str


@dataclass(frozen=True)
class CatalogueName:
    """Anything else."""

    name: str


Reference = BuiltIn | Remote | OfPlugin | LocalPath | CatalogueName


def parse(text: str, plugins: Container[str] = ()) -> Reference:
    """Read what a user wrote, or what a saved classifier holds.

    Args:
        text: any of the forms above. A file or folder of that name comes before the catalogue.
        plugins: the names of those that are installed.

    Raises:
        BackboneError: it is empty, or starts as a remote handle but is not one.
    """
    if not text:
        raise BackboneError(f"The handle of the backbone is empty.\nExpected one, such as {DEFAULT}.")
    if text == DEFAULT:
        return BuiltIn()
    if handles.is_remote(text):
        return Remote(handles.parse(text))
    prefix = text.partition(":")[0]
    if prefix in plugins:
        return OfPlugin(prefix, text)
    path = os.path.expanduser(text)
    if os.path.exists(path) or _looks_like_a_path(text):
        return LocalPath(path)
    return CatalogueName(text)


def _looks_like_a_path(text: str) -> bool:
    marked = text.startswith((".", "/", "~")) or "\\" in text or re.match(r"[A-Za-z]:/", text)
    return bool(marked) or text.lower().endswith(tuple(EXTENSIONS))
