"""What long work reports while it runs: messages, downloads, photos done. The command line's bar implements it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of long work. Calls may come from several threads, one at a time."""

    def message(self, text: str) -> None:
        """Receive a line for the user."""

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """Receive the number of bytes that have arrived.

        Args:
            name: of the download.
            done: bytes so far; fewer than before if a download starts again.
            total: bytes in all, None if unknown. The last call has `done == total`.
        """

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """Receive the amount of work, before an extraction starts.

        Args:
            photos: number of photos.
            new: number without a stored vector. A renamed or copied photo counts as new until it is read.
            seconds: estimated time; 0 if unknown.
        """

    def advanced(self, done: int) -> None:
        """Receive the number of new photos that are done."""


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
