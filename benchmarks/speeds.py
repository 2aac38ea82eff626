"""Does `headstart compare` find the same ratio of speeds whether the machine is quiet or busy?

    python benchmarks/speeds.py [--pairs 5] [--alone]

Whole comparisons of two networks on a few photos, in turn: quiet, then beside programs that keep every core busy, as
often as asked for. Kept speeds are removed before each. Bar: every ratio found beside busy programs is within 20 % of
the median of the quiet ones.

`--alone`: quiet comparisons run with real-time priority, so that nothing else on a shared machine disturbs them (Linux,
as root).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from common import DATA, headstart, machine
from headstart.photos.reading import processors

PHOTOS = DATA / "two-trees"
HANDLES = ("builtin:efficientnet-lite0", str(DATA / "backbones" / "mobilenet_v2_0.35_224_savedmodel"))


@contextmanager
def alone(wanted: bool) -> Iterator[None]:
    """Processes that are started meanwhile have real-time priority."""
    if wanted:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        if wanted:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def busy() -> Iterator[None]:
    """A program for each core that keeps it busy."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processors())]
    try:
        yield
    finally:
        for one in programs:
            one.kill()
            one.wait()


def ratio(label: str, home: str) -> float:
    """Compare, and how many times faster the second network is than the first."""
    for kept in Path(home).glob("vectors/*/rate.json"):
        kept.unlink()
    words = [word for handle in HANDLES for word in ("-b", handle)]
    finished = headstart("compare", str(PHOTOS), *words, "--input-range", "-1..1", "--json", home=home)
    entries = {entry["backbone"]: entry["features"] for entry in json.loads(finished.stdout)["entries"]}
    first, second = (entries[handle] for handle in HANDLES)
    found = float(second["photos_per_second"] / first["photos_per_second"])
    rates = " and ".join(f"{'~' if one['under_load'] else ''}{one['photos_per_second']:.0f}" for one in (first, second))
    print(f"{label}: {rates} photos/s, ratio {found:.2f}, {finished.seconds:.1f} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    print(machine(), flush=True)
    quiet, loaded = [], []
    with tempfile.TemporaryDirectory() as home:
        with alone(options.alone):
            ratio("first run, compiles and extracts", home)
        for _ in range(options.pairs):
            with alone(options.alone):
                quiet.append(ratio("quiet", home))
            with busy():
                loaded.append(ratio("busy", home))
    off = [one / median(quiet) - 1 for one in loaded]
    print(
        f"quiet {median(quiet):.2f} ({min(quiet):.2f} to {max(quiet):.2f}); busy off by "
        f"{', '.join(f'{100 * one:+.0f} %' for one in off)} (bar 20 %)"
    )


if __name__ == "__main__":
    main()
