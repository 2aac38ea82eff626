"""Paths in a report: only the names at their ends, so that a report that is sent does not show this machine's folders.

Source: POSIX, drive letters and UNC paths are recognised; addresses (`https://...`) are left alone.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence

_START = r"(?<![\w:/\\.~-])"
#: The folders of an absolute path, up to its last name.
_FOLDERS = re.compile(_START + r"(?:[A-Za-z]:[/\\]|\\\\|/)(?:[^\s/\\]+[/\\])*(?=[^\s/\\])")


def shortener(source: str, paths: bool) -> Callable[[str], str]:
    """A function that shortens the absolute paths in a text.

    Args:
        source: where the photos are; a path in it begins with its name.
        paths: whether paths are wanted whole: the function then changes nothing.
    """
    above = [f"{folder}{os.sep}" for folder in (os.getcwd(), os.path.dirname(source.rstrip("/\\"))) if len(folder) > 1]
    roots = [re.compile(_START + re.escape(folder)) for folder in above if os.path.isabs(folder)]

    def short(text: str) -> str:
        for root in roots:
            text = root.sub("", text)
        return _FOLDERS.sub("", text)

    return str if paths else short


def command_line(words: Sequence[str], short: Callable[[str], str]) -> str:
    """A command as it is typed, with its paths shortened."""
    return shlex.join(short(word) for word in words)
