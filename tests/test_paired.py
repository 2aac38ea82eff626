"""Paired tests against exact enumeration, brute force and simulation with a seed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from headstart.evaluation.intervals import Z95, wilson
from headstart.evaluation.paired import (
    LEVEL,
    Difference,
    by_cross_validation,
    held_out_against_trained,
    on_test_set,
    score_interval,
    score_p,
)

DISCORDANT = [(0, 0, 7), (1, 7, 21), (5, 0, 30), (0, 6, 9), (12, 2, 50), (3, 4, 7), (40, 25, 400)]


def answers(b: int, c: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rightness of two classifiers of which one alone is right on b, the other alone on c of n photos."""
    rows = np.arange(n)
    return (rows < b) | (rows >= b + c), rows >= b


def mid_p(b: int, c: int) -> float:
    """Exact McNemar test in its mid-p form (Fagerland, Lydersen and Laake 2013, equation 4)."""
    m, least = b + c, min(b, c)
    return min(1.0, 2 * stats.binom.cdf(least, m, 0.5) - stats.binom.pmf(least, m, 0.5))


def outcomes(n: int) -> list[tuple[int, int]]:
    """All that can come of n photos: how many only the first, and only the second, got right."""
    return [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]


@pytest.mark.parametrize("n", [10, 20, 40])
def test_the_verdict_is_nearly_always_that_of_the_exact_mid_p_test(n: int) -> None:
    apart = [(b, c) for b, c in outcomes(n) if (score_p(0, b, c, n) < 0.05) != (mid_p(b, c) < 0.05)]
    assert len(apart) <= 0.01 * len(outcomes(n))
    assert all(abs(score_p(0, b, c, n) - mid_p(b, c)) < 0.02 for b, c in apart)


def test_one_repeat_against_a_trained_classifier_is_the_test_on_a_test_set_and_two_are_their_mean() -> None:
    first, second = answers(7, 2, 30)
    assert held_out_against_trained(first[None], second) == on_test_set(first, second)
    both = held_out_against_trained(np.stack([first, second]), second)
    assert (both.value, both.first_only, both.second_only) == (pytest.approx(2.5 / 30), 3.5, 1.0)
    with pytest.raises(ValueError, match="same shape"):
        held_out_against_trained(first[None], second[:-1])


def test_mcnemars_test_is_the_published_value() -> None:
    # Fagerland, Lydersen and Laake 2013: airways of 21 children before and after a transplantation, 1 against 7. Their
    # p is 0.034 without correction, by the mid-p test 0.039.
    assert score_p(0, 1, 7, 21) == pytest.approx(2 * stats.norm.sf(5.75 / np.sqrt(8)))
    assert 2 * stats.norm.sf(6 / np.sqrt(8)) < score_p(0, 1, 7, 21) < 0.05
    assert score_p(0, 0, 0, 7) == 1.0
    assert score_p(0, 3, 3, 7) == 1.0


@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_equal_classifiers_are_called_different_in_at_most_five_of_hundred(n: int, share: float) -> None:
    # Exact: every number m of photos that one alone gets right, and every way to share them.
    total = 0.0
    for m in range(n + 1):
        different = np.array([score_p(0, b, m - b, n) < 0.05 for b in range(m + 1)])
        total += stats.binom.pmf(m, n, share) * stats.binom.pmf(np.arange(m + 1), m, 0.5)[different].sum()
    assert total <= 0.05


@pytest.mark.parametrize(("b", "c", "n"), DISCORDANT)
def test_the_interval_is_tangos_with_a_quarter_of_a_photo_by_brute_force(b: int, c: int, n: int) -> None:
    def score(delta: float) -> float:
        """(|observed - delta| - 1/4 photo) / its standard error at the likeliest q = P(second only), by search."""

        def minus_likelihood(q: float) -> float:
            p = np.clip([q + delta, q, 1 - 2 * q - delta], 1e-300, 1)
            return -float(np.dot([b, c, n - b - c], np.log(p)))

        found = optimize.minimize_scalar(
            minus_likelihood, bounds=(max(0, -delta), (1 - delta) / 2), method="bounded", options={"xatol": 1e-12}
        )
        return float((abs(b - c - n * delta) - 0.25) / np.sqrt(n * (2 * found.x + delta - delta**2)))

    low, high = score_interval(b, c, n)
    for end, inside in ((low, 1), (high, -1)):
        if abs(end) < 1:
            assert score(end + inside * 1e-3) < Z95 < score(end - inside * 1e-3)


