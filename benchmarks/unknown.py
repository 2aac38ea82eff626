"""Photos that a classifier refuses as unknown: of its own kind, of other kinds, and pictures that show nothing.

    python benchmarks/unknown.py [HANDLE] [--draws 100]

Every draw takes other training photos; those left over of the same set are the photos like them.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt

from common import DATA, machine
from headstart import backbones
from headstart.classifier.measuring import vectors_of
from headstart.evaluation.leakage import Clean, without_conflicts
from headstart.features.store import Store
from headstart.photos.sources import find_files
from headstart.trust import blanks
from headstart.trust.unknown import learn_known

#: Set and photos a class to train on; two-trees has ten a class.
DRAWN = [("clothing10", 10), ("clothing10", 40), ("clothing10", 75), ("food10-64", 10), ("food10-64", 40)]
DRAWN += [("food10-64", 75), ("two-trees", 8), ("phone-fruit", 10)]
OTHERS = ["clothing10", "food10-64", "two-trees", "phone-fruit", "imagenet100", "odd"]


def nothing(seed: int) -> list[npt.NDArray[np.uint8]]:
    """Plain colours, noise and gradients, other ones than the classifier keeps."""
    random = np.random.default_rng(seed)
    plain = [np.full((300, 400, 3), random.integers(0, 256, 3), np.uint8) for _ in range(30)]
    noise = [random.normal(random.integers(60, 200), random.integers(3, 90), (300, 400, 3)) for _ in range(20)]
    noise += [random.uniform(0, 255, (300, 400, colours)) for colours in (1, 3) for _ in range(5)]
    ends = [random.uniform(0, 255, (2, 3)) for _ in range(10)]
    noise += [np.linspace(a, b, 300)[:, None] for a, b in ends]
    return [*plain, *(np.clip(np.broadcast_to(one, (300, 400, 3)), 0, 255).astype(np.uint8) for one in noise)]


def main() -> None:
    """Print a line for each set and number of photos."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("handle", nargs="?", default=backbones.DEFAULT)
    options.add_argument("--draws", type=int, default=100)
    given = options.parse_args()
    store = Store()
    backbone = backbones.load(given.handle, folder=store.compiled).with_fit("squash")
    found = {name: vectors_of(backbone, find_files(DATA / name), store) for name in OTHERS}
    pictures = {name: one.vectors for name, one in found.items()}
    pictures["nothing"] = vectors_of(backbone, find_files(nothing(7)), store).vectors
    made = vectors_of(backbone, find_files(blanks.pictures()), store).vectors
    cleaned = {
        name: without_conflicts(one, [path.split("/")[-2] for path in one.paths])
        for name, one in found.items()
        if name in {name for name, _ in DRAWN}
    }
    print(machine(), given.handle, sep="\n")
    for name, each in DRAWN:
        rates = np.array([draw(cleaned[name], each, seed, made, pictures, name) for seed in range(given.draws)])
        own, *others = 100 * rates.mean(axis=0)
        spread = 100 * rates[:, 0].std()
        rest = ", ".join(
            f"{other} {rate:.1f}" for other, rate in zip((o for o in pictures if o != name), others, strict=True)
        )
        print(f"{name} {each}: refused of its own {own:.1f} % (+-{spread:.1f} between draws); of {rest}", flush=True)


def draw(
    clean: Clean,
    each: int,
    seed: int,
    made: npt.NDArray[np.float32],
    pictures: dict[str, npt.NDArray[np.float32]],
    name: str,
) -> list[float]:
    """Shares refused: of the photos left over, and of each other set."""
    random = np.random.default_rng(seed)
    labels = np.array(clean.labels)
    rows = np.sort(np.concatenate([random.permutation(np.flatnonzero(labels == one))[:each] for one in clean.classes]))
    left = [np.setdiff1d(np.flatnonzero(labels == one), rows) for one in clean.classes]
    most = min(max(map(len, left)), 60)
    held = np.concatenate([one[:most] if len(one) <= most else random.permutation(one)[:most] for one in left])
    known = learn_known(clean.take(rows.tolist()), made)
    own = known.look(clean.features.vectors[held]).unknown.mean()
    return [float(own), *(float(known.look(v[:400]).unknown.mean()) for other, v in pictures.items() if other != name)]


if __name__ == "__main__":
    main()
