"""Models from Hugging Face, with the package huggingface_hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from headstart.backbones.fetch.clients import bar_for, changed, check_size, imported, translated
from headstart.backbones.fetch.contents import shorten
from headstart.backbones.fetch.failures import failure
from headstart.backbones.fetch.handles import Handle, hugging_face
from headstart.disk import archive
from headstart.disk.retry import TIMEOUT, DownloadError, Pace, patiently
from headstart.progress import Progress

Result = TypeVar("Result")

_SERVICE = "Hugging Face"
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1"}
_QUIET_AFTER_IMPORT = {
    "huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY": True,
    "huggingface_hub.constants.HF_HUB_DISABLE_XET": True,  # it would keep a second copy in its own cache
    "huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE": 1 << 16,  # its 10 MB are too much for a progress bar
}
#: The ONNX file that is used when none is named, in this order.
PREFERRED = ("onnx/model.onnx", "model.onnx")
#: Files that describe how to feed a model, downloaded too if they are beside it or at the top.
CARDS = ("preprocessor_config.json", "config.json")
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


def resolve(handle: Handle, progress: Progress, anonymous: bool = False) -> Handle:
    """Ask what a handle means now: the commit of its revision, and its ONNX file if none is named.

    Raises:
        BackboneError: the package is missing, or the model has no ONNX file or several.
        DownloadError: the service cannot be reached, or there is no such model.
    """
    commit, sizes = _look(handle, progress, anonymous)
    return handle.resolved(commit, _choose(handle, list(sizes)))


def download(handle: Handle, folder: Path, room: Path, progress: Progress, anonymous: bool = False) -> str:
    """Download a model's file and what belongs to it.

    Args:
        handle: as `resolve` gave it.
        folder: for the content; made.
        room: holds the partial download; the library continues or repeats single files.
        progress: receives every block.
        anonymous: send no token.

    Returns:
        The address of the file.

    Raises:
        BackboneError, DownloadError: as for `resolve`.
        ArchiveError: a file has a name that leads elsewhere.
        OSError: the disk is full or read-only.
    """
    _, sizes = _look(handle, progress, anonymous)
    wanted = [name for name in sizes if name == handle.file or belongs(name, handle.file)]
    if handle.file not in wanted:
        raise DownloadError("there is no such file in it", "missing")
    for name in wanted:
        archive.safe_name(name)  # the server chose the name
    total = sum(sizes[name] for name in wanted)
    check_size(total)
    room = room / handle.version  # files of another commit stay where they are

    def load(hub: Any, pace: Pace) -> None:
        bar = bar_for(handle, progress, pace, total)
        for name in wanted:  # those that are complete are not loaded again
            hub.hf_hub_download(
                handle.place,
                name,
                revision=handle.version,
                local_dir=room,
                endpoint=hugging_face(),
                tqdm_class=bar,
                token=_token(anonymous),
            )

    _call(handle, progress, load)
    shutil.rmtree(room / ".cache", ignore_errors=True)  # the library's notes
    room.rename(folder)
    arrived = sum((folder / name).stat().st_size for name in wanted)
    progress.downloading(str(handle), arrived, arrived)
    return f"{hugging_face().rstrip('/')}/{handle.place}/resolve/{handle.version}/{handle.file}"


def _look(handle: Handle, progress: Progress, anonymous: bool) -> tuple[str, dict[str, int]]:
    """The commit of a handle's revision, and its files with their sizes (0: unknown)."""

    def ask(hub: Any, _: Pace) -> Any:
        revision = handle.version or None
        api = hub.HfApi(endpoint=hugging_face(), token=_token(anonymous))
        return api.model_info(handle.place, revision=revision, files_metadata=True, timeout=TIMEOUT)

    info = _call(handle, progress, ask)
    return str(info.sha), {str(file.rfilename): int(file.size or 0) for file in info.siblings or ()}


def _call(handle: Handle, progress: Progress, action: Callable[[Any, Pace], Result]) -> Result:
    def once(pace: Pace) -> Result:
        with imported("huggingface_hub", handle, "hf", _QUIET) as hub, changed(_QUIET_AFTER_IMPORT):
            try:
                return action(hub, pace)
            except Exception as error:
                raise translated(_SERVICE, error) from error

    return patiently(str(handle), progress, once)


def _token(anonymous: bool) -> bool | None:
    """The package's value for no token, or for the user's token if there is one."""
    return False if anonymous else None


def _choose(handle: Handle, names: list[str]) -> str:
    if handle.file:
        if handle.file in names:
            return handle.file
        what = f"cannot be fetched: it holds no {handle.file}, but {shorten(names)}."
        raise failure(handle, what, "Name one of its files.")
    found = [name for name in names if name.lower().endswith(".onnx")]
    only = found if len(found) == 1 else []
    for name in [*PREFERRED, *only]:
        if name in found:
            return name
    if found:
        what = f"holds {len(found)} ONNX files: {shorten(found, 12)}."
        raise failure(handle, what, f"Name one of them, such as {handle}:{found[0]}")
    what = f"holds no ONNX file, but {shorten(names)}."
    raise failure(handle, what, "headstart reads ONNX files from Hugging Face: look for an export of it.")


def belongs(name: str, model: str) -> bool:
    """Whether a file of a repository goes with an ONNX file: its weights, or a description of how to feed it."""
    folder, _, file = model.rpartition("/")
    place, _, other = name.rpartition("/")
    if other in CARDS:
        return place in ("", folder)
    stem = file.rpartition(".")[0]
    return place == folder and any(fnmatch(other, pattern.format(name=file, stem=stem)) for pattern in _EXTERNAL)
