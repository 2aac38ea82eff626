"""Splits: disjoint by content, stratified, stable when photos are added, independent of order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.errors import DataError
from headstart.photos.splits import Indices, shuffled_rank, stratified_folds, stratified_share

SEEDS = st.integers(0, 2**32)
FOLDS = st.integers(2, 10)
FRACTIONS = st.floats(0.01, 1.0)
#: photos of each class; content is distinct
COUNTS = st.lists(st.integers(2, 40), min_size=1, max_size=5)
#: sizes of the groups of equal photos of each class
GROUPED = st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=15), min_size=1, max_size=4)


def distinct(counts: list[int]) -> tuple[np.ndarray, list[bytes]]:
    """Labels and keys of photos that all differ."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return labels, [b"photo %d" % i for i in range(len(labels))]


def grouped(sizes: list[list[int]]) -> tuple[np.ndarray, list[bytes]]:
    """Labels and keys of photos in groups of equal ones."""
    pairs = [
        (c, b"%d/%d" % (c, g)) for c, groups in enumerate(sizes) for g, size in enumerate(groups) for _ in range(size)
    ]
    return np.array([c for c, _ in pairs]), [key for _, key in pairs]


def together(folds: Indices, keys: list[bytes]) -> bool:
    home: dict[bytes, int] = {}
    return all(home.setdefault(key, fold) == fold for key, fold in zip(keys, folds.tolist(), strict=True))


@settings(deadline=None)
@given(sizes=GROUPED, k=FOLDS, seed=SEEDS)
def test_equal_photos_are_never_separated(sizes: list[list[int]], k: int, seed: int) -> None:
    labels, keys = grouped(sizes)
    folds = stratified_folds(labels, keys, k, seed)
    assert folds.shape == labels.shape
    assert set(folds.tolist()) <= set(range(k))
    assert together(folds, keys)


@settings(deadline=None)
@given(photos=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=4, max_size=40), k=FOLDS, seed=SEEDS)
def test_equal_photos_of_two_classes_are_not_separated_either(photos: list[tuple[int, int]], k: int, seed: int) -> None:
    keys = [b"%d" % key for _, key in photos]
    labels = np.array([label for label, _ in photos])
    try:
        folds = stratified_folds(labels, keys, k, seed)
    except DataError:
        return  # a class that cannot be on both sides is refused
    assert together(folds, keys)
    assert all(len(set(folds[labels == label].tolist())) >= 2 for label in set(labels.tolist()))


