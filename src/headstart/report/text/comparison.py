"""A comparison as text for people."""

from __future__ import annotations

import shlex
from typing import Any

from headstart.report.text.evaluation import percent, table
from headstart.safety.printable import show

_LONGEST_NAME = 36


def comparison_table(document: dict[str, Any]) -> str:
    """The entries, the best first; `*` marks the Pareto front of accuracy and speed.

    Args:
        document: of `Comparison.to_json`.
    """
    entries = document["entries"]
    several = len({entry["head"] for entry in entries}) > 1
    head = ["", "network", *(["head"] if several else []), "accuracy", "95 % interval", "behind", "interval", "p"]
    rows = [[*head, "dim", "params", "MB", "photos/s", "seconds"]]
    for entry in entries:
        evaluation = entry["evaluation"]
        low, high = evaluation["interval"]
        rows.append(
            [
                "*" if entry["pareto"] else " ",
                _shortened(entry["name"]),
                *([entry["head"]] if several else []),
                percent(evaluation["accuracy"]),
                f"{100 * low:.1f}-{100 * high:.1f}",
                *_difference(entry["difference"]),
                f"{entry['dim']:,}",
                _millions(entry["parameters"]),
                "-" if entry["megabytes"] is None else f"{entry['megabytes']:.1f}",
                "-" if entry["photos_per_second"] is None else f"{entry['photos_per_second']:,.0f}",
                f"{entry['seconds']['network'] + entry['seconds']['head']:.1f}",
            ]
        )
    parts = [table(rows)]
    if document["left_out"]:
        left = [[_shortened(e["name"]), e["head"], percent(e["evaluation"]["accuracy"])] for e in document["left_out"]]
        parts.append("Left out after the quick ranking:\n" + table([["network", "head", "accuracy"], *left]))
    return "\n\n".join(parts)


def cautions(document: dict[str, Any]) -> str:
    """How to read the table, and the line that trains the best."""
    best = document["entries"][0]
    how = {
        "test set": "measured on photos that no head was trained on; p by McNemar's exact test, mid-p",
        "cross-validation": "by cross-validation over the same folds; p by the corrected resampled t-test",
    }[document["protocol"]]
    lines = [
        f"{best['evaluation']['n']:,} photos, {how}. behind: points behind the best. "
        "* nothing is both more accurate and faster. photos/s: the network alone, here."
    ]
    if len(document["entries"]) > 2:
        lines.append("The best of several was partly lucky: expect a little less of it on new photos.")
    words = ["headstart", "train", document["photos"], "-b", best["network"]]
    words += ["--head", best["head"]] if best["head"] != "logistic" else []
    words += ["--fraction", str(document["fraction"])] if document["fraction"] else []
    words += ["--view", document["view"]] if document["view"] != "squash" else []
    words += ["--layers", best["layers"]] if best["layers"] != "last" else []
    if best["input_range_from"] == "given":
        words += ["--input-range", best["input_range"]]
    lines.append(f"Keep the best: {show(shlex.join([*words, '-o', 'NAME']))}")
    return "\n".join(lines)


def _difference(difference: dict[str, Any] | None) -> list[str]:
    if difference is None:
        return ["best", "", ""]
    if "error" in difference:
        return ["-", "-", "-"]
    low, high = difference["interval"]
    p = difference["p"]
    shown = "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    return [f"{100 * difference['difference']:.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}", shown]


def _millions(parameters: int | None) -> str:
    return "-" if parameters is None else f"{parameters / 1e6:.1f} M"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 12]}...{name[-9:]}"
