"""A change is found, chance is not; the photos chosen for labelling are doubtful and differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headstart.heads.head import unit_length
from headstart.trust.drift import class_shares, unknown_share
from headstart.trust.worth_labelling import doubt, worth_labelling

CLASSES = ("ash", "beech", "cedar", "date")
NONE = np.empty((0, 8), np.float32)


def alarms(rate: float, draws: int = 400) -> float:
    """How often chance alone is called a change, if the limit is the 5 % quantile of 100 distances."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        limit = np.quantile(random.normal(size=100), 1 - rate, method="weibull")
        found.append(unknown_share(int((random.normal(size=500) > limit).sum()), 500, rate, 100).is_significant)
    return float(np.mean(found))


def test_chance_is_seldom_called_more_unknown_photos_though_the_limit_is_itself_a_sample() -> None:
    assert alarms(0.05) <= 0.07


def test_more_unknown_photos_are_found_and_fewer_are_no_alarm() -> None:
    many, few = unknown_share(20, 100, 0.05, 400), unknown_share(0, 100, 0.05, 400)
    assert many.is_significant
    assert many.share == 0.2
    assert many.interval[0] < 0.2 < many.interval[1]
    assert (few.p, few.is_significant) == (1.0, False)
    # With very many distances the rate is exact, and the test binomial.
    exact = stats.binom.sf(19, 100, 0.05)
    assert unknown_share(20, 100, 0.05, 10**9).p == pytest.approx(exact, rel=1e-3)


def test_chance_is_seldom_called_a_change_of_classes_with_many_photos_and_with_few() -> None:
    random = np.random.default_rng(1)
    shares = [0.7, 0.2, 0.07, 0.03]
    for m, n in ((300, 200), (40, 12)):
        draws = [
            class_shares(random.multinomial(n, shares), random.multinomial(m, shares), CLASSES) for _ in range(300)
        ]
        assert np.mean([one.is_significant for one in draws]) <= 0.07
        assert np.mean([min(c.p for c in one.classes) < 0.05 for one in draws]) <= 0.07


def test_a_change_of_classes_is_found_and_the_class_is_named_first() -> None:
    found = class_shares(np.array([60, 20, 20, 100]), np.array([60, 60, 60, 60]), CLASSES)
    assert found.is_significant
    assert (found.classes[0].name, found.classes[0].share, found.classes[0].expected) == ("date", 0.5, 0.25)
    assert found.classes[0].p < 0.05 < class_shares(np.array([6, 5, 7, 6]), np.array([60, 60, 60, 60]), CLASSES).p


def test_the_p_value_is_that_of_fishers_exact_test() -> None:
    # With two classes and these margins, G orders the tables as their probabilities do.
    table = np.array([[9, 3], [4, 12]])
    exact = stats.fisher_exact(table).pvalue
    assert class_shares(table[0], table[1], CLASSES[:2]).p == pytest.approx(exact, abs=0.01)


def test_refused_photos_count_as_wrong_as_far_as_more_are_refused_than_usual() -> None:
    probability = np.array([0.9, 0.6, 0.9, 0.8])
    assert doubt(probability, None, 0.05).tolist() == pytest.approx([0.1, 0.4, 0.1, 0.2])
    half = np.array([True, True, False, False])
    assert doubt(probability, half, 0.05).tolist() == pytest.approx([0.91, 0.94, 0.1, 0.2])
    assert doubt(probability, half, 0.5).tolist() == pytest.approx([0.1, 0.4, 0.1, 0.2])


def clouds(random: np.random.Generator, sizes: tuple[int, ...]) -> np.ndarray:
    """Photos of unit length around different axes, so far apart that none are nearly the same."""
    parts = [np.eye(8)[axis] + random.normal(size=(size, 8)) * 0.35 for axis, size in enumerate(sizes)]
    return unit_length(np.concatenate(parts).astype(np.float32))


def test_each_kind_of_doubtful_photo_is_chosen_before_a_second_of_the_same_kind() -> None:
    photos = clouds(np.random.default_rng(0), (40, 20, 10, 1))
    doubts = np.repeat([0.5, 0.5, 0.01, 0.5], (40, 20, 10, 1))
    chosen = worth_labelling(photos, doubts, 2, NONE)
    assert chosen[0] < 40 <= chosen[1] < 60, "many doubtful ones first; neither sure ones nor the odd one"
    assert worth_labelling(photos, doubts, 1, photos[:40])[0] >= 40, "what labelled photos stand for is done"


def test_photos_nearly_the_same_are_never_chosen_twice() -> None:
    photos = clouds(np.random.default_rng(0), (4, 4))
    copies = unit_length(np.repeat(photos, 3, axis=0) + np.tile([[0.0], [0.001], [0.002]], (8, 1)).astype(np.float32))
    chosen = worth_labelling(copies, np.ones(24), 24, NONE)
    assert len({row // 3 for row in chosen}) == len(chosen) <= 8
    assert worth_labelling(copies, np.ones(24), 24, photos) == []
    assert worth_labelling(copies, np.ones(24), 24, NONE, photos.astype(np.float16)) == []
