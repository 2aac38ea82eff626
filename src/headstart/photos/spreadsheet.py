"""CSVs of photos: read from whatever program wrote them, and written so that no name becomes a formula.

A cell that begins with `=`, `+`, `-` or `@` is run when the file is opened, whoever chose the name in it. An apostrophe
before it makes it text. So that this can be undone without doubt, one is put also before apostrophes that stand there
already: `=x` is written `'=x`, and `'=x` is written `''=x`. The same goes for what follows a semicolon, tab or line
break: other countries' spreadsheets part cells there.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.safety.printable import show, show_all

#: The first columns of what `headstart predict --csv` writes; a column for each class follows, whatever it is called.
PREDICTED = ("path", "label", "probability")
#: Usual names of the columns, in lower case and without spaces and punctuation; the first one found is used.
_CALLED = {
    "path": (
        "path", "filepath", "filename", "file", "fname", "imagepath", "imagefilepath", "imagefilename", "imagefile",
        "imagename", "image", "imgpath", "imgname", "img", "photopath", "photoname", "photo", "picturepath", "picture",
    ),
    "label": (
        "label", "labelname", "labels", "class", "classname", "classlabel", "category", "categoryname", "species",
        "target", "tag",
    ),
    "split": ("split", "subset", "partition", "set", "usage"),
}  # fmt: skip
_NO_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_PROBABILITY = re.compile(r"[01]\.\d+")

#: What spreadsheets may skip before they look for a formula, and the apostrophes of ours.
_SKIPPED = r"['\x00-\x08\x0b\x0c\x0e-\x20\x85\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u3000\ufeff]*"
_FORMULA = rf"{_SKIPPED}[=+\-@\uff1d\uff0b\uff0d\uff20]"  # the last four: as wide as a Chinese letter
_START, _INSIDE = rf"(?={_FORMULA}|'*[\t\r\n])", rf"(?={_FORMULA})"
_SAFE = re.compile(rf"^{_START}|(?<=[;\t\r\n]){_INSIDE}")
_MADE_SAFE = re.compile(rf"^'{_START}|(?<=[;\t\r\n])'{_INSIDE}")


def safe(cell: str) -> str:
    """The cell as it is written: text to every spreadsheet."""
    return _SAFE.sub("'", cell)


def original(cell: str) -> str:
    """What `safe` was given."""
    return _MADE_SAFE.sub("", cell) if "'" in cell else cell


def write(
    path: Path,
    classes: Sequence[str],
    rows: Iterable[tuple[str, str, Sequence[float]]],
    more: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write predictions; `photos` reads them back.

    Args:
        path: of the file, replaced if it is there. Paths of photos count from its folder.
        classes: class names.
        rows: for each photo its path, its label, and the probability of each class.
        more: further columns, before those of the classes: a heading, and a cell for each photo.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        here = os.path.samefile(path.parent, os.curdir)
        writer = csv.writer(file)
        more = more or {}
        writer.writerow([*PREDICTED, *more, *map(_cell, classes)])
        for number, (name, label, row) in enumerate(rows):
            place = name if here else os.path.abspath(name)
            added = [_cell(cells[number]) for cells in more.values()]
            writer.writerow([_cell(place), _cell(label), f"{max(row):.6f}", *added, *(f"{p:.6f}" for p in row)])


def _cell(text: str) -> str:
    """Safe, and bytes of names go out as they came in; other surrogates, which no file's name has, are spelled."""
    return safe(_NO_BYTES.sub(lambda match: show(match[0]), text))


@dataclass(frozen=True)
class Table:
    """The rows of a CSV of photos.

    Attributes:
        rows: the line's number, the photo's path (joined to the CSV's folder), its label, and its split in small
            letters; the last three may be empty. They can be iterated over once.
        note: which columns are used, unless they are called `path` and `label`.
    """

    rows: Iterator[tuple[int, str, str, str]]
    note: str


