"""Models from Kaggle, with the package kagglehub."""

from __future__ import annotations

import io
import logging
import os
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from headstart.backbones.fetch.clients import bar_for, changed, imported, translated
from headstart.backbones.fetch.handles import Handle
from headstart.disk.retry import TIMEOUT, Pace, patiently
from headstart.progress import Progress

_SERVICE = "Kaggle"
#: The package cannot be asked to leave the user's token out: these are the places where it looks for one.
_NOBODY = {
    "kagglehub.clients.get_kaggle_credentials": lambda: None,
    "kagglesdk.kaggle_http_client.get_access_token_from_env": lambda: (None, None),
    "kagglesdk.kaggle_http_client._get_apikey_creds": lambda: None,
}
#: The file where `requests` looks for one; and the ways that lead through the services of the user's own notebook.
_NOWHERE = {"NETRC": os.devnull, "DISABLE_KAGGLE_CACHE": "true", "DISABLE_COLAB_CACHE": "true"}


def download(
    handle: Handle, folder: Path, room: Path, progress: Progress, anonymous: bool = False
) -> tuple[Handle, str]:
    """Download a model's files.

    Args:
        handle: with a version, or without: then the newest is taken.
        folder: for the content; made.
        room: holds what has arrived; the library continues it.
        progress: receives every block.
        anonymous: send no token.

    Returns:
        The handle with its version, and the address of its page.

    Raises:
        BackboneError: the package is missing.
        DownloadError: the service cannot be reached, or there is no such model.
        OSError: the disk is full or read-only.
    """
    # The library reads this variable at each call: nothing is left in the user's own cache, twice on the disk.
    environment = {"KAGGLEHUB_CACHE": str(room), **(_NOWHERE if anonymous else {})}
    name = str(handle).partition(":")[2]

    def once(pace: Pace) -> Path:
        with imported("kagglehub", handle, "kaggle", environment) as library:
            changes = {
                "kagglehub.clients.tqdm": bar_for(handle, progress, pace),
                "kagglehub.clients.CHUNK_SIZE": 1 << 16,
                "kagglehub.http_resolver.thread_map": _one_by_one,
                "requests.Session": _impatient(),
            }
            logger = logging.getLogger("kagglehub")
            level = logger.level
            logger.setLevel(logging.CRITICAL)
            try:
                # It prints to stdout, where a command's result belongs.
                with (
                    redirect_stdout(io.StringIO()),
                    changed(changes),
                    changed(_NOBODY if anonymous else {}, needed=True),
                ):
                    return Path(library.model_download(name))
            except Exception as error:
                raise translated(_SERVICE, error) from error
            finally:
                logger.setLevel(level)

    arrived = patiently(str(handle), progress, once)
    if room in arrived.parents:
        arrived.rename(folder)
    else:  # Kaggle's and Colab's own machines have some models ready, in a folder of their own
        shutil.copytree(arrived, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    progress.downloading(str(handle), size, size)
    pinned = handle if handle.version else handle.resolved(arrived.name)
    return pinned, f"https://www.kaggle.com/models/{str(pinned).partition(':')[2]}"


def _one_by_one(function: Any, items: Any, **_: Any) -> list[Any]:
    """Instead of tqdm's `thread_map`, which draws a bar of its own: a SavedModel has one large file and small ones."""
    return [function(item) for item in items]


def _impatient() -> type[Any]:
    """Instead of a session that waits forever, as the library's does."""
    import requests  # comes with the library

    class Impatient(requests.Session):
        """Gives up after `TIMEOUT` seconds without a byte."""

        def send(self, request: Any, **options: Any) -> Any:
            return super().send(request, **{"timeout": TIMEOUT, **options})

    return Impatient
