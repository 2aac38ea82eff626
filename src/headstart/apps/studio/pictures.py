"""Pictures for the page: small or large, upright, made anew from the pixels, so that no metadata is in them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

from PIL import Image

from headstart.apps.studio.photo import Photo
from headstart.apps.studio.project import Project
from headstart.photos import images
from headstart.photos.images import View

#: Pixels of the longer side of a thumbnail and of a whole photo.
SMALL, LARGE = 192, 1600
#: Bytes of thumbnails that are kept in memory.
_MOST = 100_000_000


class Pictures:
    """Makes pictures, and keeps the thumbnails.

    Args:
        project: whose photos.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._kept: OrderedDict[tuple[str, tuple[int, int]], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def thumbnail(self, photo: Photo) -> bytes:
        """A JPEG of the whole photo, at most `SMALL` pixels high and wide.

        Raises:
            PhotoError: it cannot be read.
        """
        key = (photo.id, photo.stamp)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = self.large(photo, SMALL)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += len(made)
            while self._bytes > _MOST:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made

    def large(self, photo: Photo, side: int = LARGE) -> bytes:
        """A JPEG of the whole photo, at most `side` pixels high and wide.

        Raises:
            PhotoError: it cannot be read.
        """
        pixels = images.load(self._project.folder.at(photo.path), View(side, side, "pad"), fill=False)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=85)
        return out.getvalue()
