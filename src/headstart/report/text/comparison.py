"""A comparison as text for people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from headstart.report.text.layout import ENDLESS, table
from headstart.safety.printable import percent, show

if TYPE_CHECKING:
    from headstart.classifier.comparison import Comparison, Entry

_LONGEST_NAME = 36


def comparison_table(comparison: Comparison, width: int = ENDLESS) -> str:
    """The entries, the best first; `*` marks the Pareto front of accuracy and speed.

    Args:
        comparison: what was measured.
        width: columns of the terminal.
    """
    several = len({one.head.kind for one in comparison.entries}) > 1
    rows = [["", "backbone", *(["head"] if several else []), "accuracy", "accuracy interval"]]
    rows[0] += ["behind", "behind interval", "p"]
    rows[0] += ["dim", "params", "MB", "photos/s", "seconds"]
    for one in comparison.entries:
        low, high = one.evaluation.interval
        rows.append(
            [
                "*" if one.is_on_front else " ",
                _shortened(one.name),
                *([one.head.kind] if several else []),
                percent(one.accuracy),
                f"{100 * low:.1f}-{100 * high:.1f}",
                *_difference(one),
                f"{one.card.dim:,}",
                "-" if one.parameters is None else f"{one.parameters / 1e6:.1f} M",
                "-" if one.file_bytes is None else f"{one.file_bytes / 1e6:.1f}",
                "-" if one.speed is None else f"{'~' if one.work.under_load else ''}{one.speed:,.0f}",
                f"{one.backbone_seconds + one.head_seconds:.1f}",
            ]
        )
    parts = [table(rows, width)]
    if comparison.left_out:
        left = [[_shortened(one.name), one.head.kind, percent(one.accuracy)] for one in comparison.left_out]
        parts.append("Left out after the quick ranking:\n" + table([["backbone", "head", "accuracy"], *left], width))
    return "\n\n".join(parts)


def cautions(comparison: Comparison) -> str:
    """How to read the table, and the command that trains the best."""
    best = comparison.best
    how = {
        "test set": "measured on photos that no head was trained on; differences by the paired score test",
        "cross-validation": "by cross-validation over the same folds; differences by the corrected resampled t-test",
    }[comparison.protocol]
    several = len(comparison.entries) - 1
    at_once = f", for {several} comparisons at once" if several > 1 else ""
    lines = [
        f"{best.evaluation.n:,} photos, {how}. Intervals: 95 %. behind: percentage points behind the best; its "
        f"interval leaves out 0 exactly if p is below 0.05{at_once}. *: no other is both more accurate and faster. "
        "photos/s: the backbone alone, on this machine."
    ]
    if any(one.work.under_load for one in comparison.entries):
        lines.append(
            "~: estimated from processor time, because other programs kept the processors busy; it is measured again "
            "in the next comparison."
        )
    if len(comparison.entries) > 2:
        lines.append("The best of several was partly lucky: expect slightly less on new photos.")
    models = best.card.models
    words = ["headstart", "train", comparison.source, *(word for card in models for word in ("-b", card.handle))]
    words += ["--join"] if len(models) > 1 else []
    words += ["--head", best.head.kind] if best.head.kind != "logistic" else []
    words += ["--test", comparison.measured_on] if comparison.measured_on else []
    words += ["--fraction", str(comparison.fraction)] if comparison.fraction != 1 else []
    words += ["--skip-small-classes"] if comparison.skip_small_classes else []
    words += ["--keep-copies"] if comparison.keep_copies else []
    words += ["--fixes", comparison.fixes] if comparison.fixes else []
    words += ["--seed", str(comparison.seed)] if comparison.seed else []
    view = best.card.viewing if comparison.view == "auto" else comparison.view
    words += ["--view", view] if view != "squash" else []
    words += ["--layers", best.card.layers] if best.card.layers != "last" else []
    given = [card.feed.name for card in models if card.range_from == "given"]
    words += ["--input-range", given[0]] if given else []
    lines.append(f"Keep the best: {show(shlex.join([*words, '-o', 'NAME']))}")
    return "\n".join(lines)


def _difference(one: Entry) -> list[str]:
    if one.difference is None:
        return ["-", "-", "-"] if one.unpaired else ["best", "", ""]
    (low, high), p = one.difference.interval, one.difference.p
    shown = "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    return [f"{100 * one.difference.value:.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}", shown]


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 12]}...{name[-9:]}"
