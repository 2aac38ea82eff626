"""Figures as people read them; each carries the very number of the document in `data-value`."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.report.html.markup import Markup, inline, tag


def exact(value: float) -> str:
    """The number as JSON writes it: what `data-value` holds."""
    return repr(value)


def percent_text(share: float) -> str:
    """`83.0 %`, as the command line prints it."""
    return f"{100 * share:.1f} %"


def percent(share: float) -> Markup:
    """A share 0..1 as `83.0 %`."""
    return _figure(percent_text(share), share)


def between(interval: Sequence[float]) -> Markup:
    """An interval of shares as `81.4 to 84.5 %`."""
    low, high = interval
    return inline(_figure(f"{100 * low:.1f}", low), " to ", percent(high))


def points(difference: float) -> Markup:
    """A difference of two shares as `1.4 points`."""
    shown = _signed(100 * difference)
    return _figure(f"{shown} {'point' if shown in ('1.0', '−1.0') else 'points'}", difference)


def points_between(interval: Sequence[float]) -> Markup:
    """An interval of differences as `−0.3 to 2.1`."""
    low, high = interval
    return inline(_figure(_signed(100 * low), low), " to ", _figure(_signed(100 * high), high))


def probability(p: float) -> Markup:
    """The p of a test as `p = 0.02`."""
    shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    return _figure(shown, p)


def photos_text(count: float) -> str:
    """Whole photos as `1,200`; a mean over repeats as `3.4`."""
    return f"{count:,.0f}" if count == round(count) else f"{count:,.1f}"


def photos(count: float) -> Markup:
    """A number of photos, or a mean over repeats, alone."""
    return _figure(photos_text(count), count)


def counted(count: int, one: str, many: str = "") -> Markup:
    """`1 photo`, `2 photos`: a whole number with what it counts."""
    return inline(_figure(f"{count:,}", count), f" {one if count == 1 else many or one + 's'}")


def decimal(value: float, digits: int) -> Markup:
    """A number with as many digits after the point."""
    return _figure(f"{value:,.{digits}f}", value)


def speed_text(per_second: float) -> str:
    """`8.3` or `1,240`."""
    return f"{per_second:,.0f}" if per_second >= 20 else f"{per_second:,.1f}"


def speed(per_second: float) -> Markup:
    """Photos a second."""
    return _figure(speed_text(per_second), per_second)


def millions(count: int) -> Markup:
    """A number of parameters as `4.7 M`."""
    return _figure(f"{count / 1e6:.1f} M" if count >= 50_000 else f"{count:,}", count)


def megabytes(value: float) -> Markup:
    """A size as `18.6`."""
    return _figure(f"{value:,.1f}", value)


def seconds(value: float) -> Markup:
    """A duration as `0.3 s` or `2 min 10 s`."""
    shown = f"{value:.1f} s" if value < 60 else f"{int(value // 60):,} min {int(value % 60)} s"
    return _figure(shown, value)


def _signed(value: float) -> str:
    shown = f"{value:.1f}"
    return "0.0" if shown == "-0.0" else shown.replace("-", "−")


def _figure(shown: str, value: float) -> Markup:
    return tag("span", shown, class_="n", data_value=exact(value))
