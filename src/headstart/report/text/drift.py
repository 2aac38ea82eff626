"""Whether new photos differ from the training photos, as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation.paired import LEVEL
from headstart.safety.printable import counted, percent, show

if TYPE_CHECKING:
    from headstart.trust.drift import ClassShares, Drift, UnknownShare

#: Classes that are named.
_SHOWN = 5


def lines(drift: Drift) -> list[str]:
    """A line for each of the two tests."""
    parts = [f"{counted(drift.photos, 'different photo')} so far."]
    parts += [] if drift.unknown is None else [_unknown(drift.unknown)]
    parts += [] if drift.shares is None else [_shares(drift.shares)]
    return parts


def _unknown(found: UnknownShare) -> str:
    low, high = found.interval
    verdict = "more than by chance" if found.is_significant else "no more than by chance"
    return (
        f"Unknown: {found.refused:,} of {found.n:,}, {percent(found.share)} (95 % confidence interval {percent(low)} "
        f"to {percent(high)}). Of photos like the training photos {percent(found.expected)} are expected: {verdict} "
        f"(p = {found.p:.2g})."
    )


def _shares(found: ClassShares) -> str:
    compared = f"those of the {found.reference_n:,} photos measured at the training"
    if found.reference == "true classes":
        compared = f"the true classes of the {found.reference_n:,} photos measured at the training"
    if not found.is_significant:
        return f"Predicted classes: no change from {compared} beyond chance (p = {found.p:.2g})."
    changed = [one for one in found.classes if one.p < LEVEL]
    named = "; ".join(f"{show(one.name)} {percent(one.share)}, was {percent(one.expected)}" for one in changed[:_SHOWN])
    more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"Predicted classes: changed from {compared} (p = {found.p:.2g}). {named}{more}."
