"""Student's t, the normal and the beta-binomial distribution: what tests of significance need, without SciPy.

Student's t is computed in 30 digits by mpmath, which is imported when first needed. Each call has a context of its own:
mpmath's shared one has one precision for all threads.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

_DIGITS = 30


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


def beta_binomial_tail(least: int, n: int, a: float, b: float) -> float:
    """P(X >= least) for X binomial (n, p), where p itself follows the beta distribution (a, b), a and b above 0."""
    counts = np.arange(n)
    ratios = np.log((n - counts) * (counts + a) / ((counts + 1) * (n - counts - 1 + b)))
    none = math.lgamma(n + b) + math.lgamma(a + b) - math.lgamma(b) - math.lgamma(n + a + b)
    logarithms = none + np.concatenate([[0.0], np.cumsum(ratios)])
    return min(1.0, float(np.exp(logarithms[least:]).sum()))


def _t_cdf(context: Any, t: Any, df: float) -> Any:
    """`t_cdf`, by the incomplete beta function (Abramowitz and Stegun 1964, 26.7.1 and 26.5.27)."""
    tail = context.betainc(context.mpf(df) / 2, 0.5, 0, df / (df + context.mpf(t) ** 2), regularized=True) / 2
    return 1 - tail if t > 0 else tail


def _context() -> Any:
    from mpmath import MPContext

    context = MPContext()
    context.dps = _DIGITS
    return context
