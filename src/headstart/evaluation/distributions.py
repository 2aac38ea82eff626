"""Distributions for tests of significance, without SciPy: Student's t, the fair coin, the normal distribution.

Computed in 30 digits by mpmath, which is imported when first needed. Each call has its own context: mpmath's
shared one has one precision for all threads.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

_DIGITS = 30
#: Binary places of the fixed-point numbers in `coin_cdf`.
_PLACES = 128
#: Up to this number of throws, the ways to get k heads are counted exactly, in milliseconds; a million takes 30 s.
_EXACT = 10_000


def normal_cdf(x: float) -> float:
    """P(X <= x) for X normal (0, 1). By `erfc`: `NormalDist.cdf` loses all digits in the lower tail."""
    return math.erfc(-x / math.sqrt(2)) / 2


def t_cdf(t: float, df: float) -> float:
    """P(X <= t) for X Student's t with `df` > 0 degrees of freedom."""
    return float(_t_cdf(_context(), t, df))


@lru_cache(maxsize=64)
def t_quantile(p: float, df: float) -> float:
    """The t with `t_cdf(t, df) == p`, for p in 0.5..1, 1 excluded.

    By Newton's method from 0: above 0 the distribution function is concave, so it rises to the root and never jumps
    over it.
    """
    context = _context()
    t, step = context.mpf(0), context.mpf(1)
    scale = context.sqrt(df) * context.beta(context.mpf(df) / 2, 0.5)
    while abs(step) > 1e-20 * (1 + t):
        density = (1 + t * t / df) ** (-(context.mpf(df) + 1) / 2) / scale
        step = (p - _t_cdf(context, t, df)) / density
        t += step
    return float(t)


def coin_cdf(k: int, n: int) -> float:
    """P(X <= k) for X binomial (n, 1/2): at most k heads in n throws of a fair coin; 0 <= k <= n.

    P(X = i - 1) / P(X = i) = i / (n - i + 1), so all terms follow from the last.
    """
    term = total = 1 << _PLACES
    for i in range(k, 0, -1):
        term = term * i // (n - i + 1)
        total += term
        if not term:
            break
    ways = math.comb(n, k) if n <= _EXACT else int(_context().binomial(n, k))
    return ways * total / (1 << n + _PLACES)


def _t_cdf(context: Any, t: Any, df: float) -> Any:
    """`t_cdf`, by the incomplete beta function (Abramowitz and Stegun 1964, 26.7.1 and 26.5.27)."""
    tail = context.betainc(context.mpf(df) / 2, 0.5, 0, df / (df + context.mpf(t) ** 2), regularized=True) / 2
    return 1 - tail if t > 0 else tail


def _context() -> Any:
    from mpmath import MPContext

    context = MPContext()
    context.dps = _DIGITS
    return context
