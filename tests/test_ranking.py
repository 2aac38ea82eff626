"""Which is best, which differ from it by more than chance, what is worth its cost."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation import paired
from headstart.evaluation.paired import Difference
from headstart.evaluation.ranking import Standing, difference, front, verdict
from headstart.evaluation.results import Answers


def on_test_set(right: list[int], names: str = "", once: list[int] | None = None) -> Answers:
    paths = tuple(names) or tuple(map(str, range(len(right))))
    alone = np.ones(len(right), bool) if once is None else np.array(once, bool)
    return Answers(paths, np.array([right], bool), None, alone)


def apart(value: float, significant: bool) -> Difference:
    return Difference(100, value, (value - 0.01, value + 0.01), 0.01 if significant else 0.4, 5, 2)


# --- pairing ---


def test_a_test_set_is_paired_photo_by_photo() -> None:
    found = difference(on_test_set([1, 1, 1, 0, 0]), on_test_set([1, 0, 0, 1, 0]))
    assert (found.n, found.first_only, found.second_only) == (5, 2, 1)
    assert found.value == pytest.approx(0.2)


def test_copies_of_a_photo_count_once() -> None:
    once = [1, 0, 0, 0, 1]
    found = difference(on_test_set([1, 1, 1, 1, 0], once=once), on_test_set([0, 0, 0, 0, 0], once=once))
    assert (found.n, found.first_only) == (2, 1)


def test_photos_that_one_could_not_use_are_left_out() -> None:
    found = difference(on_test_set([1, 1, 1, 0], "abcd"), on_test_set([0, 0, 1], "dcx"))
    assert (found.n, found.first_only, found.second_only) == (2, 1, 0)


def test_without_a_photo_in_common_nothing_is_paired() -> None:
    with pytest.raises(ValueError, match="no photo"):
        difference(on_test_set([1, 1], "ab"), on_test_set([1, 1], "cd"))


def cross_validated(seed: int, folds: np.ndarray, paths: str = "") -> Answers:
    right = np.random.default_rng(seed).random(folds.shape) < 0.7
    names = tuple(paths) or tuple(map(str, range(folds.shape[1])))
    return Answers(names, right, folds.astype(np.int8), np.ones(folds.shape[1], bool))


def test_cross_validation_is_paired_fold_by_fold() -> None:
    folds = np.stack([np.arange(20) % 5, np.arange(20) // 4])
    first, second = cross_validated(0, folds), cross_validated(1, folds)
    expected = paired.by_cross_validation(first.right, second.right, folds)
    assert difference(first, second) == expected


def test_other_folds_are_not_paired() -> None:
    first = cross_validated(0, np.arange(20)[None] % 5)
    with pytest.raises(ValueError, match="folds differ"):
        difference(first, cross_validated(1, np.arange(20)[None] // 4))
    with pytest.raises(ValueError, match="folds differ"):
        difference(first, cross_validated(1, np.arange(15)[None] % 5))


# --- what is worth its cost ---


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    #        best but slow, beaten, fast and less good, beaten by the third, its equal
    assert front([0.9, 0.85, 0.8, 0.7, 0.8], [10, 9, 100, 50, 100]) == [True, False, True, False, True]


def test_an_unknown_speed_is_on_the_front_only_with_the_best_accuracy() -> None:
    assert front([0.9, 0.8, 0.7], [None, None, 5.0]) == [True, False, True]


# --- the sentence ---


def test_one_backbone_is_not_compared() -> None:
    assert verdict([Standing("A", 0.9, 10.0)], 61) == ("Only A was measured: there is nothing to compare it with.")


def test_what_does_not_differ_by_more_than_chance_is_judged_by_its_cost() -> None:
    standings = [Standing("A", 0.9, 10.0), Standing("B", 0.88, 40.0, apart(0.02, significant=False))]
    assert (
        verdict(standings, 61) == "A and B do not differ by more than chance on 61 photos; B is 4 times cheaper than A."
    )


@pytest.mark.parametrize(
    ("speed", "words"),
    [
        (25.0, "; B is 2.5 times cheaper than A."),
        (11.0, "; they cost about the same."),
        (5.0, "; A is also the cheapest of them."),
        (None, "."),
    ],
)
def test_the_cost_is_reported_as_it_is(speed: float | None, words: str) -> None:
    standings = [Standing("A", 0.9, 10.0), Standing("B", 0.88, speed, apart(0.02, significant=False))]
    assert verdict(standings, 61) == f"A and B do not differ by more than chance on 61 photos{words}"


def test_a_best_that_stands_alone_is_named() -> None:
    standings = [Standing("A", 0.9, 10.0), Standing("B", 0.8, 40.0, apart(0.1, significant=True))]
    assert verdict(standings, 1234) == (
        "A is the best on 1,234 photos: B is 10.0 points behind (9.0 to 11.0), which is more than chance explains."
    )


def test_those_that_are_worse_are_named_beside_those_that_may_not_be() -> None:
    standings = [
        Standing("A", 0.9, 10.0),
        Standing("B", 0.88, 10.0, apart(0.02, significant=False)),
        Standing("C", 0.5, 10.0, apart(0.4, significant=True)),
        Standing("D", 0.4, 10.0, apart(0.5, significant=True)),
    ]
    assert verdict(standings, 61) == (
        "A and B do not differ by more than chance on 61 photos; they cost about the same. "
        "The other 2 are worse than A, which is more than chance explains."
    )


def test_what_could_not_be_paired_is_named() -> None:
    standings = [Standing("A", 0.9, 10.0), Standing("B", 0.8, 10.0)]
    assert verdict(standings, 61) == "B could not be paired with A."


def test_many_names_are_cut_short() -> None:
    tied = [Standing(f"N{i}", 0.8, 10.0, apart(0.01, significant=False)) for i in range(9)]
    assert "N0, N1, N2, N3, N4 and 4 more do not differ" in verdict([Standing("A", 0.9, 10.0), *tied], 61)
