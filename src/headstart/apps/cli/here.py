"""The backbones on this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec

from headstart.apps.cli.console import say


def backbones_here() -> list[str]:
    """The built-in backbone, those downloaded, and files and plugins that were used before; says what it leaves out."""
    from headstart.backbones import DEFAULT, fetch, locate
    from headstart.backbones.graph.files import FOREIGN, format_of
    from headstart.errors import BackboneError
    from headstart.features.store import Store

    found = [DEFAULT]
    for one in fetch.kept():
        if format_of(one.path) in FOREIGN and find_spec("tensorflow") is None:
            say(f"{one.handle} is left out: it needs pip install 'headstart[tensorflow]'")
        else:
            found.append(str(one.handle))
    for shelf in Store().shelves():
        try:
            located = locate(shelf.backbone)
        except BackboneError:  # a plugin that is no longer installed
            continue
        if located.source == "plugin" or (located.source == "path" and os.path.exists(located.handle)):
            found.append(shelf.backbone)
    return list(dict.fromkeys(found))
