"""Where networks come from: a handle's first word names a source; anyone may add one.

A source is a class with one method, registered as an entry point of the group `headstart.sources` under the word
that its handles begin with:

    [project.entry-points."headstart.sources"]
    mine = "my_package:MySource"          # then `headstart train photos -b mine:whatever` asks MySource
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import EntryPoint, entry_points

from headstart.backbones.base import Backbone
from headstart.errors import BackboneError

GROUP = "headstart.sources"


class Source(ABC):
    """Gives networks by name. `headstart.testing.check_backbone` proves that what it gives keeps the contract."""

    @abstractmethod
    def load(self, name: str) -> Backbone:
        """The network of this name.

        Args:
            name: what stands behind `<source>:` in the handle.

        Returns:
            A backbone whose card has the whole handle, `<source>:<name>`.

        Raises:
            BackboneError: there is none; the message says what there is.
        """


def plugins() -> dict[str, EntryPoint]:
    """The sources that installed packages add, by the word that their handles begin with."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_plugin(handle: str) -> Backbone | None:
    """The network of a handle whose first word names a plugin; None if none does.

    Raises:
        BackboneError: the plugin cannot be loaded, is not a `Source`, or has no such network.
    """
    word, colon, name = handle.partition(":")
    point = plugins().get(word) if colon else None
    if point is None:
        return None
    # A stranger's code: whatever it raises, it is the plugin that failed.
    try:
        made = point.load()()
    except Exception as error:
        raise BackboneError(f"The source '{word}' ({point.value}) cannot be loaded: {error!r}.") from error
    if not isinstance(made, Source):
        raise BackboneError(
            f"The source '{word}' ({point.value}) is no headstart.backbones.plugins.Source.\nExpected a class derived "
            "from it."
        )
    try:
        network = made.load(name)
    except BackboneError:
        raise
    except Exception as error:
        raise BackboneError(f"The source '{word}' ({point.value}) failed with {handle}: {error!r}.") from error
    if not isinstance(network, Backbone):
        raise BackboneError(f"The source '{word}' gave {network!r} for {handle}.\nExpected a Backbone.")
    if network.card.handle != handle:
        raise BackboneError(
            f"The source '{word}' gave a network called {network.card.handle}.\nExpected the card's handle to be "
            f"{handle}: saved classifiers ask for it by that name."
        )
    return network
