"""Backbones from other packages: the first word of a handle names a source, and any package may add one.

A source is a class with one method, registered as an entry point of the group `headstart.sources` under the word
that its handles begin with:

    [project.entry-points."headstart.sources"]
    mine = "my_package:MySource"          # `headstart train photos -b mine:anything` then calls MySource
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import EntryPoint, entry_points

from headstart.backbones.base import Backbone
from headstart.errors import BackboneError

GROUP = "headstart.sources"


class BackboneSource(ABC):
    """Gives backbones by name. `headstart.testing.check_backbone` checks that they keep the contract."""

    @abstractmethod
    def load(self, name: str) -> Backbone:
        """The backbone with this name.

        Args:
            name: what follows `<source>:` in the handle.

        Returns:
            A backbone whose card has the whole handle, `<source>:<name>`.

        Raises:
            BackboneError: there is none; the message lists what there is.
        """


def plugins() -> dict[str, EntryPoint]:
    """The sources that installed packages add, by the word that their handles begin with."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_plugin(handle: str) -> Backbone:
    """The backbone of a handle whose first word names a plugin.

    Raises:
        BackboneError: the plugin cannot be loaded, is not a `BackboneSource`, or has no such backbone.
    """
    word, _, name = handle.partition(":")
    point = plugins()[word]
    # Code from another package: whatever it raises, the message names the plugin.
    try:
        source = point.load()()
    except Exception as error:
        raise BackboneError(f"The source '{word}' ({point.value}) cannot be loaded: {error!r}.") from error
    if not isinstance(source, BackboneSource):
        raise BackboneError(
            f"The source '{word}' ({point.value}) is not a headstart.backbones.plugins.BackboneSource.\nExpected a "
            "class derived from it."
        )
    try:
        backbone = source.load(name)
    except BackboneError:
        raise
    except Exception as error:
        raise BackboneError(f"The source '{word}' ({point.value}) failed with {handle}: {error!r}.") from error
    if not isinstance(backbone, Backbone):
        raise BackboneError(f"The source '{word}' returned {backbone!r} for {handle}.\nExpected a Backbone.")
    if backbone.card.handle != handle:
        raise BackboneError(
            f"The source '{word}' returned a backbone named {backbone.card.handle}.\nExpected the card's handle to be "
            f"{handle}, because saved classifiers look it up by that name."
        )
    return backbone
