"""What long work reports while it runs: messages, downloads, photos done. The command line's bar listens to it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of long work. Calls may come from several threads, one at a time."""

    def message(self, text: str) -> None:
        """A line for the user."""

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """So many bytes have arrived.

        Args:
            name: what is downloaded.
            done: bytes so far; smaller than before when a download starts again.
            total: bytes in all, None if the server does not say. The last call has `done == total`.
        """

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """Before an extraction starts.

        Args:
            photos: how many there are.
            new: how many have no stored vector. A renamed or copied photo counts as new until it is read.
            seconds: how long they will take, about; 0 if that is not known.
        """

    def advanced(self, done: int) -> None:
        """So many of the new photos are done."""


class Silent(Progress):
    """Ignores everything that is reported."""

    def message(self, text: str) -> None:
        """See `Progress.message`."""

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """See `Progress.downloading`."""

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """See `Progress.planned`."""

    def advanced(self, done: int) -> None:
        """See `Progress.advanced`."""
