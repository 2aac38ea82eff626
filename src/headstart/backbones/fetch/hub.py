"""Downloading from servers with TensorFlow Hub's hosting protocol, and models in one file from any server.

`GET <handle>?tf-hub-format=compressed` returns, perhaps after redirects, a tar.gz of the SavedModel's folder.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from headstart.backbones.fetch.handles import Handle
from headstart.disk import archive
from headstart.disk import download as downloads
from headstart.progress import Progress


def download(handle: Handle, folder: Path, room: Path, progress: Progress) -> str:
    """Download what a handle names and unpack it.

    Args:
        handle: of kind `hub`.
        folder: for the content; made.
        room: holds what has arrived of the download.
        progress: receives every block.

    Returns:
        The address that the bytes came from, after redirects, without its query: that may hold a signature.

    Raises:
        DownloadError: the server cannot be reached, is not trusted, refuses, or sends something else.
        ArchiveError: what it sent is not allowed.
        OSError: the disk is full or read-only.
    """
    expected, copies = ("a model", 1) if handle.is_file else ("an archive (tar.gz)", 2)
    wanted = downloads.Wanted(handle.request, str(handle), expected, archive.LIMITS.bytes, copies)
    file, source = downloads.download(wanted, room, progress)
    if handle.is_file:
        folder.mkdir()
        file.rename(folder / archive.safe_name(unquote(urlsplit(handle.place).path.rpartition("/")[2])))
    else:
        archive.unpack(file, folder)
    return source
