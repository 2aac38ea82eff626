"""The settings behind the figures: network, head, photos, durations, machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report.html import figures, words
from headstart.report.html.machine import Machine
from headstart.report.html.markup import Markup, foreign, inline, tag

Row = Mapping[str, Any]
Fact = tuple[str, Markup]

_DURATIONS = {
    "scan": "finding photos",
    "extract": "features",
    "head": "head",
    "heads": "heads",
    "evaluate": "measuring",
    "curve": "learning curve",
}


def of_network(handle: str, network: Row) -> list[Fact]:
    """What a network is and how it was fed.

    Args:
        handle: how to ask for it.
        network: `dim`, `input`, `input_range` and `precision`, of a training or of an entry of a comparison.
    """
    height, width = network["input"]
    known = {"assumed": ", assumed", "user": ", as you said"}.get(network.get("input_range_from", ""), "")
    pixels = inline(f"{height}×{width} pixels, colours as ", foreign(network["input_range"]), known)
    found = [("Network", foreign(handle)), ("Input", pixels)]
    several = ", of several layers" if network.get("layers") == "several" else ""
    found.append(("Features", inline(figures.counted(network["dim"], "number"), f" a photo{several}")))
    found.append(("Arithmetic", inline(network["precision"])))
    return found + ([("Licence", inline(network["licence"]))] if network.get("licence") else [])


def of_head(head: Row) -> Fact:
    """The head and its strength: `kind`, `l2`, and `neighbours` of the nearest."""
    strength: tuple[str, ...] = ()
    if head.get("l2") is not None:
        shown = tag("span", f"{head['l2']:.3g}", class_="n", data_value=figures.exact(head["l2"]))
        strength = (", l2 of ", shown, " chosen by cross-validation")
    elif head.get("neighbours") is not None:
        strength = (", ", figures.counted(int(head["neighbours"]), "neighbour"))
    return "Head", inline(words.head_of(head["kind"]), *strength)


def of_photos(document: Row, files: Row) -> list[Fact]:
    """Which photos there were, and how they were divided.

    Args:
        document: of a training or a comparison. files: its counts of files.
    """
    used = inline(figures.photos(files["used"]), " of ", figures.photos(files["found"]), " found")
    found = [("Photos used", used)]
    if document["test"] is None:
        found.append(("Learned from", inline(figures.photos(document["train"]), ", measured by cross-validation")))
    else:
        parts = (figures.photos(document["train"]), "; measured on ", figures.photos(document["test"]), " others")
        found.append(("Learned from", inline(*parts)))
    if document.get("fraction") is not None:
        found.append(("Share of each class", figures.percent(document["fraction"])))
    if document.get("view"):
        found.append(("View", inline(document["view"])))
    if document.get("seed") is not None:
        found.append(("Seed", figures.photos(document["seed"])))
    return found


def of_work(document: Row) -> list[Fact]:
    """Where vectors came from, and how long it took."""
    found = []
    features, seconds = document.get("features"), document.get("seconds") or {}
    if features:
        rate = features["photos_per_second"]
        speed = inline(" at ", figures.speed(rate), " photos/s") if rate else ""
        parts = (figures.photos(features["computed"]), " computed", speed, ", ")
        found.append(("Vectors", inline(*parts, figures.photos(features["from_store"]), " from the store")))
    if "total" in seconds:
        spent: list[str] = []
        for key, name in _DURATIONS.items():
            if key in seconds:
                spent += [", " if spent else "", f"{name} ", figures.seconds(seconds[key])]
        found.append(("Time", inline(figures.seconds(seconds["total"]), *((": ", *spent) if spent else ()))))
    if document.get("model"):
        found.append(("Saved in", foreign(document["model"])))
    return found


def of_machine(machine: Machine) -> list[Fact]:
    """On what it was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return [("Processor", inline(machine.processor)), ("Versions", inline(versions))]


def listed(facts: list[Fact]) -> Markup:
    """Names beside values."""
    return tag("dl", *(part for name, value in facts for part in (tag("dt", name), tag("dd", value))), class_="facts")
