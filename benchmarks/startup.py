"""How long a person waits for the shell: whole processes, median of several.

    python benchmarks/startup.py [--rounds 9]

Bars: `headstart --help` 0.3 s; `headstart predict` of one photo that is not in the store 1.2 s (graph already
compiled); `headstart train` on clothing10 with all in the store 3 s, of it head and evaluation 1 s; on two-trees,
nothing in the store, 3 s.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from common import DATA, headstart, machine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(machine())

    def show(what: str, seconds: list[float], bar: float) -> None:
        print(
            f"{what:58} median {np.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}); bar {bar} s",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        home, model = work / "home", work / "model"
        rounds = range(options.rounds)
        show("headstart --help", [headstart("--help", home=home).seconds for _ in rounds], 0.3)
        trees = []
        for _ in rounds:
            shutil.rmtree(home / "vectors", ignore_errors=True)
            shutil.rmtree(home / "paths", ignore_errors=True)
            shutil.rmtree(model, ignore_errors=True)
            trees.append(headstart("train", str(DATA / "two-trees"), "-o", str(model), home=home).seconds)
        show("headstart train two-trees, nothing in the store", trees, 3)
        photos = sorted((DATA / "clothing10" / "test" / "hat").iterdir())
        show(
            "headstart predict, one new photo",
            [headstart("predict", str(model), str(photos[i]), home=home).seconds for i in rounds],
            1.2,
        )
        headstart("train", str(DATA / "clothing10"), home=home)
        runs = [headstart("train", str(DATA / "clothing10"), "--json", home=home) for _ in rounds]
        show("headstart train clothing10, all in the store", [run.seconds for run in runs], 3)
        inside = [json.loads(run.stdout)["seconds"] for run in runs]
        show("  of it head and evaluation", [one["head"] + one["evaluate"] for one in inside], 1)


if __name__ == "__main__":
    main()
