"""Paired tests against exact enumeration, brute force and simulation with a seed."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from headstart.evaluation.metrics import Z95, wilson
from headstart.evaluation.paired import Difference, by_cross_validation, mcnemar, on_test_set, tango

DISCORDANT = [(0, 0, 7), (1, 7, 21), (5, 0, 30), (0, 6, 9), (12, 2, 50), (3, 4, 7), (40, 25, 400)]


def answers(b: int, c: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rightness of two classifiers of which one alone is right on b, the other alone on c of n photos."""
    rows = np.arange(n)
    return (rows < b) | (rows >= b + c), rows >= b


@pytest.mark.parametrize("m", range(1, 11))
def test_mcnemar_is_what_tossing_coins_gives(m: int) -> None:
    heads = np.array([sum(coins) for coins in itertools.product((0, 1), repeat=m)])
    off = np.abs(heads - m / 2)
    for b in range(m + 1):
        seen = abs(b - m / 2)
        expected = (off > seen).mean() + (off == seen).mean() / 2 if seen else 1.0
        assert mcnemar(b, m - b) == pytest.approx(expected)


def test_mcnemar_is_the_published_value() -> None:
    # Fagerland, Lydersen and Laake 2013: airways of 21 children before and after a transplantation, 1 against 7.
    assert mcnemar(1, 7) == pytest.approx(10 / 256)
    assert mcnemar(0, 0) == 1.0


@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_mcnemar_calls_equal_classifiers_different_in_at_most_five_of_hundred(n: int, share: float) -> None:
    # Exact: every number m of photos that one alone gets right, and every way to share them.
    total = 0.0
    for m in range(n + 1):
        told = np.array([mcnemar(b, m - b) < 0.05 for b in range(m + 1)])
        total += stats.binom.pmf(m, n, share) * stats.binom.pmf(np.arange(m + 1), m, 0.5)[told].sum()
    assert total <= 0.05


@pytest.mark.parametrize(("b", "c", "n"), DISCORDANT)
def test_tango_is_the_score_interval_by_brute_force(b: int, c: int, n: int) -> None:
    def score(delta: float) -> float:
        """(observed - delta) / its standard error at the likeliest q = P(second only), found by search."""

        def minus_likelihood(q: float) -> float:
            p = np.clip([q + delta, q, 1 - 2 * q - delta], 1e-300, 1)
            return -float(np.dot([b, c, n - b - c], np.log(p)))

        found = optimize.minimize_scalar(
            minus_likelihood, bounds=(max(0, -delta), (1 - delta) / 2), method="bounded", options={"xatol": 1e-12}
        )
        return float((b - c - n * delta) / np.sqrt(n * (2 * found.x + delta - delta**2)))

    low, high = tango(b, c, n)
    for end, inside in ((low, 1), (high, -1)):
        if abs(end) < 1:
            assert abs(score(end + inside * 1e-3)) < Z95 < abs(score(end - inside * 1e-3))


def test_tango_is_the_published_interval() -> None:
    # Fagerland, Lydersen and Laake 2014, table V: 1 against 7 of 21.
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


# Photos that one alone gets right are whole numbers: where few are expected, the interval is cautious.
@pytest.mark.parametrize(("only", "other", "most"), [(0.02, 0.02, 1.0), (0.1, 0.05, 0.97), (0.3, 0.1, 0.97)])
def test_tango_holds_the_true_difference(only: float, other: float, most: float) -> None:
    # Exact coverage: every outcome of 40 photos with its probability.
    n, held, total = 40, 0.0, 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            weight = stats.multinomial.pmf([b, c, n - b - c], n, [only, other, 1 - only - other])
            if weight > 1e-7:
                low, high = tango(b, c, n)
                held += weight * (low <= only - other <= high)
                total += weight
    assert 0.93 <= held / total <= most


def test_two_classifiers_that_agree_are_not_proven_equal() -> None:
    first, second = answers(0, 0, 20)
    reach = Z95**2 / (20 + Z95**2)
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
    assert found.p == mcnemar(12, 2)
    assert found.is_significant
    assert found.interval == tango(12, 2, 50)
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
    assert mcnemar(2, 9) == mcnemar(9, 2)
    low, high = tango(2, 9, 30)
    assert tango(9, 2, 30) == pytest.approx((-high, -low))


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
