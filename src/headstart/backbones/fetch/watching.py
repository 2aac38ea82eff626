"""Who is told how a download goes, and how a failure is put into words."""

from __future__ import annotations

from typing import Protocol

from headstart.errors import BackboneError


class Watcher(Protocol):
    """Hears of every step; the command line's bar is one."""

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """So many bytes have arrived.

        Args:
            name: the handle.
            done: bytes so far; falls when a download starts again.
            total: bytes in all, None if the server did not say. The last call has `done == total`.
        """

    def said(self, message: str) -> None:
        """A line for the user."""


class Silent:
    """A Watcher that keeps what it hears to itself."""

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """See `Watcher.downloading`."""

    def said(self, message: str) -> None:
        """See `Watcher.said`."""


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
