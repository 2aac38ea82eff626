"""Names that come from outside, made into names of one file or one folder: never into paths."""

from __future__ import annotations

import os
import re
import unicodedata

from headstart.errors import DataError
from headstart.photos.folders import is_noise
from headstart.safety.printable import show

#: Characters of a class name, and bytes of a file or folder name: file systems take 255, of which `-2` and
#: temporary files need some.
LONGEST, MOST_BYTES = 80, 200
#: Names that Windows reserves for devices, with any file name extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
#: Not in names of files: separators of paths, and what Windows cannot write.
_SEPARATORS = '/\\:*?"<>|'
#: Not in names of classes; Windows cannot write the others of `_SEPARATORS`.
_NOT_IN_CLASSES = _SEPARATORS if os.name == "nt" else "/\\"
#: File name extensions of each kind of picture; the first is added where none of them is there.
EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "gif": (".gif",),
    "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "pnm": (".pnm", ".ppm", ".pgm"),
    "avif": (".avif",),
    "heif": (".heic", ".heif", ".hif"),
}


def class_name(text: str) -> str:
    """The name of a class, as the name of its folder.

    Raises:
        DataError: no folder can have this name, or it would be hidden or misleading.
    """
    name = unicodedata.normalize("NFC", text).strip()
    fault = ""
    if not name:
        fault = "it is empty"
    elif len(name) > LONGEST or len(name.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        fault = f"it is longer than {LONGEST} characters"
    elif show(name) != name or any(character in _NOT_IN_CLASSES for character in name):
        fault = "it has a character that the name of a folder cannot have, such as / or an invisible one"
    elif is_noise(name) or name.endswith(".") or _RESERVED.fullmatch(name):
        fault = "this name has another meaning for some computers"
    if fault:
        shown = show(name[:LONGEST])
        raise DataError(f"A class cannot be called '{shown}': {fault}.\nExpected a short name such as oak.")
    return name


def file_name(text: str, kind: str) -> str:
    """The name for a photo's file: the last part of what was given, in characters that every system can write.

    Args:
        text: a name or path from outside.
        kind: of picture, by its content, see `photos.formats.sniff`: decides the file name extension.
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", text)[-1])
    name = "".join("_" if c in _SEPARATORS or show(c) != c else c for c in last).strip().strip(" .")
    stem, extension = os.path.splitext(name)
    if extension.lower() not in EXTENSIONS[kind]:
        known = any(extension.lower() in some for some in EXTENSIONS.values())
        stem, extension = stem if known else name, EXTENSIONS[kind][0]
    stem = stem[:LONGEST].encode()[:MOST_BYTES].decode("utf-8", "ignore").strip(" .") or "photo"
    return f"_{stem}{extension}" if _RESERVED.fullmatch(stem) or is_noise(stem) else stem + extension