def test_the_interval_is_a_little_wider_than_the_published_one_without_correction() -> None:
    # Fagerland, Lydersen and Laake 2014, table V: Tango's for 1 against 7 of 21 is -0.517 to -0.026.
    low, high = score_interval(1, 7, 21)
    assert -0.517 - 0.25 / 21 < low < -0.517
    assert -0.026 < high < -0.026 + 0.25 / 21 + 0.005


@pytest.mark.parametrize("n", [10, 20, 40])
@pytest.mark.parametrize(("only", "other"), [(0.02, 0.02), (0.1, 0.05), (0.3, 0.1), (0.2, 0.2), (0.5, 0.02)])
def test_the_interval_holds_the_true_difference(only: float, other: float, n: int) -> None:
    # Exact coverage: every outcome with its probability.
    held = 0.0
    for b, c in outcomes(n):
        weight = stats.multinomial.pmf([b, c, n - b - c], n, [only, other, 1 - only - other])
        low, high = score_interval(b, c, n) if weight > 1e-6 else (-1.0, 1.0)
        held += weight * (low <= only - other <= high)
    most = (
        1.0 if n < 40 or only < 0.1 else 0.975
    )  # photos that one alone gets right come whole: with few it is cautious
    assert 0.947 <= held <= most


@pytest.mark.parametrize("comparisons", [1, 2, 5, 19])
def test_interval_and_p_never_contradict(comparisons: int) -> None:
    """Of 300 pairs, alike to far apart, on a test set and by cross-validation; and of all outcomes of 25 photos."""
    rng = np.random.default_rng(comparisons)
    verdicts = set()
    for pair in range(300):
        n = int(rng.integers(5, 400))
        only, other = rng.dirichlet([0.5, 0.5, 1])[:2]
        drawn = rng.choice(3, n, p=[only, other, 1 - only - other])
        first, second = drawn != 1, drawn != 0
        found = on_test_set(first, second, comparisons)
        verdicts.add(check(found))
        if pair % 5 == 0:
            folds = np.array([rng.permutation(np.arange(n) % 5) for _ in range(3)])
            flipped = rng.random((2, 3, n)) < 0.05
            verdicts.add(check(by_cross_validation(first ^ flipped[0], second ^ flipped[1], folds, comparisons)))
    assert verdicts == {True, False}
    for b, c in outcomes(25):
        check(on_test_set(*answers(b, c, 25), comparisons))


def check(found: Difference) -> bool:
    low, high = found.interval
    assert (found.p < LEVEL) == (not low <= 0 <= high) == found.is_significant, found
    assert low <= found.value <= high
    return found.is_significant


def test_of_four_alone_right_the_interval_no_longer_contradicts_p() -> None:
    # It was +0.4 to +23.1 points beside p 0.062.
    found = on_test_set(*answers(4, 0, 41))
    assert found.p == pytest.approx(0.0608, abs=1e-4)
    assert found.interval[0] < 0


def test_many_comparisons_make_p_larger_and_the_interval_wider() -> None:
    alone, among = (on_test_set(*answers(14, 4, 100), comparisons) for comparisons in (1, 5))
    assert among.p == pytest.approx(5 * alone.p)
    assert among.interval[0] < alone.interval[0] < alone.interval[1] < among.interval[1]
    assert (alone.is_significant, among.is_significant) == (True, False)
    assert on_test_set(*answers(4, 3, 100), 50).p == 1.0
    first, second, folds = random_answers(0)
    crossed, together = (by_cross_validation(first, second, folds, comparisons) for comparisons in (1, 5))
    assert together.p == pytest.approx(5 * crossed.p)
    half, wider = (one.interval[1] - one.value for one in (crossed, together))
    assert wider / half == pytest.approx(stats.t.ppf(0.995, 14) / stats.t.ppf(0.975, 14))
    assert among.to_json()["comparisons"] == 5


