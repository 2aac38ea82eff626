"""A CSV of photos that a person has labelled: `headstart label` writes it, `headstart train --add` reads it.

Its columns are `path` and `label`, so `headstart evaluate` and `--test` read it as well.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from headstart.disk import atomic
from headstart.errors import DataError
from headstart.photos import spreadsheet
from headstart.photos.sources import PhotoSet, Source
from headstart.photos.spreadsheet import safe
from headstart.safety.printable import counted, show


def read(path: str | Path) -> dict[str, str]:
    """The label of each photo, in the order of the lines; paths are absolute, relative ones count from its folder.

    Raises:
        DataError: it cannot be read, lacks the columns or a label, or gives a photo two labels.
    """
    labels: dict[str, str] = {}
    for line, name, label, _ in spreadsheet.photos(Path(path)).rows:
        photo = os.path.abspath(name)
        if not name or not label or labels.get(photo, label) != label:
            raise DataError(
                f"Line {line} of {show(path)} is not clear: path '{show(name)}', label '{show(label)}', before "
                f"'{show(labels.get(photo, ''))}'.\nExpected one line with a path and a label for each photo."
            )
        labels[photo] = label
    return labels


def write(path: Path, labels: Mapping[str, str]) -> None:
    """Replace the CSV in one step.

    Raises:
        OSError: it cannot be written; it is unchanged.
    """
    new = atomic.beside(path)
    try:
        with new.open("x", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows([safe(photo), safe(label)] for photo, label in labels.items())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def added(source: Source, path: str | Path) -> Source:
    """The photos to train on with those of a CSV, which also decides about photos that are there; a note reports it.

    Raises:
        DataError: see `read`; or no photo of it has a label.
    """
    labels = read(path)
    if not labels:
        raise DataError(f"{show(path)} has no labelled photos.\nExpected lines with a path and a label.")
    measured = set(map(os.path.abspath, source.test.paths if source.test else ()))
    train = source.train
    given = [labels.pop(os.path.abspath(photo), label) for photo, label in zip(train.paths, train.labels, strict=True)]
    changed = sum(new != old for new, old in zip(given, train.labels, strict=True))
    new = {photo: label for photo, label in labels.items() if photo not in measured}
    parts = [f"Added from {show(path)}: {counted(len(new), 'photo')}"]
    parts += [f"{changed:,} of the photos relabelled"] if changed else []
    left = len(labels) - len(new)
    parts += [f"{counted(left, 'photo')} left out, because also measured on"] if left else []
    joined = PhotoSet((*train.paths, *new), (*given, *new.values()))
    return replace(source, train=joined, notes=(*source.notes, f"{'; '.join(parts)}."))
