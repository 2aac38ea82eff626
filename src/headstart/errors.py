"""The one family of errors. Catch `HeadstartError` and you have caught all of ours.

    HeadstartError
    ├── PhotoError        one photo cannot be used; carries a reason of the fixed list
    ├── DataError         a folder, CSV or list of photos does not make a data set
    ├── BackboneError     a network cannot be found, read or run
    │   └── NotFetchedError   a saved classifier's backbone is not here, and nobody said that it may be fetched
    ├── StoreError        the feature store cannot be opened, read or written
    ├── HeadError         a head cannot be trained or applied
    ├── BundleError       a saved classifier cannot be written, read or trusted
    ├── TrackingError     a training cannot be written for TensorBoard, or not be shown in it
    ├── ReportError       a report cannot be written
    └── MissingExtraError an optional extra is not installed; an ImportError too

Every message says what happened, what was expected, what was received and what to do. Errors of other
libraries are translated once, where they enter, with `raise ... from`.
"""

from __future__ import annotations

from headstart.safety.printable import show_lines


def reason(error: BaseException | str, most: int = 300) -> str:
    """What an error of another library says, fit for the end of a line of ours: its last `most` characters, printable.

    An engine's message that is no UTF-8 arrives as `UnicodeDecodeError`; it is shown as far as it can be read.
    """
    whole = error.object.decode("utf-8", "replace") if isinstance(error, UnicodeDecodeError) else str(error)
    line = " ".join(whole[-2 * most :].split()) or type(error).__name__
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[-most:]


class HeadstartError(Exception):
    """Base of all errors that headstart raises on purpose. Its text can be printed: see `printable`.

    Args:
        message: what happened, what was expected, what to do; lines of ours are parted by line breaks.
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


class DataError(HeadstartError):
    """A folder, CSV or list of photos does not make a data set."""


class BackboneError(HeadstartError):
    """A network cannot be found, read or run."""


class NotFetchedError(BackboneError):
    """A saved classifier's backbone is not on this machine, and nobody said that it may be fetched.

    Attributes:
        source: what would be fetched, and from which host: `hf:owner/name (huggingface.co)`.
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
    """A training cannot be written for TensorBoard, or not be shown in it."""


class ReportError(HeadstartError):
    """A report cannot be written."""


class MissingExtraError(HeadstartError, ImportError):
    """Something was asked for that needs an optional extra, which is not installed."""