def test_the_best_of_several_equals_is_seldom_called_better_than_any() -> None:
    """Without allowing for their number, ten equal classifiers are called different again and again."""
    rng = np.random.default_rng(0)
    together, alone = [], []
    for _ in range(200):
        right = rng.random((10, 100)) < 0.8
        order = np.argsort(-right.mean(axis=1), kind="stable")
        pairs = [(right[order[0]], right[other]) for other in order[1:]]
        together.append(any(on_test_set(*pair, comparisons=9).is_significant for pair in pairs))
        alone.append(any(on_test_set(*pair).is_significant for pair in pairs))
    assert np.mean(together) < 0.3 < np.mean(alone)


def test_two_classifiers_that_agree_are_not_proven_equal() -> None:
    first, second = answers(0, 0, 20)
    reach = score_interval(0, 0, 20)[1]
    assert Z95**2 / (20 + Z95**2) < reach < 0.2  # Tango's, and a quarter of a photo
    found = on_test_set(first, second)
    assert (found.value, found.p, found.is_significant) == (0.0, 1.0, False)
    assert found.interval == pytest.approx((-reach, reach))
    repeated = by_cross_validation(
        first[None].repeat(3, 0), second[None].repeat(3, 0), np.tile(np.arange(20) % 5, (3, 1))
    )
    assert repeated.p == 1
    assert repeated.interval[0] <= -reach
    assert repeated.interval[1] >= reach


def test_a_test_set_counts_the_photos_that_one_alone_got_right() -> None:
    found = on_test_set(*answers(12, 2, 50))
    assert (found.n, found.first_only, found.second_only) == (50, 12, 2)
    assert found.value == pytest.approx(0.2)
    assert found.p == score_p(0, 12, 2, 50)
    assert found.is_significant
    assert found.interval == score_interval(12, 2, 50)
    assert found.to_json()["significant"] is True


def test_a_paired_interval_is_narrower_than_two_intervals_side_by_side() -> None:
    first, second = answers(9, 2, 50)
    found = on_test_set(first, second)
    low, _ = wilson(first.mean(), 50)
    _, high = wilson(second.mean(), 50)
    assert low < high  # the two intervals overlap
    assert found.is_significant


def by_hand(differences: np.ndarray) -> tuple[float, float]:
    """Difference and standard error as Bouckaert and Frank 2004 write them; `(r, k)`, folds of one size."""
    r, k = differences.shape
    return differences.mean(), np.sqrt((1 / (k * r) + 1 / (k - 1)) * differences.var(ddof=1))


