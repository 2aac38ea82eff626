"""Photos that show the same picture are kept together, so that no figure is better than it would be on new photos."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation.leakage import Clean, distinct, joined
from headstart.features.store import Store
from headstart.photos.checks import LEAST
from headstart.progress import Progress
from headstart.safety.printable import counted, show
from headstart.trust.copies.finding import Pair, find, groups

_SHOWN = 3


def together(clean: Clean, store: Store, progress: Progress) -> Clean:
    """Extend the groups by near copies and bursts of one class; report them, and pairs with different labels.

    Args:
        clean: photos to learn from and to measure on, together.
        store: keeps what was found.
        progress: receives what was found.
    """
    found = find(clean.features.paths, clean.features.hashes, store, progress)
    same = [pair for pair in found if clean.labels[pair.first] == clean.labels[pair.second]]
    before = distinct(clean)
    after = distinct(joined(clean, _links(same)))
    alone = {name for name, count in after.items() if count < LEAST <= before[name]}
    same = [pair for pair in same if clean.labels[pair.first] not in alone]
    _report(clean, same, [pair for pair in found if clean.labels[pair.first] != clean.labels[pair.second]], progress)
    for name in sorted(alone):
        progress.caution(
            f"All photos of '{show(name)}' look like copies of one photo; they count as different ones all the same. "
            "The figures may be too good. Add other photos."
        )
    return joined(clean, _links(same))


def _links(pairs: Sequence[Pair]) -> list[tuple[int, int]]:
    return [(pair.first, pair.second) for pair in pairs]


def _report(clean: Clean, same: Sequence[Pair], torn: Sequence[Pair], progress: Progress) -> None:
    paths, labels = clean.features.paths, clean.labels
    if same:
        grouped = groups(same)
        names = ", ".join(" = ".join(show(paths[i]) for i in group.photos[:2]) for group in grouped[:_SHOWN])
        more = ", ..." if len(grouped) > _SHOWN else ""
        progress.message(
            f"{counted(sum(len(group.photos) for group in grouped), 'photo')} nearly the same as others (altered "
            f"copies, bursts), in {counted(len(grouped), 'group')}; each group stays together and counts once: "
            f"{names}{more}"
        )
    if torn:
        listed = "; ".join(
            f"{show(paths[pair.first])} is labelled {show(labels[pair.first])}, {show(paths[pair.second])} "
            f"{show(labels[pair.second])}"
            for pair in torn[:_SHOWN]
        )
        more = f"; and {len(torn) - _SHOWN} more" if len(torn) > _SHOWN else ""
        progress.caution(
            f"{counted(len(torn), 'pair')} of photos nearly the same, with different labels: one of the two may be "
            f"wrong. Both are used. {listed}{more}."
        )
