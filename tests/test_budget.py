"""Memory is shared by threads: first come, first served, and never more than there is; what is given up ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import pytest

from headstart.photos.budget import Budget, ReadingPool, cancel_event, check_cancelled


def until(condition: object, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.002)


def test_threads_never_hold_more_than_there_is() -> None:
    budget, held, most, lock = Budget(100, free=0), 0, 0, threading.Lock()

    def work(size: int) -> None:
        nonlocal held, most
        with budget.hold(size):
            with lock:
                held += size
                most = max(most, held)
            time.sleep(0.0005)
            with lock:
                held -= size

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1 + i * 37 % 100 for i in range(400)]))
    assert 60 < most <= 100
    assert held == 0


def test_a_photo_that_needs_more_than_the_total_gets_all_of_it() -> None:
    budget = Budget(100, free=0)
    with budget.hold(1_000):
        pass
    with budget.hold(100):
        pass


def test_a_large_one_is_not_overtaken_and_a_small_one_does_not_wait() -> None:
    budget, order, go = Budget(100, free=5), [], threading.Event()

    def work(name: str, size: int) -> None:
        with budget.hold(size):
            order.append(name)
            go.wait(10)

    with ThreadPoolExecutor(4) as pool:
        pool.submit(work, "first", 60)
        until(lambda: order == ["first"])
        pool.submit(work, "large", 90)
        until(lambda: len(budget._waiting) == 1)
        pool.submit(work, "middle", 20)
        until(lambda: len(budget._waiting) == 2)
        pool.submit(work, "small", 5)
        until(lambda: order == ["first", "small"])
        go.set()
    assert order == ["first", "small", "large", "middle"]


def test_an_error_gives_back_what_was_held() -> None:
    budget = Budget(10, free=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.hold(10):
            _ = 1 / 0


def test_a_pool_that_is_stopped_ends_waiting_and_work() -> None:
    budget, started = Budget(10, free=0), threading.Event()

    def work() -> None:
        started.set()
        while True:
            check_cancelled()
            time.sleep(0.002)

    def wait() -> None:
        with budget.hold(10):
            pytest.fail("there is nothing left")

    futures: list[Future[None]] = []

    def stopped() -> None:
        with budget.hold(10), ReadingPool(2) as pool:
            futures.extend([pool.submit(work), pool.submit(wait), pool.submit(wait)])
            assert started.wait(10)
            until(lambda: budget._waiting)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(10)
    with budget.hold(10):
        pass


def test_a_pool_that_is_done_finishes_its_work() -> None:
    with ReadingPool(2) as pool:
        futures = [pool.submit(lambda: time.sleep(0.01)) for _ in range(5)]
    assert all(future.result() is None for future in futures)
    assert cancel_event() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not() -> None:
    code = """
import os, signal, sys, threading, warnings
from headstart.photos import images
warnings.simplefilter("ignore")
held, go = threading.Event(), threading.Event()
def hold():
    with images._BUDGET.hold(images.MEMORY):
        held.set()
        go.wait(30)
threading.Thread(target=hold).start()
held.wait(30)
child = os.fork()
if child == 0:
    signal.alarm(5)
    with images._BUDGET.hold(images.MEMORY):
        os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.set()
sys.exit(status)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 7
