"""Linear algebra on one thread: limits that nest, are shared by threads and are put back; the same bytes everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from headstart.heads import fitting
from headstart.heads.fitting import fit
from headstart.heads.history import Examples, logistic_history
from headstart.heads.linear_algebra import one_thread
from headstart.report.tensorboard.projector import principal


def threads() -> list[int]:
    """How many threads the libraries for linear algebra may use: NumPy's, and SciPy's where that is loaded."""
    return sorted({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    """Two threads, as on a machine of two cores."""
    with threadpool_limits(2, user_api="blas"):
        if threads() != [2]:
            raise AssertionError(f"NumPy's library has {threads()} threads; these tests need one that can be limited")
        yield


def test_the_limit_is_one_thread_inside_and_restored_outside() -> None:
    with one_thread():
        assert threads() == [1]
        with one_thread():
            assert threads() == [1]
        assert threads() == [1]
    assert threads() == [2]


def test_an_error_puts_the_limit_back() -> None:
    with pytest.raises(KeyboardInterrupt), one_thread():
        raise KeyboardInterrupt
    assert threads() == [2]


def test_overlapping_threads_restore_the_limit_from_before_the_first() -> None:
    # The first leaves while the second is inside: neither may lift the other's limit, nor leave its own behind.
    inside, left = threading.Event(), threading.Event()
    seen: list[list[int]] = []

    def second() -> None:
        with one_thread():
            inside.set()
            assert left.wait(10)
            seen.append(threads())

    thread = threading.Thread(target=second)
    with one_thread():
        thread.start()
        assert inside.wait(10)
    left.set()
    thread.join()
    assert seen == [[1]]
    assert threads() == [2]


def test_many_threads_at_once_leave_the_limit_as_it_was() -> None:
    seen: set[int] = set()

    def work() -> None:
        for _ in range(20):
            with one_thread():
                seen.update(threads())

    running = [threading.Thread(target=work) for _ in range(8)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert seen == {1}
    assert threads() == [2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_is_not_locked() -> None:
    code = """
import os, sys, threading
import numpy
from headstart.heads import linear_algebra
linear_algebra._lock.acquire()  # as if another thread were just entering
child = os.fork()
if not child:
    with linear_algebra.one_thread():
        os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=20).returncode == 7


def features() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 60)
    vectors = (rng.standard_normal((6, 300))[labels] * 0.3 + rng.standard_normal((360, 300))).astype(np.float32)
    return vectors, labels, np.arange(360) % 5


@pytest.mark.parametrize("kind", ["logistic", "lda", "ridge", "centroid", "knn"])
def test_a_head_has_the_same_bytes_on_any_number_of_threads(kind: str) -> None:
    vectors, labels, folds = features()
    found = []
    for count in (1, 2, 4):
        with threadpool_limits(count, user_api="blas"):
            fitted = fit(kind, vectors, labels, folds)  # type: ignore[arg-type]
            arrays = {name: array.tobytes() for name, array in fitted.head.arrays().items()}
            found.append((fitted.strength, arrays, fitted.held_out.tobytes()))
    assert found[0] == found[1] == found[2]


def test_the_solver_never_runs_on_more_than_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    eigh, solve = np.linalg.eigh, np.linalg.solve
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: seen.extend(threads()) or eigh(matrix))
    monkeypatch.setattr(np.linalg, "solve", lambda *both: seen.extend(threads()) or solve(*both))
    vectors, labels, folds = features()
    for kind in ("logistic", "ridge"):
        fit(kind, vectors, labels, folds)  # type: ignore[arg-type]
    logistic_history(Examples(vectors, labels), Examples(vectors, labels), 0.1)
    principal(vectors, 3)
    assert set(seen) == {1}
    assert len(seen) >= 3 + 5 * len(fitting.STRENGTHS)
    assert threads() == [2]


def test_neither_help_nor_predict_imports_it() -> None:
    code = "import sys, headstart, headstart.apps.cli, headstart.classifier; print('threadpoolctl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
