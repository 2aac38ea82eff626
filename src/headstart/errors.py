"""The one family of errors. Catch `HeadstartError` and you have caught all of ours.

    HeadstartError
    ├── PhotoError        one photo cannot be used; carries a reason of the fixed list
    ├── DataError         a folder, CSV or list of photos does not make a data set; a ValueError too
    │   └── LayoutError       a folder can be understood in several ways, or in none; shows what to type
    ├── BackboneError     a backbone cannot be found, read or run
    │   └── NotFetchedError   a saved classifier's backbone is not here, and downloading is not allowed
    ├── StoreError        the feature store cannot be opened, read or written
    ├── HeadError         a head cannot be trained or applied
    ├── BundleError       a saved classifier cannot be written, read or trusted
    ├── TrackingError     a run cannot be written for TensorBoard, or not be shown in it
    ├── ReportError       a report cannot be written
    ├── ExportError       a classifier cannot be written in a format, or the file does not give its answers
    ├── ServeError        a server cannot start
    │   └── BusyError         it cannot take more photos now
    └── MissingExtraError an optional extra is not installed; an ImportError too

    HeadstartWarning      what was left out, or makes figures doubtful; the one class of our warnings

Every message says what happened, what was expected, what was received and what to do. Errors of other
libraries are turned into ours once, where they are called, with `raise ... from`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.safety.printable import show_lines


def reason(error: BaseException | str, most: int = 300) -> str:
    """The message of another library's error for use in ours: one line, printable, its last `most` characters.

    A message of OpenVINO that is not UTF-8 arrives as `UnicodeDecodeError`; it is shown with replacement characters.
    """
    whole = error.object.decode("utf-8", "replace") if isinstance(error, UnicodeDecodeError) else str(error)
    line = " ".join(whole[-2 * most :].split()) or type(error).__name__
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[-most:]


class HeadstartError(Exception):
    """Base of all errors that headstart raises on purpose. Its text is safe to print, see `safety.printable`.

    Args:
        message: what happened, what was expected, what to do; its lines are separated by line breaks.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(show_lines(message))


class PhotoError(HeadstartError):
    """One photo cannot be used.

    Attributes:
        reason: one of `headstart.photos.images.REASONS`, the same words that counts and JSON use.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class DataError(HeadstartError, ValueError):
    """A folder, CSV or list of photos does not make a data set."""


@dataclass(frozen=True)
class Way:
    """Something to type instead of what was given.

    Attributes:
        purpose: what it is for, such as "To train on the classes apple, pear".
        photos: a path that replaces the one given; empty: it stays.
        option: an option to add. value: of the option; empty: it has none.
        without: an option to leave out, with its value.
    """

    purpose: str
    photos: str = ""
    option: str = ""
    value: str = ""
    without: str = ""

    @property
    def added(self) -> tuple[str, ...]:
        """The words to add to a command."""
        return tuple(filter(None, (self.option, self.value)))

    @property
    def arguments(self) -> str:
        """What to change in a call from Python."""
        arguments = [repr(self.photos)] if self.photos else []
        if self.option:
            arguments.append(f"{self.option[2:].replace('-', '_')}={repr(self.value) if self.value else True}")
        return ", ".join(arguments)


class LayoutError(DataError):
    """The photos that were given can be understood in several ways, or in none.

    Attributes:
        happened, expected: the sentences of the message.
        given: the path in question.
        tree: lines that show what is in it.
        ways: what to type instead.
    """

    def __init__(
        self, happened: str, expected: str, given: str = "", tree: Sequence[str] = (), ways: Sequence[Way] = ()
    ) -> None:
        advice = [f"{way.purpose}: {way.arguments}" for way in ways if way.arguments]
        super().__init__("\n".join([happened, *(f"  {line}" for line in tree), expected, *advice]))
        self.happened, self.expected, self.given = happened, expected, given
        self.tree, self.ways = tuple(tree), tuple(ways)


class BackboneError(HeadstartError):
    """A backbone cannot be found, read or run."""


class NotFetchedError(BackboneError):
    """A saved classifier's backbone is not on this machine, and downloading it is not allowed.

    Attributes:
        source: what would be downloaded, and from which host: `hf:owner/name (huggingface.co)`.
    """

    def __init__(self, message: str, source: str) -> None:
        super().__init__(message)
        self.source = source


class StoreError(HeadstartError):
    """The feature store cannot be opened, read or written."""


class HeadError(HeadstartError):
    """A head cannot be trained or applied."""


class BundleError(HeadstartError):
    """A saved classifier cannot be written, read or trusted."""


class TrackingError(HeadstartError):
    """A run cannot be written for TensorBoard, or not be shown in it."""


class ReportError(HeadstartError):
    """A report cannot be written."""


class ExportError(HeadstartError):
    """A classifier cannot be written in a format, or what was written does not give its answers."""


class ServeError(HeadstartError):
    """A server cannot start."""


class BusyError(ServeError):
    """A server cannot take more photos now; later it can."""


class MissingExtraError(HeadstartError, ImportError):
    """An optional extra is needed that is not installed."""


class HeadstartWarning(UserWarning):
    """Something is left out, or makes the figures doubtful. The command line prints it as a message."""
