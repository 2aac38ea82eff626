"""A unit whose worker died again: its photos one by one in a child process, to find the one that ends it."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path

from headstart.backbones.base import Backbone
from headstart.features.extraction import extract
from headstart.features.store import Store
from headstart.scale.batch import Batch
from headstart.scale.batches import Reader, batches, fetchers
from headstart.scale.job import Folder, Job
from headstart.scale.listing import Units
from headstart.scale.places import Place

_NUMBER = struct.Struct("<q")


def crashing(folder: Folder, unit: int, store: Path) -> frozenset[str]:
    """Addresses of a unit's photos that end the process that reads them; vectors of the others are in the store after.

    Args:
        folder: of the job. unit: its number.
        store: folder of the unit's store.
    """
    journal, found = store / "careful", set[int]()
    journal.write_bytes(b"")
    while True:
        code = f"import sys; sys.path[:] = {sys.path!r}; from headstart.scale.careful import serve; serve()"
        words = [folder.place.address, str(unit), str(store), ",".join(map(str, sorted(found)))]
        with subprocess.Popen([sys.executable, "-I", "-c", code, *words], stdin=subprocess.PIPE) as child:
            ended = child.wait()
        if ended == 0:
            break
        noted = journal.read_bytes()
        if len(noted) < _NUMBER.size or (last := _NUMBER.unpack(noted)[0]) in found:
            break  # it died before the first photo: not a photo's fault, so the unit is tried as usual
        found.add(last)
    return frozenset(_named(folder, unit, found))


def _named(folder: Folder, unit: int, numbers: set[int]) -> list[str]:
    job = folder.read()
    column = job.column if job is not None else ""
    names: list[str] = []
    position = 0
    for batch in batches(Units(folder.addresses).read(unit), column):
        names += [str(path) for i, path in enumerate(batch.paths, start=position) if i in numbers]
        position += len(batch.paths)
    return names


def serve() -> None:
    """Run in the child: embed a unit's photos one by one, noting before each which it is."""
    address, unit, store, known = sys.argv[1:5]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder = Folder(Place(address))
    job = folder.read()
    left_out = {int(number) for number in known.split(",") if number}
    if job is not None:
        with open(Path(store) / "careful", "r+b", buffering=0) as journal, fetchers() as pool:
            _embed(job, job.open(), Units(folder.addresses), int(unit), Store(store), journal, left_out, pool)
    os._exit(0)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # ends when the worker does
    os._exit(1)


def _embed(
    job: Job,
    backbone: Backbone,
    units: Units,
    unit: int,
    store: Store,
    journal: FileIO,
    left_out: set[int],
    pool: ThreadPoolExecutor,
) -> None:
    position = 0
    for batch in batches(units.read(unit), job.column):
        for number, path in enumerate(_photos(batch), start=position):
            if number not in left_out:
                journal.seek(0)
                journal.write(_NUMBER.pack(number))
                extract(backbone, [path], store, read=Reader([], pool).read)
        position += len(batch.paths)


def _photos(batch: Batch) -> Sequence[str]:
    return [] if batch.broken else batch.paths