def photos(path: Path, labelled: bool = True) -> Table:
    """Open a CSV with columns for the path, the label and perhaps the split, such as `path,label` or `filename,class`.

    Args:
        path: of the file.
        labelled: whether there must be labels; False: only paths are needed.

    Raises:
        DataError: it cannot be read, is not UTF-8 (but for names of files that are not), or has no such columns;
            some of it only when the rows are read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{show(path)} cannot be read: {error.strerror}.") from error
    strange = None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:  # another encoding, or names of files that are not UTF-8: the rows show which
        text = data.decode("utf-8-sig", "surrogateescape")
        strange = DataError(f"{show(path)} is not UTF-8 (byte {error.start}).\nSave it as 'CSV UTF-8'.")
    with _readable(path):
        reader, columns = _opened(text)
    at = _places(columns)
    needed = PREDICTED[: 2 if labelled else 1]
    if missing := [name for name in needed if name not in at]:
        expected = "path,label or path,label,split" if labelled else "path"
        raise strange or DataError(
            f"{show(path)} has no column {show_all(missing)}.\nExpected a first line {expected}; received "
            f"{show_all(columns) or 'an empty file'}. If that is a photo, put the line {','.join(needed)} above it."
        )
    used = [columns[at[name]] for name in needed]
    note = f"{show(path)}: the column '{show(used[0])}' is read as paths, '{show(used[-1])}' as classes."
    return Table(_rows(path, reader, columns, at, strange), "" if tuple(used) == needed else note)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise DataError(f"{show(path)} cannot be read as CSV: {error}.\nSave it anew as 'CSV UTF-8'.") from error


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Where the path, the label and the split are, as far as they are there."""
    ours = _is_ours(columns)
    called = list(columns) if ours else [re.sub(r"[\s_.-]", "", column) for column in columns]
    places = {}
    for what, names in _CALLED.items():
        if name := next((name for name in (names[:1] if ours else names) if name in called), None):
            # A class of ours may be called split: its column comes before.
            places[what] = called.index(name) if what != "split" else len(called) - 1 - called[::-1].index(name)
    return places


def _is_ours(columns: Sequence[str]) -> bool:
    return tuple(columns[: len(PREDICTED)]) == PREDICTED


def _rows(
    path: Path, reader: Any, columns: list[str], at: dict[str, int], strange: DataError | None
) -> Iterator[tuple[int, str, str, str]]:
    """See `Table`; `strange` is raised if what is not UTF-8 are no names of files."""
    ours = _is_ours(columns)  # names are as they are, spaces around them too
    joined: dict[str, str] = {}  # rows may name the same photo
    starts: dict[str, str] = {}  # and most are of few folders: pathlib takes its time
    with _readable(path):
        for row in filter(None, reader):
            row += [""] * (len(columns) - len(row))
            name, label = row[at["path"]], row[at["label"]] if "label" in at else ""
            split = row[at["split"]].strip().lower() if "split" in at else ""
            if not ours:
                name, label = name.strip(), label.strip()
            elif _PROBABILITY.fullmatch(split):  # of a class that is called so
                split = ""
            if name not in joined:
                joined[name] = _joined(path.parent, name, ours, starts)
            # A file of these very bytes? And a class of them only in what was written from folders' names.
            if strange is not None and (
                not (_is_utf8(name) or os.path.lexists(joined[name])) or not (_is_utf8(label) or ours)
            ):
                raise strange
            yield reader.line_num, joined[name], original(label), split


def _opened(text: str) -> tuple[Any, list[str]]:
    """A reader after the header, and the columns; the separator is the one that gives columns for path and label."""
    first = (text.splitlines() or [""])[0]
    for delimiter in (",", ";", "\t", max((",", ";", "\t"), key=first.count)):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = [name.strip().lower() for name in next(reader, [])]
        if {"path", "label"} <= set(_places(columns)):
            break
    return reader, columns


def _joined(folder: Path, name: str, ours: bool, starts: dict[str, str]) -> str:
    """The file that a row names; in a CSV that is not ours an apostrophe may be part of the name."""
    plain = original(name)
    if plain != name and not ours and os.path.lexists(folder / name):
        plain = name
    start, slash, last = plain.rpartition("/")
    if last in ("", ".") or os.name == "nt":
        return os.fspath(folder / plain) if plain else ""
    if start + slash not in starts:
        starts[start + slash] = os.fspath(folder / f"{start}{slash}x")[:-1]
    return starts[start + slash] + last


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
