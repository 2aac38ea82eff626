"""Photos made to cost a lot: within a gigabyte and ten seconds, with an outcome for each, and Ctrl-C ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import bombs
from headstart.photos.images import REASONS

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")

#: An extraction on two threads with the built-in network, as in `headstart train`; of each photo the seconds that
#: were spent on it, those not counted in which it waited for its turn.
EXTRACT = """
import json, os, sys, threading, time, warnings
from contextlib import contextmanager
warnings.simplefilter("ignore")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from headstart import backbones
from headstart.features import extraction
from headstart.photos import budget, reading
from headstart.features.store import Store

seconds, here = {}, threading.local()
hold, read = budget.Budget.hold, reading.FilePhoto.read

@contextmanager
def counted(self, size):
    began = time.perf_counter()
    with hold(self, size):
        here.waited += time.perf_counter() - began
        yield

class Timed:
    def __init__(self, path):
        self.path, here.began, here.waited = path, time.perf_counter(), 0.0
        self.photo = read(path)
        self.mark, self.digest = self.photo.mark, self.photo.digest
    def decode(self, view):
        try:
            return self.photo.decode(view)
        finally:
            seconds[self.path] = time.perf_counter() - here.began - here.waited

budget.Budget.hold = counted
backbone = backbones.load(backbones.DEFAULT, folder=Store().compiled)
backbone.batch
print("ready", flush=True)
found = extraction.extract(backbone, sys.argv[1:], Store(), read=Timed)
outcomes = dict.fromkeys(found.paths, "used") | {one.path: one.reason for one in found.skipped}
print(json.dumps({"outcomes": outcomes, "seconds": seconds}))
"""


def begin(paths: list[Path]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", EXTRACT, *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def memory(process: int) -> int:
    """Bytes in memory of a process and all that it started."""
    total, left = 0, [process]
    while left:
        one = Path("/proc", str(left.pop()))
        try:
            total += int((one / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            left += [
                int(child) for task in (one / "task").iterdir() for child in (task / "children").read_text().split()
            ]
        except OSError:
            continue  # it has ended
    return total


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return bombs.write(tmp_path_factory.mktemp("bombs"))


@linux
@pytest.mark.slow
def test_seventy_bombs_cost_a_gigabyte_and_ten_seconds_each_at_most(corpus: list[Path]) -> None:
    process = begin(corpus)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.02)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    answer = json.loads(output)
    assert set(answer["outcomes"]) == set(map(str, corpus))
    assert len(corpus) >= 60
    counts = Counter(answer["outcomes"].values())
    assert set(counts) <= {"used", *REASONS}
    assert counts["too large"] >= 20
    assert counts["used"] >= 25
    slowest = max(answer["seconds"], key=answer["seconds"].__getitem__)
    print(f"{len(corpus)} bombs, peak {peak / 1e6:,.0f} MB, slowest {slowest} {answer['seconds'][slowest]:.1f} s")
    assert peak <= 1e9
    assert answer["seconds"][slowest] <= 10, slowest


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "pause"),
    [("fill-head", 1.0), ("grey-alpha-fits", 1.5), ("sparse-511", 0.3), ("rgb-16", 1.0), ("", 2.0)],
)
def test_ctrl_c_ends_the_work_on_bombs_within_two_seconds(corpus: list[Path], chosen: str, pause: float) -> None:
    paths = [path for path in corpus if path.name.startswith(chosen)]
    process = begin(paths)
    time.sleep(pause)
    assert process.poll() is None, "it was done before Ctrl-C"
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    took = time.monotonic() - pressed
    assert process.returncode != 0
    assert took <= 2
