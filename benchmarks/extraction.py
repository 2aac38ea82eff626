"""Does extraction reach what the cores allow? Decoding alone, inference alone, and both at once, one run.

    python benchmarks/extraction.py [--data FOLDER] [--rounds 3]

Bar: at least 85 % of 1 / (1/decode + 1/inference), which two stages sharing the same cores cannot exceed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from common import DATA, machine
from headstart import backbones
from headstart.features.extraction import extract, processors
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.sources import find_files


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA / "clothing10")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    paths = find_files([options.data])
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        network = backbones.load(folder=Path(folder) / "compiled")
        view, batch = network.card.view, network.batch
        pictures = np.random.default_rng(0).integers(0, 256, (batch, view.height, view.width, 3), dtype=np.uint8)
        shares = []
        for turn in range(options.rounds):
            started = time.perf_counter()
            with ThreadPoolExecutor(processors()) as pool:
                for _ in pool.map(lambda path: images.load(path, view), paths, chunksize=1):
                    pass
            decode = len(paths) / (time.perf_counter() - started)

            started = time.perf_counter()
            network.embed_stream(((0, pictures) for _ in range(len(paths) // batch)), lambda *_: None)
            inference = len(paths) // batch * batch / (time.perf_counter() - started)

            started = time.perf_counter()
            found = extract(network, paths, Store(Path(folder) / f"store{turn}"))
            together = found.computed / (time.perf_counter() - started)
            allowed = 1 / (1 / decode + 1 / inference)
            shares.append(together / allowed)
            print(
                f"decode {decode:7.1f}/s  inference {inference:7.1f}/s  allowed {allowed:7.1f}/s  "
                f"extraction {together:7.1f}/s  = {100 * shares[-1]:.1f} %",
                flush=True,
            )
        print(f"median {100 * float(np.median(shares)):.1f} % of what the cores allow (bar 85 %)")


if __name__ == "__main__":
    main()