@settings(deadline=None)
@given(counts=COUNTS, k=FOLDS, seed=SEEDS)
def test_every_fold_has_its_share_of_every_class(counts: list[int], k: int, seed: int) -> None:
    labels, keys = distinct(counts)
    folds = stratified_folds(labels, keys, k, seed)
    for label, count in enumerate(counts):
        sizes = np.bincount(folds[labels == label], minlength=k)
        assert sizes.sum() == count
        assert set(sizes.tolist()) <= {count // k, math.ceil(count / k)}


@settings(deadline=None)
@given(sizes=GROUPED, k=FOLDS, seed=SEEDS)
def test_every_class_is_on_both_sides_however_unequal_its_groups(sizes: list[list[int]], k: int, seed: int) -> None:
    labels, keys = grouped(sizes)
    folds = stratified_folds(labels, keys, k, seed)
    for label in range(len(sizes)):
        assert len(set(folds[labels == label].tolist())) >= 2


def test_one_photo_beside_nine_copies_of_another_is_on_the_other_side() -> None:
    keys = [b"nine"] * 9 + [b"one"]
    for seed in range(20):
        folds = stratified_folds(np.zeros(10, np.intp), keys, 2, seed)
        assert folds[0] != folds[9]


@settings(deadline=None)
@given(sizes=GROUPED, k=FOLDS, seed=SEEDS, data=st.data())
def test_folds_do_not_depend_on_the_order_of_the_photos(
    sizes: list[list[int]], k: int, seed: int, data: st.DataObject
) -> None:
    labels, keys = grouped(sizes)
    order = np.array(data.draw(st.permutations(range(len(keys)))))
    folds = stratified_folds(labels, keys, k, seed)
    assert np.array_equal(stratified_folds(labels[order], [keys[i] for i in order], k, seed), folds[order])


@settings(max_examples=150, deadline=None)
@given(sizes=GROUPED, more=st.lists(st.integers(0, 20), min_size=1, max_size=12), k=FOLDS, seed=SEEDS)
def test_adding_photos_moves_few_of_their_class_and_none_of_others(
    sizes: list[list[int]], more: list[int], k: int, seed: int
) -> None:
    """`more` names the group that each new photo of class 0 joins: one that is there, or a new one."""
    labels, keys = grouped(sizes)
    before = stratified_folds(labels, keys, k, seed)
    grown = stratified_folds(
        np.concatenate([labels, np.zeros(len(more), np.intp)]), keys + [b"0/%d" % g for g in more], k, seed
    )[: len(labels)]
    assert np.array_equal(before[labels > 0], grown[labels > 0])
    moved = {keys[i] for i in np.flatnonzero(before != grown)}
    assert len(moved) <= (k - 1) * len(more)


@settings(deadline=None)
@given(counts=COUNTS, k=FOLDS, seed=SEEDS)
def test_the_same_seed_gives_the_same_folds(counts: list[int], k: int, seed: int) -> None:
    labels, keys = distinct(counts)
    assert np.array_equal(stratified_folds(labels, keys, k, seed), stratified_folds(labels, keys, k, seed))


def test_another_seed_gives_other_folds() -> None:
    labels, keys = distinct([50, 50])
    folds = {tuple(stratified_folds(labels, keys, 5, seed).tolist()) for seed in range(10)}
    assert len(folds) == 10


def test_what_does_not_divide_evenly_does_not_always_land_in_the_first_fold() -> None:
    labels, keys = distinct([2] * 40)
    sizes = np.bincount(stratified_folds(labels, keys, 5, 0), minlength=5)
    assert sizes.min() >= 8


@pytest.mark.parametrize("keys", [[b"a"], [b"a", b"a", b"a"]])
def test_a_class_with_one_distinct_photo_cannot_be_on_both_sides(keys: list[bytes]) -> None:
    labels = np.array([0] * len(keys) + [1, 1])
    with pytest.raises(DataError, match="only 1 distinct"):
        stratified_folds(labels, [*keys, b"x", b"y"], 2, 0)


def test_a_class_whose_photos_all_went_with_others_is_refused_or_on_both_sides() -> None:
    outcomes = set()
    for seed in range(30):
        try:
            folds = stratified_folds(np.array([0, 0, 0, 0, 1, 1]), [b"a", b"b", b"c", b"d", b"a", b"b"], 2, seed)
            assert folds[4] != folds[5]
            outcomes.add("both sides")
        except DataError as error:
            outcomes.add(str(error).splitlines()[0])
    assert outcomes == {"both sides", "All photos of class number 1 fell into one fold with photos of other classes."}


def test_no_photos_have_no_folds_and_no_share() -> None:
    assert len(stratified_folds(np.empty(0, np.intp), [], 5, 0)) == 0
    assert len(stratified_share([], [], 0.5, 0)) == 0


@settings(deadline=None)
@given(counts=COUNTS, fraction=FRACTIONS, seed=SEEDS)
def test_a_share_has_the_same_part_of_every_class(counts: list[int], fraction: float, seed: int) -> None:
    labels, keys = distinct(counts)
    chosen = stratified_share([str(label) for label in labels], keys, fraction, seed)
    assert np.array_equal(chosen, np.unique(chosen))
    for label, count in enumerate(counts):
        assert np.sum(labels[chosen] == label) == max(1, round(fraction * count))


@settings(deadline=None)
@given(counts=COUNTS, fraction=FRACTIONS, seed=SEEDS, data=st.data())
def test_a_share_does_not_depend_on_the_order_of_the_photos(
    counts: list[int], fraction: float, seed: int, data: st.DataObject
) -> None:
    labels, keys = distinct(counts)
    order = data.draw(st.permutations(range(len(keys))))
    names = [str(label) for label in labels]
    chosen = {keys[i] for i in stratified_share(names, keys, fraction, seed)}
    shuffled = stratified_share([names[i] for i in order], [keys[i] for i in order], fraction, seed)
    assert {keys[order[i]] for i in shuffled} == chosen


@settings(deadline=None)
@given(counts=COUNTS, more=st.integers(1, 10), fraction=FRACTIONS, seed=SEEDS)
def test_adding_photos_takes_at_most_as_many_out_of_a_share(
    counts: list[int], more: int, fraction: float, seed: int
) -> None:
    labels, keys = distinct(counts)
    names = [str(label) for label in labels]
    before = {keys[i] for i in stratified_share(names, keys, fraction, seed)}
    keys_after = keys + [b"new %d" % i for i in range(more)]
    after = {keys_after[i] for i in stratified_share(names + ["0"] * more, keys_after, fraction, seed)}
    assert len(before - after) <= more
    others = {key for key, name in zip(keys, names, strict=True) if name != "0"}
    assert before & others == after & others


@settings(deadline=None)
@given(counts=COUNTS, fractions=st.tuples(FRACTIONS, FRACTIONS), seed=SEEDS)
def test_a_larger_share_contains_the_smaller_one(counts: list[int], fractions: tuple[float, float], seed: int) -> None:
    labels, keys = distinct(counts)
    names = [str(label) for label in labels]
    small, large = (set(stratified_share(names, keys, f, seed).tolist()) for f in sorted(fractions))
    assert small <= large


def test_a_whole_share_is_everything() -> None:
    labels, keys = distinct([3, 4])
    assert stratified_share([str(label) for label in labels], keys, 1.0, 0).tolist() == list(range(7))


def test_another_seed_chooses_another_share() -> None:
    names, keys = ["a"] * 100, [b"%d" % i for i in range(100)]
    assert len({tuple(stratified_share(names, keys, 0.5, seed).tolist()) for seed in range(10)}) == 10


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, 10.0, math.nan])
def test_a_fraction_outside_0_to_1_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="Expected more than 0 and at most 1"):
        stratified_share(["a", "b"], [b"x", b"y"], fraction, 0)


def test_a_rank_depends_on_the_key_and_the_seed_and_nothing_else() -> None:
    """The figures are BLAKE2b's (RFC 7693): they may never change, or all splits would."""
    assert shuffled_rank(b"photo", 0) == shuffled_rank(b"photo", 0)
    assert len(shuffled_rank(b"photo", 0)) == 16
    assert len({shuffled_rank(key, seed) for key in (b"", b"a", b"b") for seed in (0, 1, 2**63)}) == 9
    assert shuffled_rank(b"photo", 0).hex() == "5336131008664f906db6d910bf0a91b8"
