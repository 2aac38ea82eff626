"""Lance tables (the extra `headstart[lance]`), read in the version that a job began with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headstart.errors import DataError, MissingExtraError
from headstart.safety.printable import show
from headstart.scale.places import RequestError, own_server

#: Rows of a record batch, and bytes that are read ahead. With photos of 1 MB a process of 160 MB then grows to 450 MB,
#: and with 128 rows and what Lance reads ahead by itself to 1,150 MB.
_ROWS, _AHEAD = 16, 2**24
#: How Lance reports that there is no table or no such version, and that a request to an object store failed, which it
#: has repeated itself.
_MISSING, _REQUEST = "was not found", "Error performing"


def rows_and_version(address: str) -> tuple[int, int]:
    """How many rows a table has now, without those that are deleted, and its version.

    Raises:
        MissingExtraError: pylance is not installed.
        OSError: there is no table, or it cannot be read.
    """
    lance = _lance()
    with _errors_translated():
        table = lance.dataset(address, storage_options=_options(address))
        return table.count_rows(), table.version


def read(address: str, version: int, rows: range) -> tuple[Any, Iterator[Any]]:
    """Some rows of a table.

    Args:
        address, version: of the table.
        rows: their numbers; rows that are deleted have none.

    Returns:
        the schema, and record batches, of pyarrow; blobs are bytes in both.

    Raises:
        MissingExtraError: pylance is not installed.
        DataError: the table has no such version any more.
        OSError: it cannot be read; the batches raise it too.
    """
    lance = _lance()
    try:
        with _errors_translated():
            table = lance.dataset(address, version=version, storage_options=_options(address))
            scanner = table.scanner(
                offset=rows.start,
                limit=len(rows),
                batch_size=_ROWS,
                io_buffer_size=_AHEAD,
                blob_handling="all_binary",
            )
            return scanner.projected_schema, _batches(scanner)
    except FileNotFoundError as error:
        raise DataError(
            f"Version {version} of {show(address)}, the newest when this job began, is no longer there: {error}."
            "\nExpected a table that keeps it until the job is done. Begin again in a new folder."
        ) from error


def _batches(scanner: Any) -> Iterator[Any]:
    with _errors_translated():
        yield from scanner.to_batches()


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # A damaged table raises ValueError, OSError, RuntimeError, or PanicException of Rust, which is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        text = str(error).partition(", /")[0]  # the rest is a place in the source code of Lance
        if _MISSING in text:
            raise FileNotFoundError(text) from error
        raise (RequestError if _REQUEST in text else OSError)(text) from error


def _options(address: str) -> dict[str, str]:
    """What Lance needs to know of a server that speaks S3; it finds names and passwords itself."""
    own = own_server() if address.lower().startswith("s3://") else None
    if own is None:
        return {}
    return {"aws_endpoint": own[0], "aws_region": own[1], "allow_http": "true"}


def _lance() -> Any:
    try:
        import lance
    except ImportError as error:
        raise MissingExtraError(
            f"Lance tables need pylance, which cannot be imported: {error}.\n"
            "Install it: pip install 'headstart[lance]'."
        ) from error
    return lance
