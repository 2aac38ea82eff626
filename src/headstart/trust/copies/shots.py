"""Bursts: photos that one camera took of the same thing within seconds."""

from __future__ import annotations

import hashlib
import io
import os
import re
from datetime import UTC, datetime
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from headstart.photos.formats import open_header, sniff
from headstart.photos.images import Data

#: Bytes of `facts`: the time in seconds since 1970 (0: unknown) and a number for the camera, both int64.
FACTS = 16
#: Seconds, and numbers in the names, between neighbours of a burst.
_SECONDS, _NUMBERS = 5, 2
#: EXIF tags: the part with details, and in it the time; maker and model; the time of the file.
_DETAILS, _TAKEN, _MAKER, _MODEL, _CHANGED = 0x8769, 0x9003, 0x010F, 0x0110, 0x0132
#: Names as cameras give them: letters, and at the end a number.
_NAME = re.compile(r"(.*[A-Za-z].*?)(\d{3,9})")


def facts(data: Data) -> npt.NDArray[np.uint8]:
    """When and by which camera a photo was taken, from its EXIF data: `(16,)`, zeros if that is not known."""
    found = np.zeros(2, "<i8")
    if isinstance(data, bytes):
        try:
            exif = open_header(sniff(data[:32]), io.BytesIO(data)).getexif()
            time = str(exif.get_ifd(_DETAILS).get(_TAKEN) or exif.get(_CHANGED) or "")
            taken = datetime.strptime(time[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
            camera = f"{exif.get(_MAKER)} {exif.get(_MODEL)}".encode("utf-8", "replace")
            digest = hashlib.blake2b(camera, digest_size=7).digest()
            found[:] = int(taken.timestamp()), int.from_bytes(digest, "little")
        except Exception:  # Pillow raises anything on damaged EXIF data; the photo itself is sound
            found[:] = 0
    return found.view(np.uint8)


def within_seconds(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether one camera took both photos within seconds, from the `facts` of each, int64 `(n, 2)`."""
    known = (first[:, 0] != 0) & (first[:, 1] == second[:, 1])
    near: npt.NDArray[np.bool_] = known & (np.abs(first[:, 0] - second[:, 0]) <= _SECONDS)
    return near


def in_sequence(first: str, second: str) -> bool:
    """Whether two paths are neighbours in a series of names, such as `IMG_0041.jpg` and `IMG_0042.jpg`."""
    one, two = PurePath(first), PurePath(second)
    a, b = _NAME.fullmatch(one.stem), _NAME.fullmatch(two.stem)
    if a is None or b is None or os.fspath(one.parent) != os.fspath(two.parent) or a[1] != b[1]:
        return False
    return 0 < abs(int(a[2]) - int(b[2])) <= _NUMBERS
