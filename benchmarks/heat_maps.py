"""Are the places that a heat map calls decisive really those that decide?

    python benchmarks/heat_maps.py [--photos 60] [--occluded 15]

The deletion test: the hottest fifth of a photo becomes grey, then the coldest fifth, then a random fifth in blobs of
the same kind. Printed for each set of photos and each head: the mean log odds that the predicted class loses, and the
share of photos in which it loses more than without the random fifth. Bar: hot loses more than random, and random more
than cold.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import numpy.typing as npt

import headstart
from common import DATA
from headstart.classifier.classifier import Classifier
from headstart.photos.images import Images, load
from headstart.photos.pixels import PAD_GREY
from headstart.trust.explain.heat import Heat, by_map, by_occlusion, enlarged, log_odds

SETS = ("clothing10", "food10-64")
HEADS = ("logistic", "ridge", "centroid", "knn")
FIFTH = 0.2


def losses(
    classifier: Classifier, picture: Images, number: int, heats: dict[str, Heat], random: Heat
) -> dict[str, float]:
    """Log odds lost without the hottest and the coldest fifth of each heat map, and the hottest of a random one."""
    large = {name: enlarged(heat, *picture.shape[1::-1], (0, 0, *heat.shape[::-1])) for name, heat in heats.items()}
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    for name, heat in large.items():
        masks[f"{name}, hot"] = heat > np.quantile(heat, 1 - FIFTH)
        masks[f"{name}, cold"] = heat < np.quantile(heat, FIFTH)
    chance = enlarged(random, *picture.shape[1::-1], (0, 0, *random.shape[::-1]))
    masks["random"] = chance > np.quantile(chance, 1 - FIFTH)
    pictures = np.repeat(picture[None], 1 + len(masks), axis=0)
    for covered, mask in zip(pictures[1:], masks.values(), strict=True):
        covered[mask] = PAD_GREY
    odds = log_odds(classifier.head, classifier.backbone.embed(pictures), number)
    return dict(zip(masks, (odds[0] - odds[1:]).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=60, help="of each set")
    parser.add_argument("--occluded", type=int, default=15, help="of them, also explained by occlusion")
    settings = parser.parse_args()
    draw = np.random.default_rng(0)
    for name in SETS:
        for head in HEADS:
            training = headstart.train(DATA / name, head=head, fraction=0.3, progress=False)
            classifier, measured = training.classifier, training.measured
            found: dict[str, list[tuple[float, float]]] = {}
            for count, row in enumerate(draw.permutation(len(measured.paths))[: settings.photos]):
                picture = load(measured.paths[row], classifier.card.view)
                number = int(measured.probabilities[row].argmax())
                maps = classifier.backbone.maps(picture[None])
                assert maps is not None
                heats = {"map": by_map(partial(log_odds, classifier.head, number=number), maps[0])}
                if count < settings.occluded:
                    heats["occlusion"] = by_occlusion(
                        classifier.backbone, partial(log_odds, classifier.head, number=number), picture
                    )
                random = draw.normal(size=heats["map"].shape).astype(np.float32)
                lost = losses(classifier, picture, number, heats, random)
                for which, value in lost.items():
                    found.setdefault(which, []).append((value, lost["random"]))
            for which, pairs in found.items():
                own, chance = np.array(pairs).T
                more = f"{(own > chance).mean():.0%} more than random"
                print(f"{name:11} {head:9} {which:16} {own.mean():6.2f}  {more}", flush=True)


if __name__ == "__main__":
    main()
