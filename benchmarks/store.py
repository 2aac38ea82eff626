"""Designs for the feature store: SQLite (WAL, one row a vector), lmdb where it is installed, our append-only records.

    python benchmarks/store.py [--vectors 100000] [--dim 1280]

All of them check a checksum of each vector; lmdb has none of its own, so it is kept with the vector, as in SQLite.

Bar: 100,000 x 1,280 float32 written in at most 10 s and read back, in another order and checked, in at most 1.5 s.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from common import machine, own_peak_mb
from headstart.backbones import builtin
from headstart.features.store import Store

BATCH = 64  # vectors a transaction: what features.extract writes at once


def records(folder: Path, hashes: list[bytes], vectors: np.ndarray, order: np.ndarray) -> tuple[float, float]:
    card = replace(builtin.card("float32"), dim=vectors.shape[1])
    store = Store(folder)
    store.prepare(card)
    started = time.perf_counter()
    for start in range(0, len(hashes), BATCH):
        store.put(card, hashes[start : start + BATCH], vectors[start : start + BATCH])
    write = time.perf_counter() - started
    asked = [hashes[i] for i in order]
    out = np.zeros_like(vectors)
    started = time.perf_counter()
    good = Store(folder).get(card, asked, out)
    read = time.perf_counter() - started
    assert good.all()
    assert np.array_equal(out, vectors[order])
    return write, read


def sqlite(folder: Path, hashes: list[bytes], vectors: np.ndarray, order: np.ndarray, page: int) -> tuple[float, float]:
    path = folder / f"{page}.sqlite"
    base = sqlite3.connect(path, isolation_level=None)
    base.execute(f"pragma page_size={page}")
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=normal")
    base.execute("create table vectors (content blob primary key, checksum integer, vector blob)")
    started = time.perf_counter()
    for start in range(0, len(hashes), BATCH):
        rows = [
            (h, zlib.crc32(v.data), v.tobytes())
            for h, v in zip(hashes[start : start + BATCH], vectors[start : start + BATCH], strict=True)
        ]
        base.execute("begin immediate")
        base.executemany("insert or ignore into vectors values (?, ?, ?)", rows)
        base.execute("commit")
    write = time.perf_counter() - started
    base.close()
    base = sqlite3.connect(path, isolation_level=None)
    asked = [hashes[i] for i in order]
    place = {h: i for i, h in enumerate(asked)}
    out = np.zeros_like(vectors)
    started = time.perf_counter()
    for start in range(0, len(asked), 500):
        part = asked[start : start + 500]
        marks = ",".join("?" * len(part))
        for h, checksum, data in base.execute(f"select * from vectors where content in ({marks})", part):
            if zlib.crc32(data) == checksum:
                out[place[h]] = np.frombuffer(data, np.float32)
    read = time.perf_counter() - started
    base.close()
    assert np.array_equal(out, vectors[order])
    return write, read


def lmdb(folder: Path, hashes: list[bytes], vectors: np.ndarray, order: np.ndarray) -> tuple[float, float]:
    import lmdb

    # No sync at each commit: our records and SQLite's `synchronous=normal` do none either.
    with lmdb.open(str(folder), map_size=4 * vectors.nbytes, sync=False) as base:
        started = time.perf_counter()
        for start in range(0, len(hashes), BATCH):
            with base.begin(write=True) as change:
                for h, v in zip(hashes[start : start + BATCH], vectors[start : start + BATCH], strict=True):
                    change.put(h, zlib.crc32(v.data).to_bytes(4, "little") + v.tobytes(), overwrite=False)
        write = time.perf_counter() - started
    out = np.zeros_like(vectors)
    started = time.perf_counter()
    with lmdb.open(str(folder), readonly=True) as base, base.begin(buffers=True) as look:
        for place, i in enumerate(order.tolist()):
            data = look.get(hashes[i])
            if zlib.crc32(data[4:]) == int.from_bytes(data[:4], "little"):
                out[place] = np.frombuffer(data, np.float32, offset=4)
    read = time.perf_counter() - started
    assert np.array_equal(out, vectors[order])
    return write, read


def on_disk(folder: Path) -> str:
    """Megabytes that the files of a folder occupy."""
    return f"{sum(512 * path.stat().st_blocks for path in folder.rglob('*')) / 1e6:5.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((options.vectors, options.dim), dtype=np.float32)
    hashes = [hashlib.sha256(i.to_bytes(8, "little")).digest() for i in range(options.vectors)]
    order = rng.permutation(options.vectors)
    print(machine())
    designs: dict[str, Callable[[Path], tuple[float, float]]] = {
        "records": lambda folder: records(folder, hashes, vectors, order),
        "SQLite, 4 KiB": lambda folder: sqlite(folder, hashes, vectors, order, 4096),
        "SQLite, 32 KiB": lambda folder: sqlite(folder, hashes, vectors, order, 32768),
    }
    if find_spec("lmdb"):
        designs["lmdb"] = lambda folder: lmdb(folder, hashes, vectors, order)
    else:
        print("lmdb is not installed: pip install lmdb")
    for turn in range(options.rounds):
        for name, measure in designs.items():
            if turn and name == "SQLite, 4 KiB":
                continue
            with tempfile.TemporaryDirectory() as folder:
                write, read = measure(Path(folder))
                print(f"{name:15} write {write:6.2f} s  read {read:6.2f} s  {on_disk(Path(folder))}", flush=True)
    print(f"peak {own_peak_mb():.0f} MB (bars: write 10 s, read 1.5 s)")


if __name__ == "__main__":
    main()
