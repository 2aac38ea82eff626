"""Linear algebra on one thread and on two, on this machine as it is and while other work takes both cores.

    python benchmarks/blas.py [--classes 30] [--rounds 3]

Made-up features, 1,280 a photo, 75 photos a class: seconds of the symmetric eigenproblem and of a head with its search,
the least of the rounds. One thread and two take turns, so that whatever else runs on the machine slows both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from common import machine
from headstart.heads import fitting

DIM, EACH = 1280, 75


@contextmanager
def busy(count: int):
    """So many processes that do nothing but compute."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in burning:
            one.kill()
            one.wait()


def seconds(work: Callable[[], object], threads: int) -> float:
    with threadpool_limits(threads, user_api="blas"):
        started = time.perf_counter()
        work()
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(options.classes), EACH)
    centres = rng.standard_normal((options.classes, DIM)) * 0.15
    features = (centres[labels] + rng.standard_normal((len(labels), DIM))).astype(np.float32)
    folds = np.arange(len(labels)) % 5
    gram = features.T @ features
    fit = getattr(fitting.fit, "__wrapped__", fitting.fit)  # without its own limit
    works = {
        "eigenproblem of 1,280": lambda: np.linalg.eigh(gram),
        f"head of {options.classes} classes": lambda: fit("logistic", features, labels, folds),
    }
    print(machine(), f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    for state, burning in (("as it is", 0), ("both cores taken", 2)):
        with busy(burning):
            for name, work in works.items():
                times = [[seconds(work, threads) for threads in (1, 2)] for _ in range(options.rounds)]
                one, two = np.min(times, axis=0)
                print(f"{name:24} {state:18} one {one:7.2f} s   two {two:7.2f} s   two/one {two / one:.2f}", flush=True)


if __name__ == "__main__":
    main()
