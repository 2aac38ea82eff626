"""`headstart compare`: how long it takes, whether its figures are those of training alone, how much memory many take.

    python benchmarks/compare.py [--many]

Four shared networks on clothing10, whole processes: from an empty store (bar 60 s on 2 cores), from a full one (bar
8 s), and against each network trained alone (bars: the same ranking, accuracies within 0.5 points).

`--many`: 30 networks (views of the built-in one) x 3 heads, killed with `kill -9` when a third is computed, then
continued: peak memory (bar 1.2 GB), and photos that were computed twice.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from common import DATA, headstart, machine, process

NETWORKS = DATA / "backbones"
HANDLES = (
    "builtin:efficientnet-lite0",
    str(NETWORKS / "mobilenet_v2_0.35_224_savedmodel"),
    str(NETWORKS / "mobilenet_v2_1.0_224_quant.tflite"),
    str(NETWORKS / "mobilenet_v1_0.25_224_float.tflite"),
)
PHOTOS = DATA / "clothing10"
#: Run as a program: 30 views of the built-in backbone, three heads.
_MANY = """
import json, sys
from dataclasses import replace
from headstart import backbones
from headstart.classifier.comparing import compare
from headstart.photos.images import View
from headstart.progress import Silent

class Printed(Silent):
    def planned(self, photos, new, seconds):
        print(json.dumps({"new": new}), file=sys.stderr, flush=True)
    def advanced(self, done):
        if done % 1000 == 0:
            print(json.dumps({"done": done}), file=sys.stderr, flush=True)

lite = backbones.load("builtin:efficientnet-lite0")
views = [View(224, 224, fit, 0.55 + 0.015 * i if fit == "crop" else 1.0) for i, fit in enumerate(["crop"] * 28)]
views += [View(224, 224, "squash"), View(224, 224, "pad")]
opened = [lite.with_card(replace(lite.card, view=view)) for view in views]
found = compare(sys.argv[1], backbones=opened, heads=["logistic", "centroid", "knn"], progress=Printed())
print(json.dumps({"entries": len(found.entries), "computed": sum(e.work.computed for e in found.entries) // 3,
                  "seconds": found.seconds.to_json(), "verdict": found.verdict}))
"""


def four() -> None:
    with tempfile.TemporaryDirectory() as home:
        command = ["compare", str(PHOTOS), *(word for handle in HANDLES for word in ("-b", handle)), "--json"]
        empty = headstart(*command, home=home)
        full = headstart(*command, home=home)
        print(f"empty store: {empty.seconds:.1f} s (bar 60), peak {empty.peak_mb:.0f} MB", flush=True)
        print(f"full store: {full.seconds:.1f} s (bar 8), peak {full.peak_mb:.0f} MB", flush=True)
        entries = json.loads(empty.stdout)["entries"]
        assert entries[0]["evaluation"] == json.loads(full.stdout)["entries"][0]["evaluation"]
    alone = {}
    with tempfile.TemporaryDirectory() as home:  # a store of their own: nothing is taken from the comparison
        for entry in entries:
            trained = json.loads(headstart("train", str(PHOTOS), "-b", entry["backbone"], "--json", home=home).stdout)
            alone[entry["backbone"]] = trained["evaluation"]["accuracy"]
    for entry in entries:
        handle, accuracy = entry["backbone"], entry["evaluation"]["accuracy"]
        print(
            f"{entry['name']}: {100 * accuracy:.2f} % compared, {100 * alone[handle]:.2f} % trained alone, "
            f"{entry['features']['photos_per_second']:.0f} photos/s"
        )
    same = sorted(alone, key=lambda handle: -alone[handle]) == [entry["backbone"] for entry in entries]
    print(f"ranking {'the same' if same else 'DIFFERS'}")


def many() -> None:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-c", _MANY, str(PHOTOS)]
        started = time.perf_counter()
        killed = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "HEADSTART_HOME": home}
        )
        assert killed.stderr is not None
        new = done = 0
        for line in killed.stderr:
            if not line.startswith("{"):
                continue
            progress = json.loads(line)
            new, done = progress.get("new", new), progress.get("done", done)
            if new and done >= new / 3:
                killed.send_signal(signal.SIGKILL)
                break
        killed.wait()
        print(f"killed with {done:,} of {new:,} done after {time.perf_counter() - started:.0f} s", flush=True)
        finished = process(command, HEADSTART_HOME=home)
        found = json.loads(finished.stdout)
        twice = done + found["computed"] - new
        print(
            f"{found['entries']} entries; {found['computed']:,} computed afterwards, so {max(twice, 0)} twice; "
            f"{finished.seconds:.0f} s, peak {finished.peak_mb:.0f} MB (bar 1,200)"
        )
        again = process(command, HEADSTART_HOME=home)
        print(f"all in the store: {again.seconds:.0f} s, peak {again.peak_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", action="store_true")
    options = parser.parse_args()
    print(machine(), flush=True)
    many() if options.many else four()


if __name__ == "__main__":
    main()
