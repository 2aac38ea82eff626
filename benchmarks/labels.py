"""Labels replaced at random: how many of the first are wrong, and is the number that `check` expects the true one?

    python benchmarks/labels.py [PHOTOS ...]

For each folder of photos and each share of wrong labels, over some draws: `first`, the share of wrong ones among the
first m, where m labels are wrong; `area`, the area under the ROC curve of the order; `listed`, how many are listed,
`expected`, how many of these are expected to be wrong, `wrong`, how many are.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from headstart import backbones
from headstart.classifier.measuring import vectors_of
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.leakage import Clean, group_keys
from headstart.evaluation.metrics import mean_of
from headstart.features.store import Store
from headstart.photos.sources import open_source
from headstart.progress import Silent
from headstart.trust.labels import wrong_probabilities

SHARES = (0.0, 0.02, 0.05, 0.1)
DRAWS = 3


def area(scores: npt.NDArray[np.float64], wrong: npt.NDArray[np.bool_]) -> float:
    """Probability that a wrong label has a higher score than a right one (Mann and Whitney 1947)."""
    ranks = scores.argsort().argsort() + 1
    m, n = int(wrong.sum()), len(wrong)
    return float((ranks[wrong].sum() - m * (m + 1) / 2) / (m * (n - m)))


def main(folders: list[str]) -> None:
    """Print a line for each folder and share."""
    store = Store(None)
    backbone = backbones.load(folder=store.compiled)
    print(f"{'photos':34} {'share':>6} {'first':>6} {'area':>6} {'listed':>7} {'expected':>9} {'wrong':>6}")
    for folder in folders:
        source = open_source(folder)
        features = vectors_of(backbone, source.paths, store, Silent())
        classes = source.train.classes
        true = np.array([classes.index(source.labels[i]) for i in features.rows])
        groups = group_keys(features)
        for share in SHARES:
            figures = []
            for seed in range(DRAWS):
                rng = np.random.default_rng(seed)
                m = round(share * len(true))
                rows = rng.choice(len(true), m, replace=False)
                given = true.copy()
                given[rows] = (given[rows] + rng.integers(1, len(classes), m)) % len(classes)
                clean = Clean(features, tuple(classes[i] for i in given), groups)
                probabilities = mean_of(cross_validate("logistic", clean, classes, 0).held_out)
                found, wrong = wrong_probabilities(probabilities, given), given != true
                own = -probabilities[np.arange(len(given)), given].astype(np.float64)
                listed = found >= 0.5
                first = wrong[own.argsort()[::-1][:m]].mean() if m else np.nan
                figures.append(
                    [first, area(own, wrong) if m else np.nan, listed.sum(), found[listed].sum(), wrong[listed].sum()]
                )
            first, under, some, expected, right = np.mean(figures, axis=0)
            name = f"{folder[-25:]} ({len(true):,})"
            print(
                f"{name:34} {share:6.2f} {first:6.3f} {under:6.3f} {some:7.1f} {expected:9.1f} {right:6.1f}", flush=True
            )


if __name__ == "__main__":
    main(sys.argv[1:] or ["../shared/data/clothing10/train", "../shared/data/food10-64/train"])
