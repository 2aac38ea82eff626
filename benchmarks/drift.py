"""Are changes of new photos found, and only those? Do the photos chosen for labelling teach more than random ones?

    python benchmarks/drift.py [--draws 60] [--parts alarms,choice]

Alarms: every draw trains on other photos, as many of each class, and takes new ones from the rest: with the same shares
of classes, with the share of one class doubled, or with one in ten of another set. Choice: photos of the rest are
labelled and added, those that `worth_labelling` chooses, random ones, and those with the highest product of doubt and
distance; all are measured on the same other photos.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from common import DATA, machine
from headstart import backbones
from headstart.classifier.measuring import vectors_of
from headstart.evaluation.cross_validation import cross_validate
from headstart.evaluation.distributions import beta_binomial_tail
from headstart.evaluation.leakage import Clean, without_conflicts
from headstart.evaluation.paired import LEVEL
from headstart.features.store import Store
from headstart.heads.head import Vectors, unit_length
from headstart.photos.sources import find_files
from headstart.trust import blanks
from headstart.trust.drift import class_shares, unknown_share
from headstart.trust.unknown import learn_known
from headstart.trust.worth_labelling import doubt, worth_labelling

SETS = ("clothing10", "food10-64")
LOOKS = (25, 50, 100, 200, 400)
#: Samples of new photos for each classifier.
SAMPLES = 5
Rows = npt.NDArray[np.intp]


def drawn(labels: Rows, each: int, random: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows to train on, `each` of every class, and the rest in random order."""
    classes = range(labels.max() + 1)
    train = np.sort(np.concatenate([random.permutation(np.flatnonzero(labels == c))[:each] for c in classes]))
    return train, random.permutation(np.setdiff1d(np.arange(len(labels)), train))


def sample(labels: Rows, rest: Rows, shares: npt.NDArray[np.float64], n: int, random: np.random.Generator) -> Rows:
    """Rows of the rest with these shares of classes, none twice unless a class has too few."""
    counts = random.multinomial(n, shares / shares.sum())
    found = []
    for c, count in enumerate(counts.tolist()):
        own = rest[labels[rest] == c]
        found.append(random.choice(own, count, replace=count > len(own)))
    return random.permutation(np.concatenate(found))


def alarms(name: str, clean: Clean, other: Vectors, made: Vectors, each: int, draws: int) -> None:
    """How often each test finds a change, with and without one."""
    labels, k = clean.numbers(clean.classes), len(clean.classes)
    vectors, found = clean.features.vectors, defaultdict[tuple[str, int], list[bool]](list)
    for seed in range(draws):
        random = np.random.default_rng(seed)
        train, rest = drawn(labels, each, random)
        learned = clean.take(train.tolist())
        result = cross_validate("logistic", learned, clean.classes, seed)
        held_out = [np.bincount(p.argmax(axis=1), minlength=k) for p in result.held_out]
        compared = np.round(np.mean(held_out, axis=0)).astype(np.int64)
        known = learn_known(learned, made)
        limit = len(known.distances)
        for number in range(SAMPLES):
            doubled = np.ones(k)
            doubled[(seed + number) % k] = 2
            new = {
                "same": vectors[sample(labels, rest, np.ones(k), LOOKS[-1], random)],
                "doubled": vectors[sample(labels, rest, doubled, LOOKS[-1], random)],
                "mixed": vectors[sample(labels, rest, np.ones(k), LOOKS[-1], random)].copy(),
            }
            strange = np.flatnonzero(random.random(LOOKS[-1]) < 0.1)
            new["mixed"][strange] = other[random.choice(len(other), len(strange))]
            for what, photos in new.items():
                refused = known.look(photos).unknown
                predicted = result.head.predict_proba(photos).argmax(axis=1)
                any_look = [False, False]
                for n in LOOKS:
                    counts = np.bincount(predicted[:n], minlength=k)
                    share = unknown_share(int(refused[:n].sum()), n, known.rate, limit)
                    verdicts = [share.is_significant, class_shares(counts, compared, clean.classes).is_significant]
                    found[f"{what}: unknown", n].append(verdicts[0])
                    found[f"{what}: classes", n].append(verdicts[1])
                    binomial = beta_binomial_tail(int(refused[:n].sum()), n, known.rate * 1e9, (1 - known.rate) * 1e9)
                    found[f"{what}: unknown, binomial", n].append(binomial < LEVEL)
                    any_look = [a or b for a, b in zip(any_look, verdicts, strict=True)]
                found[f"{what}: unknown, any look", LOOKS[-1]].append(any_look[0])
                found[f"{what}: classes, any look", LOOKS[-1]].append(any_look[1])
    print(f"{name}, {each} a class, {draws} classifiers: change found, in per cent of the samples of n photos")
    for title in dict.fromkeys(title for title, _ in found):
        shares = ", ".join(f"{n}: {100 * np.mean(found[title, n]):.1f}" for n in LOOKS if (title, n) in found)
        print(f"  {title:32} {shares}", flush=True)


