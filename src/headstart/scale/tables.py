"""The photos of tables: which column holds them, as bytes or as addresses, and what else a row says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from headstart.errors import DataError
from headstart.photos.pictures import InMemory
from headstart.safety.printable import show
from headstart.scale import lance_table
from headstart.scale.batch import MOST_BYTES, MOST_PHOTOS, Batch, broken
from headstart.scale.listing import ADDRESS_COLUMNS, LABEL_COLUMNS, PHOTO_COLUMNS, SPLIT_COLUMNS, Entry
from headstart.scale.places import Place, RequestError, arrow, is_remote

_ROWS = 128
#: Bytes of a column that are read at a time: without this, all of a row group, which may be gigabytes.
_BUFFER = 2**23


def photo_column(schema: Any, wanted: str = "") -> tuple[str, str, bool]:
    """Which column of a table has the photos.

    Args:
        schema: of pyarrow.
        wanted: its name, if the user gave it.

    Returns:
        the column's name; the field in it (of a structure such as Hugging Face's `image: {bytes, path}`) or empty; and
        whether it holds bytes, not addresses.

    Raises:
        DataError: there is no such column.
    """
    import pyarrow as pa

    names = {name.lower(): name for name in reversed(schema.names)}
    for name in (wanted,) if wanted else (*PHOTO_COLUMNS, *ADDRESS_COLUMNS):
        found = names.get(name.lower())
        if found is None:
            continue
        kind = schema.field(found).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return found, "bytes", True
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return found, "", True
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return found, "", False
    what = f"no column '{wanted}' of bytes or addresses" if wanted else "no column of photos"
    raise DataError(
        f"The table has {what}; its columns are {', '.join(map(show, schema.names))}.\nExpected bytes in a column such "
        f"as {PHOTO_COLUMNS[0]}, or addresses in one such as {ADDRESS_COLUMNS[0]}. Name it: --column."
    )


def checked(units: Iterable[list[Entry]], wanted: str) -> Iterator[list[Entry]]:
    """The same units; a table that is the first has a column of photos, so that a wrong name is known before the work.

    Raises:
        DataError: it has none.
    """
    for number, unit in enumerate(units):
        if number == 0 and unit[0].kind in ("rows", "lance"):
            photo_column(_schema(unit[0]), wanted)
        yield unit


def _schema(entry: Entry) -> Any:
    if entry.kind == "lance":
        return lance_table.read(entry.address, entry.version, range(1))[0]
    from pyarrow import parquet

    with Place(entry.address).open() as file:
        return parquet.read_schema(file)


def row_groups(entry: Entry, wanted: str) -> Iterator[Batch]:
    """The photos of row groups of a Parquet table.

    Args:
        entry: of the table. wanted: the column, see `photo_column`.

    Raises:
        OSError: the table cannot be read, and that may pass.
        DataError: it has no photos.
    """
    arrow()
    from pyarrow import parquet

    place = Place(entry.address)
    with place.open() as file:
        table = parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        start = sum(table.metadata.row_group(i).num_rows for i in range(entry.first))
        groups = range(entry.first, entry.first + entry.count)
        parts = table.iter_batches(_at_once(table.metadata, groups), row_groups=groups)
        yield from _batches(place, wanted, start, table.schema_arrow, parts)


def _at_once(table: Any, groups: Sequence[int]) -> int:
    """Rows to read at a time, so that they take a small part of the memory."""
    found = [table.row_group(i) for i in groups]
    each = int(sum(one.total_byte_size for one in found) // max(sum(one.num_rows for one in found), 1))
    return max(1, min(_ROWS, MOST_BYTES // 8 // max(each, 1)))


def lance_rows(entry: Entry, wanted: str) -> Iterator[Batch]:
    """The photos of some rows of a Lance table, as it was when it was listed; see `row_groups`."""
    rows = range(entry.first, entry.first + entry.count)
    schema, parts = lance_table.read(entry.address, entry.version, rows)
    yield from _batches(Place(entry.address), wanted, entry.first, schema, parts)


def _batches(place: Place, wanted: str, start: int, schema: Any, parts: Iterator[Any]) -> Iterator[Batch]:
    """The photos of record batches, the first of which begins with row `start`."""
    pa = arrow()
    where = photo_column(schema, wanted)
    waiting: list[Batch] = []
    row, photos, size, why = start, 0, 0, ""
    while True:
        try:
            part = next(parts, None)
        except RequestError:
            raise
        except (OSError, pa.ArrowException) as error:
            part, why = None, str(error)[:300]
        count, held = (0, 0) if part is None else (len(part), part.nbytes if where[2] else 0)
        if waiting and (part is None or photos + count > MOST_PHOTOS or size + held > MOST_BYTES):
            joined, waiting, photos, size = _together(waiting), [], 0, 0
            yield joined
            del joined  # its photos need not stay while the next are read
        if part is None:
            break
        waiting.append(_of_rows(place, part, row, where))
        row, photos, size = row + count, photos + count, size + held
    if why:
        fields = _carried(schema)
        nulls = pa.table([pa.nulls(1, field.type) for field in fields], [field.name for field in fields])
        yield replace(broken(place, why), paths=(f"{place.address}#{row}",), carried=nulls)


def _of_rows(place: Place, part: Any, start: int, where: tuple[str, str, bool]) -> Batch:
    """The photos of a record batch, whose memory is free again after."""
    import pyarrow as pa

    column, inner, held = where
    table = pa.Table.from_batches([part])
    cells = part.column(column)
    values = (cells.field(inner) if inner else cells).to_pylist()
    names = [f"{place.address}#{start + i}" for i in range(len(part))]
    base = place.address.rpartition("/")[0]
    paths = [
        InMemory.of(name, value or b"") if held else _joined(base, value or "")
        for name, value in zip(names, values, strict=True)
    ]
    kept = [field.name for field in _carried(table.schema)]
    return Batch(tuple(paths), _text(table, LABEL_COLUMNS), _text(table, SPLIT_COLUMNS), table.select(kept))


def _together(parts: Sequence[Batch]) -> Batch:
    import pyarrow as pa

    return Batch(
        tuple(chain.from_iterable(part.paths for part in parts)),
        tuple(chain.from_iterable(part.labels for part in parts)),
        tuple(chain.from_iterable(part.splits for part in parts)),
        pa.concat_tables([part.carried for part in parts]),
    )


def _carried(schema: Any) -> list[Any]:
    """Fields of the columns that results may take along: all but bytes, and structures that may hold them."""
    from pyarrow import types

    left_out = (types.is_binary, types.is_large_binary, types.is_struct)
    return [field for field in schema if not any(test(field.type) for test in left_out)]


def _joined(base: str, address: str) -> str:
    """An address in a table, which may be relative to the table's folder."""
    if not address or is_remote(address) or os.path.isabs(address):
        return address
    return f"{base}/{address}"


def _text(table: Any, names: Sequence[str]) -> tuple[str | None, ...]:
    """A column as text, under the first of several names; None: there is none, or the cell is empty."""
    own = {name.lower(): name for name in reversed(table.column_names)}
    found = next((own[name] for name in names if name in own), None)
    if found is None:
        return (None,) * len(table)
    return tuple(None if value is None else str(value) for value in table.column(found).to_pylist())
