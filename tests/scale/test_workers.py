"""What workers take: processors of their own, and memory that does not grow with the photos."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headstart.backbones import builtin
from headstart.backbones.runtimes.openvino.compiled import Graphs
from headstart.errors import DataError
from headstart.photos.reading import processors
from headstart.progress import Silent
from headstart.scale import engines, local, own
from headstart.scale.embedding import embed
from headstart.scale.engines import MOST_DEATHS, Queue
from headstart.scale.job import Network


def test_a_limit_of_threads_holds_for_reading_and_for_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = Graphs(builtin.card("float32"), lambda: None, None)
    usual = graphs._settings()
    monkeypatch.setenv("HEADSTART_THREADS", "1")
    assert processors() == 1
    assert graphs._settings() == {**usual, "INFERENCE_NUM_THREADS": "1", "ENABLE_CPU_PINNING": "NO"}
    monkeypatch.setenv("HEADSTART_THREADS", "1000")
    assert processors() == len(os.sched_getaffinity(0))


def test_what_workers_answer_is_taken_alike_on_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_PAUSE", 0.0)
    queue = Queue([7], Silent())
    assert queue.answered(None, {"ready": True}) is None
    assert queue.next() == 7
    assert queue.answered(7, {"put_off": "the store is slow"}) is None
    assert queue.next() == 7, "it came back"
    with pytest.raises(DataError, match="no memory"):
        queue.answered(7, {"error": "no memory"})


def test_workers_have_processors_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5, 7})
    assert [local._cores(slot, 2) for slot in range(2)] == [[1, 3], [5, 7]]
    assert (local.Local(2).threads, local.Local(0).workers) == (2, 1)
    with pytest.raises(DataError, match="5 workers are too many for 4 processors"):
        local.Local(5)


def in_a_thread(function: Callable[[], Any]) -> Any:
    """Its result; the processors that it takes are those of a thread that ends."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no choice of processors")
def test_workers_of_several_jobs_do_not_take_the_same_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = sorted(os.sched_getaffinity(0))
    taken: list[socket.socket] = []
    monkeypatch.setattr(own, "_taken", taken)

    def take(count: int, shared: int = len(seen)) -> tuple[list[int], list[int]]:
        return own.take_processors(count, shared, f"test-{os.getpid()}-"), sorted(os.sched_getaffinity(0))

    assert in_a_thread(lambda: take(1, shared=len(seen) - 1)) == ([], seen)  # a share of a large machine
    assert in_a_thread(lambda: take(len(seen) + 1)) == ([], seen)
    assert in_a_thread(lambda: take(1)) == ([seen[0]], [seen[0]])
    assert in_a_thread(lambda: take(len(seen))) == ([], seen)  # one is taken
    if len(seen) > 1:
        assert in_a_thread(lambda: take(1)) == ([seen[1]], [seen[1]])
    for one in taken:
        one.close()
    assert in_a_thread(lambda: take(len(seen))) == (seen, seen)
    for one in taken:
        one.close()


def test_a_unit_that_ends_every_worker_ends_the_job_and_others_wait_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(range(3), Silent())
    assert [queue.next(), queue.next(), queue.next(), queue.next()] == [0, 1, 2, None]
    queue.put_off(1, "the store is down")
    assert queue.next() is None  # not yet
    assert not queue.empty
    monkeypatch.setattr(engines, "_PAUSE", 0.0)
    queue.put_off(2, "the store is down")
    assert queue.next() == 2
    for _ in range(MOST_DEATHS - 1):
        queue.died(0, "signal SIGKILL")
        assert queue.next() == 0
    with pytest.raises(DataError, match="Unit 0 ended 6 workers: signal SIGKILL"):
        queue.died(0, "signal SIGKILL")


def table(path: Path, count: int) -> Path:
    """A table of photos of noise, which differ in what follows their end."""
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(picture, "PNG")
    with pq.ParquetWriter(path, pa.schema([("image", pa.binary())])) as writer:
        for start in range(0, count, 1024):
            rows = [picture.getvalue() + i.to_bytes(8, "big") for i in range(start, min(start + 1024, count))]
            writer.write_table(pa.table({"image": rows}))
    return path


@pytest.mark.slow
def test_the_memory_of_a_worker_does_not_grow_with_the_photos(tmp_path: Path) -> None:
    peaks = []
    for count in (2_000, 8_000):
        source = table(tmp_path / f"{count}.parquet", count)
        found = embed(source, tmp_path / f"out{count}", network=Network("mean:colours"))
        assert found.used == count
        peaks.append(found.memory or 0)
    assert peaks[1] < peaks[0] + 20e6