def random_answers(seed: int, repeats: int = 3, n: int = 40, k: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    folds = np.array([rng.permutation(np.arange(n) % k) for _ in range(repeats)])
    return rng.random((repeats, n)) < 0.9, rng.random((repeats, n)) < 0.6, folds


def test_cross_validation_is_compared_by_the_corrected_resampled_t_test() -> None:
    first, second, folds = random_answers(0)
    gain = first.astype(float) - second
    x = np.array([[row[fold == f].mean() for f in range(5)] for row, fold in zip(gain, folds, strict=True)])
    value, error = by_hand(x)
    t = stats.t(14)
    found = by_cross_validation(first, second, folds)
    assert found.value == pytest.approx(value)
    assert found.p == pytest.approx(2 * t.sf(abs(value) / error))
    assert found.interval == pytest.approx((value - t.ppf(0.975) * error, value + t.ppf(0.975) * error))
    assert found.first_only - found.second_only == pytest.approx(40 * value)


def test_the_difference_is_that_of_the_printed_accuracies_when_folds_are_unequal() -> None:
    first, second, folds = random_answers(1)
    folds[:, :11] = 0
    assert by_cross_validation(first, second, folds).value == pytest.approx(first.mean() - second.mean())


def test_swapping_the_classifiers_mirrors_the_answer() -> None:
    first, second, folds = random_answers(2)
    there, back = by_cross_validation(first, second, folds), by_cross_validation(second, first, folds)
    assert back.p == pytest.approx(there.p)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    assert score_p(0, 2, 9, 30) == score_p(0, 9, 2, 30)
    low, high = score_interval(2, 9, 30)
    assert score_interval(9, 2, 30) == pytest.approx((-high, -low))


def test_repeating_does_not_make_certain() -> None:
    first, second, folds = random_answers(3)
    often = [array.repeat(100, axis=0) for array in (first, second, folds)]
    width = {
        name: found.interval[1] - found.interval[0]
        for name, found in (
            ("thrice", by_cross_validation(first, second, folds)),
            ("often", by_cross_validation(*often)),
        )
    }
    assert width["often"] > 0.7 * width["thrice"]


def equal_classifiers(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two nearest-centroid heads on two features that are equally good: 40 photos, 2 classes, 5 folds, 10 repeats."""
    n, k, repeats = 40, 5, 10
    labels = np.arange(n) % 2
    x = rng.standard_normal((n, 2)) + 1.5 * labels[:, None]
    folds = np.array([rng.permutation(np.arange(n) % k) for _ in range(repeats)])
    right = np.empty((2, repeats, n), bool)
    for r in range(repeats):
        for f in range(k):
            train, test = folds[r] != f, folds[r] == f
            means = np.array([x[train & (labels == c)].mean(axis=0) for c in (0, 1)])
            nearest = np.abs(x[test] - means[1]) < np.abs(x[test] - means[0])
            right[:, r, test] = (nearest == labels[test][:, None]).T
    return right[0], right[1], folds


def test_equal_heads_are_seldom_called_different_and_without_the_correction_often() -> None:
    rng = np.random.default_rng(0)
    told, naive = [], []
    for _ in range(300):
        first, second, folds = equal_classifiers(rng)
        told.append(by_cross_validation(first, second, folds).is_significant)
        gain = first.astype(float) - second
        x = np.array([[row[fold == f].mean() for f in range(5)] for row, fold in zip(gain, folds, strict=True)])
        naive.append(stats.ttest_1samp(x.ravel(), 0).pvalue < 0.05)
    assert np.mean(told) <= 0.06
    assert np.mean(naive) > 0.3


def test_p_below_five_percent_and_an_interval_without_zero_are_the_same_in_cross_validation() -> None:
    told = set()
    for seed in range(40):
        first, _, folds = random_answers(seed)
        second = first & (np.random.default_rng(seed).random(first.shape) < 0.9)
        found = by_cross_validation(first, second, folds)
        assert found.is_significant == (not found.interval[0] <= 0 <= found.interval[1])
        told.add(found.is_significant)
    assert told == {True, False}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.ones(3, bool), np.ones(4, bool), "the same shape"),
        (np.ones(3), np.ones(3), "two bool arrays"),
        (np.ones((1, 3), bool), np.ones((1, 3), bool), r"same shape \(n,\)"),
        (np.ones(0, bool), np.ones(0, bool), "at least one photo"),
    ],
)
def test_answers_that_do_not_fit_are_refused(first: np.ndarray, second: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        on_test_set(first, second)


def test_folds_that_do_not_fit_are_refused() -> None:
    right = np.ones((2, 4), bool)
    with pytest.raises(ValueError, match="a fold for each answer"):
        by_cross_validation(right, right, np.zeros((1, 4), int))
    with pytest.raises(ValueError, match="two folds or more"):
        by_cross_validation(right, right, np.zeros((2, 4), int))


def test_mpmath_is_loaded_only_when_something_is_compared() -> None:
    code = "import sys, headstart.evaluation.paired; sys.exit('mpmath' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_difference_is_data() -> None:
    found = Difference(10, 0.1, (-0.1, 0.3), 0.2, 2, 1)
    assert found.to_json()["interval"] == [-0.1, 0.3]


def test_the_table_in_the_docs_is_computed() -> None:
    page = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (\d+) \| (\d+) \| (0\.\d\d) \| (\d+) points, ([-+]\d+) to ([-+]\d+) \|$", page, re.MULTILINE
    )
    assert len(rows) == 4
    for b, c, p, value, low, high in rows:
        found = on_test_set(*answers(int(b), int(c), 100))
        assert f"{found.p:.2f}" == p
        assert [round(100 * x) for x in (found.value, *found.interval)] == [int(value), int(low), int(high)]
