"""Numbers as people read them, filters of the templates; each has the exact number of the result in `data-value`."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from headstart.report.html.markup import inline, tag
from headstart.safety.printable import percent as percent_text


def exact(value: float) -> str:
    """The number as JSON writes it: what `data-value` holds."""
    return repr(value)


def percent(share: float) -> Markup:
    """A share 0..1 as `83.0 %`."""
    return figure(percent_text(share), share)


def between(interval: Sequence[float]) -> Markup:
    """An interval of shares as `81.4 to 84.5 %`."""
    low, high = interval
    return inline(figure(f"{100 * low:.1f}", low), " to ", percent(high))


def points(difference: float) -> Markup:
    """A difference of two shares as `1.4 points`."""
    shown = _signed(100 * difference)
    return figure(f"{shown} {'point' if shown in ('1.0', '−1.0') else 'points'}", difference)


def points_between(interval: Sequence[float]) -> Markup:
    """An interval of differences as `−0.3 to 2.1`."""
    low, high = (figure(_signed(100 * end), end) for end in interval)
    return inline(low, " to ", high)


def probability(p: float) -> Markup:
    """The p of a test as `p = 0.02`."""
    return figure("p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}", p)


def count_text(count: float, one: str = "", many: str = "") -> str:
    """Whole photos as `1,200`, a mean over repeats as `3.4`; `1 photo`, `2 photos` with what is counted."""
    shown = f"{count:,.0f}" if count == round(count) else f"{count:,.1f}"
    return f"{shown} {one if count == 1 else many or one + 's'}" if one else shown


def counted(count: float, one: str = "", many: str = "") -> Markup:
    """As `count_text`, with the number in `data-value`."""
    shown = count_text(count)
    return inline(figure(shown, whole(count)), count_text(count, one, many).removeprefix(shown))


def whole(count: float) -> float:
    """A whole number as an `int`, which has no fraction when it is written."""
    return int(count) if count == int(count) else count


def decimal(value: float, digits: int = 1) -> Markup:
    """A number with so many digits after the point, such as `18.6`."""
    return figure(f"{value:,.{digits}f}", value)


def significant(value: float) -> Markup:
    """A number of three significant digits, such as `0.316`."""
    return figure(f"{value:.3g}", value)


def speed_text(per_second: float) -> str:
    """Photos per second as `8.3` or `1,240`."""
    return f"{per_second:,.0f}" if per_second >= 20 else f"{per_second:,.1f}"


def speed(per_second: float) -> Markup:
    """Photos per second."""
    return figure(speed_text(per_second), per_second)


def millions(number: int) -> Markup:
    """A number of parameters as `4.7 M`."""
    return figure(f"{number / 1e6:.1f} M" if number >= 50_000 else f"{number:,}", number)


def seconds(value: float) -> Markup:
    """A duration as `0.3 s` or `2 min 10 s`."""
    return figure(f"{value:.1f} s" if value < 60 else f"{int(value // 60):,} min {int(value % 60)} s", value)


def figure(shown: str, value: float) -> Markup:
    """A number: as people read it, and exactly."""
    return tag("span", shown, class_="n", data_value=exact(value))


def _signed(value: float) -> str:
    shown = f"{value:.1f}"
    return "0.0" if shown == "-0.0" else shown.replace("-", "−")
