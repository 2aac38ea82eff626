"""What long work reports while it runs: messages, downloads, photos done; and the bar that Python users see."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Protocol, runtime_checkable

from headstart.errors import DataError, HeadstartWarning
from headstart.safety.printable import show


@runtime_checkable
class Progress(Protocol):
    """Receives the progress of long work. Calls may come from several threads, one at a time."""

    def message(self, text: str) -> None:
        """Receive a line for the user."""

    def caution(self, text: str) -> None:
        """Receive a line that the user should not miss: what is left out, or makes the figures doubtful."""

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
    """Ignores everything that is reported; a subclass that takes messages gets cautions among them."""

    def message(self, text: str) -> None:
        """See `Progress.message`."""

    def caution(self, text: str) -> None:
        """See `Progress.caution`."""
        self.message(text)

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """See `Progress.downloading`."""

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """See `Progress.planned`."""

    def advanced(self, done: int) -> None:
        """See `Progress.advanced`."""


#: What functions take: an object that receives the progress, or True, False or None, see `standard`.
Choice = Progress | bool | None


def standard(progress: Choice) -> Progress:
    """The progress that a user chose.

    None (the default) or True: a bar, if there is a terminal or a notebook to show it; False: no bar. In both cases
    cautions become warnings (`HeadstartWarning`). An object receives everything itself.

    Raises:
        DataError: it is none of these.
    """
    if progress is None or isinstance(progress, bool):
        return Standard(wanted=progress is not False)
    if not isinstance(progress, Progress):
        raise DataError(
            f"progress is {progress!r}.\nExpected True, False, None, or an object with the methods of "
            "headstart.progress.Progress."
        )
    return progress


class Bars(Silent):
    """Bars of downloads and extractions, where there is something to show them."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._name = ""

    @property
    def visible(self) -> bool:
        """Whether bars are drawn: in a terminal or notebook."""
        return sys.stderr.isatty() or "ipykernel" in sys.modules

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a download."""
        if name != self._name:
            self.close()
        self._name = name
        if self._bar is None:
            self._start(f"Downloading {show(name)}", total, "B")
        self._move(done, total)

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """Start the bar of an extraction."""
        self.close()
        if new:
            self._start("Extracting", new, " photos")

    def advanced(self, done: int) -> None:
        """Move the bar of an extraction."""
        if self._bar is not None:
            self._move(done, self._bar.total)

    def close(self) -> None:
        """Stop the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def drawn(self, label: str, total: int | None, unit: str) -> Any:
        """A new bar of tqdm; in a terminal it is wiped out at its end."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a notebook lacks ipywidgets: the bar is text then
            from tqdm.auto import tqdm

            return tqdm(desc=label, total=total, unit=unit, unit_scale=unit == "B", leave=False)

    def _start(self, label: str, total: int | None, unit: str) -> None:
        if self.visible:
            self._bar = self.drawn(label, total, unit)

    def _move(self, done: int, total: int | None) -> None:
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
            if done == total:
                self.close()


class Standard(Bars):
    """What Python users get: cautions become warnings of the class `HeadstartWarning`.

    Args:
        wanted: whether bars are wanted.
    """

    def __init__(self, wanted: bool = True) -> None:
        super().__init__()
        self._wanted = wanted

    @property
    def visible(self) -> bool:
        """See `Bars.visible`."""
        return self._wanted and super().visible

    def caution(self, text: str) -> None:
        """Warn, see `warn`."""
        warn(text)


def warn(text: str) -> None:
    """Issue a `HeadstartWarning` on behalf of the line that called headstart."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "headstart":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, HeadstartWarning, stacklevel=level)