def by_product(photos: Vectors, doubts: npt.NDArray[np.float64], most: int, known: Vectors) -> list[int]:
    """The highest product of doubt and distance, one at a time."""
    nearest, chosen = (photos @ known.T).max(axis=1), list[int]()
    for _ in range(most):
        best = int(np.where(nearest < 0.9, doubts * (1 - nearest), -1).argmax())
        chosen.append(best)
        nearest = np.maximum(nearest, photos @ photos[best])
        nearest[best] = 1
    return chosen


def choice(name: str, clean: Clean, made: Vectors, each: int, budget: int, draws: int, pool: int = 500) -> None:
    """Accuracy after so many photos were labelled, against random ones."""
    labels, vectors = clean.numbers(clean.classes), clean.features.vectors
    gains = defaultdict[str, list[float]](list)
    for seed in range(draws):
        random = np.random.default_rng(1000 + seed)
        train, rest = drawn(labels, each, random)
        new, test = rest[:pool], rest[pool:]
        learned = clean.take(train.tolist())
        head = cross_validate("logistic", learned, clean.classes, seed, measuring=False).head
        known = learn_known(learned, made)
        probability = head.predict_proba(vectors[new]).max(axis=1)
        doubts = doubt(probability, known.look(vectors[new]).unknown, known.rate)
        photos, of_training = unit_length(vectors[new]), unit_length(vectors[train])
        none = np.empty((0, photos.shape[1]), np.float32)
        chosen = {
            "none": [],
            "chosen": worth_labelling(photos, doubts, budget, none, known.photos),
            "product": by_product(photos, doubts, budget, of_training),
            "most doubtful": np.argsort(-doubts)[:budget].tolist(),
            "random": random.permutation(pool)[:budget].tolist(),
            "random again": random.permutation(pool)[:budget].tolist(),
        }
        right = {}
        for how, rows in chosen.items():
            more = clean.take(np.sort(np.concatenate([train, new[rows]]).astype(np.intp)).tolist())
            taught = cross_validate("logistic", more, clean.classes, seed, measuring=False).head
            right[how] = float((taught.predict_proba(vectors[test]).argmax(axis=1) == labels[test]).mean())
        chance = (right["random"] + right["random again"]) / 2
        for how, value in right.items():
            gains[how].append(100 * (value - chance))
        gains["accuracy of random"].append(100 * chance)
    print(f"{name}, {each} a class, {budget} of {pool} labelled, {draws} draws: points above random ones")
    for how, values in gains.items():
        print(f"  {how:26} {np.mean(values):+.2f} +- {np.std(values, ddof=1) / np.sqrt(draws):.2f}", flush=True)


def main() -> None:
    """Print a table for each set."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--draws", type=int, default=60)
    options.add_argument("--parts", default="alarms,choice")
    given = options.parse_args()
    store = Store()
    backbone = backbones.load(backbones.DEFAULT, folder=store.compiled).with_fit("squash")
    found = {name: vectors_of(backbone, find_files(DATA / name), store) for name in SETS}
    cleaned = {name: without_conflicts(one, [path.split("/")[-2] for path in one.paths]) for name, one in found.items()}
    made = vectors_of(backbone, find_files(blanks.pictures()), store).vectors
    print(machine())
    for name, other in zip(SETS, reversed(SETS), strict=True):
        if "alarms" in given.parts:
            alarms(name, cleaned[name], found[other].vectors, made, 40, given.draws)
        if "choice" in given.parts:
            for each, budget in ((5, 20), (10, 20), (10, 50)):
                choice(name, cleaned[name], made, each, budget, given.draws)


if __name__ == "__main__":
    main()
