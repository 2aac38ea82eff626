"""The same SavedModel through headstart and through TensorFlow: photos per second, pictures in memory.

    python benchmarks/engines.py --venv ENVIRONMENT_WITH_TENSORFLOW [--network SAVEDMODEL]

TensorFlow gets pictures already scaled to its input range, at the batch size that suits it best; headstart gets
uint8 and scales inside. Both float32; bfloat16 beside it where the processor has it. Rounds alternate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from common import DATA, machine, process
from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.backbones.runtimes.openvino.compiled import has_bfloat16
from headstart.photos import images
from headstart.photos.images import View

_PHOTOS = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--network", type=Path, default=DATA / "backbones" / "mobilenet_v2_0.35_224_savedmodel")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    print(f"{machine()}\n{options.network.name}", flush=True)
    paths = sorted((DATA / "clothing10" / "train").glob("*/*"))[:_PHOTOS]
    pictures = np.stack([images.load(path, View(224, 224)) for path in paths])
    precisions = ["float32"] + (["bfloat16"] if has_bfloat16() else [])
    given = backbones.Options(input_range="-1..1")
    networks = {p: backbones.load(str(options.network), p, options=given) for p in precisions}  # type: ignore[arg-type]
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "pictures.npy"
        np.save(kept, pictures)
        ratios = []
        for _ in range(options.rounds):
            command = [options.venv / "bin" / "python", here / "engines_tensorflow.py", options.network, kept]
            theirs = json.loads(process([*map(str, command), str(options.seconds)]).stdout.splitlines()[-1])
            ours = {name: rate(network, pictures, options.seconds) for name, network in networks.items()}
            ratios.append(ours["float32"] / max(theirs.values()))
            shown = ", ".join(f"batch {batch}: {value:.0f}" for batch, value in theirs.items())
            mine = ", ".join(f"{name}: {value:.0f}" for name, value in ours.items())
            print(f"TensorFlow {shown}; headstart {mine} photos/s; float32 {ratios[-1]:.2f} times", flush=True)
    print(f"median {np.median(ratios):.2f} times")


def rate(network: Backbone, pictures: images.Images, seconds: float) -> float:
    """Photos per second of a stream of them."""
    step = network.batch
    done = 0

    def stream(until: float):  # type: ignore[no-untyped-def]
        while time.perf_counter() < until:
            for i in range(0, len(pictures), step):
                yield i, pictures[i : i + step]

    def count(_: int, rows: np.ndarray) -> None:
        nonlocal done
        done += len(rows)

    network.embed(pictures[: 4 * step])
    started = time.perf_counter()
    network.embed_stream(stream(started + seconds), count)
    return done / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
