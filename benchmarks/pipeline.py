"""scikit-learn: are `HeadstartClassifier` and the README's pipeline as good as `headstart train`?

Trains all three on clothing10, with each head and three seeds, and measures them on its test photos (bar: within 0.1
points). Prints one line for each head and seed.
"""

from __future__ import annotations

import argparse
from typing import get_args

import headstart
from common import DATA
from headstart.heads.head import Kind
from headstart.photos.sources import scan


def main() -> None:
    from sklearn.pipeline import make_pipeline

    argparse.ArgumentParser(description=__doc__).parse_args()
    source = scan(DATA / "clothing10")
    assert source.test is not None
    (photos, labels), (others, truth) = [(list(part.paths), list(part.labels)) for part in (source.train, source.test)]
    for head in get_args(Kind):
        for seed in range(3):
            trained = headstart.train(DATA / "clothing10", head=head, seed=seed).measured.evaluation.accuracy
            classifier = headstart.HeadstartClassifier(head=head, random_state=seed)
            pipeline = make_pipeline(headstart.FeatureExtractor(), headstart.HeadstartHead(head, random_state=seed))
            scores = [one.fit(photos, labels).score(others, truth) for one in (classifier, pipeline)]
            figures = " ".join(f"{100 * figure:.2f}" for figure in (trained, *scores))
            print(f"{head} seed {seed}: train, HeadstartClassifier, pipeline: {figures} %", flush=True)


if __name__ == "__main__":
    main()
