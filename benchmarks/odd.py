"""What people's folders really hold: every file an outcome, little memory, little time.

    python benchmarks/odd.py [--data FOLDER]

Uses the network as it is on shared/data/odd (54 files: HEIC, CMYK, 16 bits, animations, truncated, broken, bombs) in
a whole process. Bars: no crash, at most 1 GB, at most 20 s.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from common import DATA, headstart, machine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA / "odd")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as home:
        done = headstart("classify", str(options.data), "--json", home=home)
    photos = json.loads(done.stdout)["photos"]
    files = sum(1 for path in options.data.iterdir() if path.is_file())
    assert photos["used"] + len(photos["files"]) == photos["found"] == files
    print(f"{files} files: {photos['used']} used, skipped: {photos['reasons']}")
    print(f"{done.seconds:.1f} s (bar 20 s), peak {done.peak_mb:.0f} MB (bar 1,000 MB)")


if __name__ == "__main__":
    main()
