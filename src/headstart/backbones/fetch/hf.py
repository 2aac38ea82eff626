"""Networks from Hugging Face, by the package huggingface_hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from headstart.backbones.fetch import archive
from headstart.backbones.fetch.contents import shorten
from headstart.backbones.fetch.guests import bar_for, changed, invited, translated
from headstart.backbones.fetch.handles import Handle, hugging_face
from headstart.backbones.fetch.trying import patiently
from headstart.backbones.fetch.watching import Watcher, failure

Result = TypeVar("Result")

_SERVICE = "Hugging Face"
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1"}
_QUIET_AFTER_IMPORT = {
    "huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY": True,
    "huggingface_hub.constants.HF_HUB_DISABLE_XET": True,  # it keeps a second copy in a cache of its own
}
#: Which ONNX file is meant when none is named, in this order.
_PREFERRED = ("onnx/model.onnx", "model.onnx")
#: What tells how to feed a network, taken along where it is there: beside the network or at the top.
_CARDS = ("preprocessor_config.json", "config.json")
#: Weights that an ONNX file refers to, beside it.
_EXTERNAL = (
    "{name}.data",
    "{name}_data",
    "{name}_data_*",
    "{stem}.data",
    "{stem}_data",
    "{stem}.bin",
    "{stem}.weights",
)


def resolve(handle: Handle, watcher: Watcher, anonymous: bool = False) -> Handle:
    """Ask what a handle means now: the commit of its revision, and its ONNX file if none is named.

    Raises:
        BackboneError: the package is missing, the service cannot be reached, there is no such network, or it has
            no ONNX file or several.
    """
    commit, sizes = _look(handle, watcher, anonymous)
    return handle.resolved(commit, _choose(handle, list(sizes)))


def download(handle: Handle, folder: Path, watcher: Watcher, anonymous: bool = False) -> str:
    """Download a network's file and what belongs to it.

    Args:
        handle: as `resolve` gave it.
        folder: for the content; made.
        watcher: told of every block.
        anonymous: send no token.

    Returns:
        The address of the file.

    Raises:
        BackboneError: as for `resolve`.
        ArchiveError: a file has a name that leads elsewhere.
        OSError: the disk is full or read-only.
    """
    _, sizes = _look(handle, watcher, anonymous)
    wanted = [name for name in sizes if name == handle.file or _belongs(name, handle.file)]
    if handle.file not in wanted:
        raise failure(str(handle), "cannot be fetched: there is no such file in it.", "Check the handle.")
    for name in wanted:
        archive.safe_name(name)  # the server chose it
    total = sum(sizes[name] for name in wanted)
    bar = bar_for(handle, watcher, total)
    for name in wanted:
        _call(
            handle,
            watcher,
            anonymous,
            lambda hub, name=name: hub.hf_hub_download(  # type: ignore[misc]
                handle.place,
                name,
                revision=handle.version,
                local_dir=folder,
                endpoint=hugging_face(),
                tqdm_class=bar,
                token=_token(anonymous),
            ),
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes
    arrived = sum((folder / name).stat().st_size for name in wanted)
    watcher.downloading(str(handle), arrived, arrived)
    return f"{hugging_face().rstrip('/')}/{handle.place}/resolve/{handle.version}/{handle.file}"


def _look(handle: Handle, watcher: Watcher, anonymous: bool) -> tuple[str, dict[str, int]]:
    """The commit of a handle's revision, and its files with their sizes (0: not told)."""

    def ask(hub: Any) -> Any:
        revision = handle.version or None
        api = hub.HfApi(endpoint=hugging_face(), token=_token(anonymous))
        return api.model_info(handle.place, revision=revision, files_metadata=True)

    info = _call(handle, watcher, anonymous, ask)
    return str(info.sha), {str(file.rfilename): int(file.size or 0) for file in info.siblings or ()}


def _call(handle: Handle, watcher: Watcher, anonymous: bool, action: Callable[[Any], Result]) -> Result:
    def once() -> Result:
        with invited("huggingface_hub", handle, "hf", _QUIET) as hub, changed(_QUIET_AFTER_IMPORT):
            try:
                return action(hub)
            except Exception as error:
                raise translated(handle, _SERVICE, error, anonymous) from error

    return patiently(handle, watcher, once)


def _token(anonymous: bool) -> bool | None:
    """What the package takes for: none; or the user's, if there is one."""
    return False if anonymous else None


def _choose(handle: Handle, names: list[str]) -> str:
    if handle.file:
        if handle.file in names:
            return handle.file
        what = f"cannot be fetched: it holds no {handle.file}, but {shorten(names)}."
        raise failure(str(handle), what, "Name one of its files.")
    found = [name for name in names if name.lower().endswith(".onnx")]
    only = found if len(found) == 1 else []
    for name in [*_PREFERRED, *only]:
        if name in found:
            return name
    if found:
        what = f"holds {len(found)} ONNX files: {shorten(found, 12)}."
        raise failure(str(handle), what, f"Name one of them, such as {handle}:{found[0]}")
    what = f"holds no ONNX file, but {shorten(names)}."
    raise failure(str(handle), what, "headstart reads ONNX files from Hugging Face: look for an export of it.")


def _belongs(name: str, network: str) -> bool:
    folder, _, file = network.rpartition("/")
    place, _, other = name.rpartition("/")
    if other in _CARDS:
        return place in ("", folder)
    stem = file.rpartition(".")[0]
    return place == folder and any(fnmatch(other, pattern.format(name=file, stem=stem)) for pattern in _EXTERNAL)
