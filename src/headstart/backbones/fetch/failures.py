"""How a failed download is put into words."""

from __future__ import annotations

from headstart.errors import BackboneError


def failure(handle: str, what: str, advice: str) -> BackboneError:
    """An error about a network elsewhere: what happened, what to do, and where else the network is to be had.

    Args:
        handle: in the canonical form.
        what: what happened and what was expected, one line or more; the first follows "<handle> ".
        advice: what to do.
    """
    from headstart.backbones.catalogue import other_address

    other = other_address(handle)
    there = f"\nThe catalogue knows another address of it: {other}" if other else ""
    return BackboneError(f"{handle} {what}\n{advice}{there}")
