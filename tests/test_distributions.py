"""The distributions against SciPy, and where SciPy rounds, against whole numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from headstart.evaluation.distributions import beta_binomial_tail, normal_cdf, t_cdf, t_quantile

DEGREES = [1, 2, 3, 4, 5, 9, 14, 24, 49, 199, 999, 10_000]


@pytest.mark.parametrize("df", DEGREES)
def test_students_t_is_scipys_far_into_both_tails(df: int) -> None:
    # Nearer to 0 than 1e-5 it is SciPy that loses digits: its value at 1e-10 for one degree is 6e-11 off.
    for t in (1e-4, 0.01, 0.1, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10, 30):
        assert t_cdf(-t, df) == pytest.approx(special.stdtr(df, -t), rel=1e-12, abs=1e-300)
        assert t_cdf(t, df) == pytest.approx(special.stdtr(df, t), rel=1e-12)
    assert t_cdf(0, df) == 0.5


@pytest.mark.parametrize("df", DEGREES)
def test_the_quantiles_of_students_t_are_scipys(df: int) -> None:
    for p in (0.51, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.999, 1 - 1e-6):
        assert t_quantile(p, df) == pytest.approx(special.stdtrit(df, p), rel=1e-12)
    assert t_quantile(0.5, df) == 0


def test_the_normal_distribution_is_scipys_far_into_the_tail() -> None:
    for x in np.linspace(-37, 9, 461).tolist():
        assert normal_cdf(x) == pytest.approx(special.ndtr(x), rel=1e-12)


@pytest.mark.parametrize(("n", "a", "b"), [(1, 0.5, 9.5), (40, 2.05, 38.95), (3000, 20.05, 380.95)])
def test_the_tail_of_the_beta_binomial_is_scipys(n: int, a: float, b: float) -> None:
    for least in {0, 1, n // 20, n // 5, n}:
        whole = stats.betabinom.pmf(np.arange(least, n + 1), n, a, b).sum()  # its `sf` is 1 minus the rest
        assert beta_binomial_tail(least, n, a, b) == pytest.approx(whole, rel=1e-9)


def test_threads_and_mpmaths_own_precision_change_nothing() -> None:
    asked = [(-t / 10, df) for t in range(1, 20) for df in (4, 49)]
    alone = [t_cdf(t, df) for t, df in asked]
    with mpmath.workdps(3), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda one: t_cdf(*one), asked)) == alone
