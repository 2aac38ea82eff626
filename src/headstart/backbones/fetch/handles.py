"""Handles of remote models: their parts, and the canonical form of each.

https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5    (short: tfhub:google/imagenet/...)
kaggle:google/mobilenet-v2/tensorFlow2/100-224-feature-vector/2            (without version: the newest)
hf:owner/name@revision:folder/model.onnx                                   (revision and file may be left out)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from headstart.backbones.formats import SINGLE_FILES
from headstart.backbones.pages import handle_of
from headstart.errors import BackboneError

Service = Literal["hub", "kaggle", "hf"]

_PREFIXES = ("http://", "https://", "tfhub:", "kaggle:", "hf:")
_HUB = "https://tfhub.dev/"
#: The hosting protocol: this parameter asks for an archive instead of a page.
_ASK = ("tf-hub-format", "compressed")
COMMIT = re.compile(r"[0-9a-f]{40}")
_WORD = re.compile(r"[A-Za-z0-9_.\-]+")


@dataclass(frozen=True)
class Handle:
    """The parts of a handle.

    Attributes:
        kind: `hub` (any server that speaks TensorFlow Hub's hosting protocol), `kaggle` or `hf`.
        place: the address, `owner/model/framework/variation` or `owner/name`.
        version: Kaggle's version or Hugging Face's revision; empty: not given.
        file: within a Hugging Face repository; empty: not given.
        typed: what the user typed, which two handles of the same model may differ in.
    """

    kind: Service
    place: str
    version: str = ""
    file: str = ""
    typed: str = field(default="", compare=False)

    def __str__(self) -> str:
        """The canonical form."""
        if self.kind == "hub":
            return self.place
        if self.kind == "kaggle":
            return f"kaggle:{self.place}" + (f"/{self.version}" if self.version else "")
        text = f"hf:{self.place}"
        return text + (f"@{self.version}" if self.version else "") + (f":{self.file}" if self.file else "")

    @property
    def pinned(self) -> bool:
        """Whether it always means the same files, so that the cache can be searched without asking the server."""
        if self.kind == "hf":
            return bool(COMMIT.fullmatch(self.version)) and bool(self.file)
        return self.kind == "hub" or bool(self.version)

    @property
    def is_file(self) -> bool:
        """Whether the address is that of a model in one file, such as `https://host/model.onnx`."""
        return self.kind == "hub" and urlsplit(self.place).path.lower().endswith(SINGLE_FILES)

    @property
    def host(self) -> str:
        """The server that is asked first; it may redirect to others."""
        if self.kind == "kaggle":
            return "www.kaggle.com"
        return urlsplit(self.place if self.kind == "hub" else hugging_face()).netloc

    @property
    def request(self) -> str:
        """The address to GET."""
        if self.is_file:
            return self.place
        parts = urlsplit(self.place)
        return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query, True), _ASK])))

    def resolved(self, version: str, file: str = "") -> Handle:
        """The same model, pinned to a version and file."""
        return replace(self, version=version, file=file)


def is_remote(handle: str) -> bool:
    """Whether this is a handle of a remote model, and not a path or a name."""
    return handle.strip().lower().startswith(_PREFIXES)


def parse(handle: str) -> Handle:
    """Read a remote handle.

    Raises:
        BackboneError: it is not a remote handle, or incomplete.
    """
    text = handle_of(handle.strip())
    prefix, _, rest = text.partition(":")
    prefix = prefix.lower()
    if not is_remote(text) or re.search(r"[\x00-\x1f\x7f\\\ud800-\udfff]", text):
        raise _unfit(handle, "https://..., tfhub:..., kaggle:... or hf:...")
    if prefix == "kaggle":
        return _kaggle(handle, rest)
    if prefix == "hf":
        return _hf(handle, rest)
    return _hub(handle, _HUB + rest.lstrip("/") if prefix == "tfhub" else text)


def hugging_face() -> str:
    """The address of Hugging Face, or of the mirror that `HF_ENDPOINT` names."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _hub(handle: str, address: str) -> Handle:
    expected = f"an address such as {_HUB}google/imagenet/mobilenet_v2_100_224/feature_vector/5"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:  # a port that is no number, brackets that do not close
        raise _unfit(handle, expected) from error
    if not host or not host.isascii() or " " in address or (not parts.path.strip("/") and not parts.query):
        raise _unfit(handle, expected)
    if parts.username or parts.password:
        shown = handle.replace(parts.netloc.rpartition("@")[0], "...")
        raise _unfit(shown, "an address without user name and password: it is kept and shown")
    asked = [pair for pair in parse_qsl(parts.query, True) if pair[0] != _ASK[0]]
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    path = quote(parts.path.rstrip("/"), safe="/%~!$&'()*+,;=:@")
    return Handle("hub", urlunsplit((parts.scheme.lower(), netloc, path, urlencode(asked), "")), typed=handle)


def _kaggle(handle: str, rest: str) -> Handle:
    parts = rest.strip("/").split("/")
    version = parts.pop() if len(parts) == 5 else ""
    if len(parts) != 4 or not all(map(_is_word, parts)) or (version and not re.fullmatch(r"[1-9]\d*", version)):
        raise _unfit(handle, "kaggle:owner/model/framework/variation or kaggle:owner/model/framework/variation/version")
    return Handle("kaggle", "/".join(parts), version)


def _hf(handle: str, rest: str) -> Handle:
    place, _, file = rest.partition(":")
    place, at, revision = place.partition("@")
    names, folders = place.strip("/").split("/"), file.split("/")
    if (
        len(names) != 2
        or not all(map(_is_word, names))
        or (at and not all(map(_is_word, revision.split("/"))))
        or (file and ("" in folders or ".." in folders or "." in folders))
    ):
        raise _unfit(handle, "hf:owner/name, hf:owner/name@revision or hf:owner/name@revision:folder/model.onnx")
    return Handle("hf", "/".join(names), revision, file)


def _is_word(text: str) -> bool:
    return bool(_WORD.fullmatch(text)) and text.strip(".") != ""


def _unfit(handle: str, expected: str) -> BackboneError:
    return BackboneError(f"'{handle}' is not a handle that can be fetched.\nExpected {expected}.")
