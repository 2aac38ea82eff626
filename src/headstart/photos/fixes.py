"""A CSV of what to do with single photos: leave them out, or give them another class. Photos are never touched.

`headstart check --write` proposes it, the user deletes the lines that are not agreed with, and `headstart train
--fixes` follows it. Its columns: `path`, `action` (`leave out` or `relabel`), `class` (the new one) and `why`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from headstart.errors import DataError
from headstart.photos.sources import PhotoSet, Source
from headstart.photos.spreadsheet import original, safe
from headstart.safety.printable import counted, show

Action = Literal["leave out", "relabel"]
_COLUMNS = ["path", "action", "class", "why"]


@dataclass(frozen=True)
class Fix:
    """What to do with a photo.

    Attributes:
        path: of the photo. action: `leave out` or `relabel`.
        label: the new class; empty if it is left out.
        why: for people.
    """

    path: str
    action: Action
    label: str
    why: str


def write(path: Path, fixes: Iterable[Fix]) -> None:
    """Write a CSV; paths are absolute.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for one in fixes:
            writer.writerow([safe(cell) for cell in (os.path.abspath(one.path), one.action, one.label, one.why)])


def read(path: str | Path) -> tuple[Fix, ...]:
    """Read a CSV; relative paths count from its folder.

    Raises:
        DataError: it cannot be read, has other columns, an action that is not known, or two lines for a photo.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, csv.Error) as error:
        raise DataError(f"{show(path)} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not rows or rows[0][:3] != _COLUMNS[:3]:
        raise DataError(
            f"{show(path)} does not begin with the line {','.join(_COLUMNS)}.\n"
            "Expected a file that `headstart check PHOTOS --write FILE` wrote."
        )
    fixes: dict[str, Fix] = {}
    for number, row in enumerate(rows[1:], start=2):
        name, action, label, why = (original(cell) for cell in (*row, "", "", "", "")[:4])
        if not name or action not in get_args(Action) or (action == "relabel") != bool(label):
            raise DataError(
                f"Line {number} of {show(path)} is not clear: path '{show(name)}', action '{show(action)}', class "
                f"'{show(label)}'.\nExpected 'leave out' without a class, or 'relabel' with one."
            )
        photo = os.path.abspath(os.path.join(os.path.dirname(path), name))
        if photo in fixes:
            raise DataError(
                f"Line {number} of {show(path)} is the second one for {show(photo)}.\nExpected one line for each photo."
            )
        fixes[photo] = Fix(photo, action, label, why)  # type: ignore[arg-type]
    return tuple(fixes.values())


def apply(source: Source, fixes: Sequence[Fix]) -> Source:
    """The photos without those to leave out, and with the new classes; a note reports what was done.

    Raises:
        DataError: a new class is not a class of the photos; no photo to train on, or none to measure on, is left.
    """
    wanted = {one.path: one for one in fixes}
    unknown = sorted({one.label for one in fixes if one.label} - set(source.train.classes))
    if unknown:
        raise DataError(
            f"The fixes give photos the class '{show(unknown[0])}', which the photos do not have.\n"
            f"Expected one of: {', '.join(map(show, source.train.classes))}."
        )
    done = dict.fromkeys(get_args(Action), 0)

    def fixed(photos: PhotoSet) -> PhotoSet:
        rows, labels = [], list(photos.labels)
        for i, path in enumerate(photos.paths):
            fix = wanted.get(os.path.abspath(path))
            if fix is not None:
                done[fix.action] += 1
                labels[i] = fix.label or labels[i]
            if fix is None or fix.action == "relabel":
                rows.append(i)
        return PhotoSet(photos.paths, tuple(labels)).take(rows)

    train, test = fixed(source.train), None if source.test is None else fixed(source.test)
    for photos, what in ((train, "train on"), (test, "measure on")):
        if photos is not None and not len(photos):
            raise DataError(f"The fixes leave out all photos to {what}.\nExpected some to be left.")
    unused = len(wanted) - sum(done.values())
    more = f"; {counted(unused, 'line')} for photos that are not used here" if unused else ""
    note = f"Fixes: {counted(done['leave out'], 'photo')} left out, {done['relabel']:,} relabelled{more}."
    gone = sorted(set(source.train.classes) - set(train.classes))
    notes = [note, f"Classes of which no photo is left: {', '.join(map(show, gone))}."] if gone else [note]
    return replace(source, train=train, test=test, notes=(*source.notes, *notes))
