"""Does memory stay constant but for the feature matrix?

    python benchmarks/memory.py [--photos 3000 30000]

Trains on so many photos, copies of those of clothing10 made distinct by a comment segment (so that each is read,
hashed and embedded), in a whole process each. Bars: at most 700 MB on clothing10 itself; from 3,000 to 30,000
photos the peak grows by at most the feature matrix + 10 %.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from common import DATA, headstart, machine
from headstart.photos.sources import scan

DIM = 1280


def copies(count: int, folder: Path) -> None:
    """`count` photos in class folders; each gets its number as a JPEG comment behind the first two bytes."""
    source = scan(DATA / "clothing10")
    assert source.test is not None
    paths, labels = source.train.paths + source.test.paths, source.train.labels + source.test.labels
    for i in range(count):
        data = Path(paths[i % len(paths)]).read_bytes()
        assert data[:2] == b"\xff\xd8"
        note = i.to_bytes(8, "big")
        target = folder / labels[i % len(paths)] / f"{i:06}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data[:2] + b"\xff\xfe" + (2 + len(note)).to_bytes(2, "big") + note + data[2:])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, nargs=2, default=[3000, 30_000])
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        plain = headstart("train", str(DATA / "clothing10"), "--json", home=work / "home0")
        print(f"clothing10, nothing in the store: peak {plain.peak_mb:.0f} MB (bar 700 MB)", flush=True)
        peaks = []
        for count in options.photos:
            copies(count, work / str(count))
            done = headstart("train", str(work / str(count)), "--json", home=work / f"home{count}")
            found = json.loads(done.stdout)
            peaks.append(done.peak_mb)
            rate = found["features"]["photos_per_second"]
            print(f"{count:,} photos: peak {done.peak_mb:.0f} MB, {done.seconds:.0f} s, {rate:.0f}/s", flush=True)
    matrix = (options.photos[1] - options.photos[0]) * DIM * 4 / 2**20
    grown = peaks[1] - peaks[0]
    share = 100 * (grown / matrix - 1)
    print(f"grew by {grown:.0f} MB; the feature matrix by {matrix:.0f} MB: {share:+.1f} % (bar +10 %)")


if __name__ == "__main__":
    main()
