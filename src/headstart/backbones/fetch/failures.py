"""The message of a failed download."""

from __future__ import annotations

from headstart.backbones.fetch.handles import Handle
from headstart.errors import BackboneError


def failure(handle: Handle, what: str, advice: str) -> BackboneError:
    """An error about a remote model: what happened, what to do, and another address of the model.

    Args:
        handle: of the model.
        what: what happened and what was expected, one line or more; the first follows "<handle> ".
        advice: what to do.
    """
    from headstart.backbones.catalogue import other_address

    other = other_address(str(handle))
    there = f"\nThe catalogue knows another address of it: {other}" if other else ""
    return BackboneError(f"{handle} {what}\n{advice}{there}")
