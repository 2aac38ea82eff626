"""The parts of a report; one that has nothing to show is left out or says why."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.evaluation.metrics import Bin
from headstart.report.html import charts, facts, figures, tables, words
from headstart.report.html.axes import both
from headstart.report.html.cost import cost as accuracy_by_speed
from headstart.report.html.facts import Fact
from headstart.report.html.machine import Machine
from headstart.report.html.markup import Markup, foreign, inline, tag
from headstart.report.html.mistakes import gallery

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: its anchor. name: in the list of contents. title: above it.
        content: below the title.
    """

    key: str
    name: str
    title: Markup
    content: Markup


def key_figures(evaluation: Row) -> Markup:
    """The few figures that stand below the verdict."""
    guess = f"guessing: {math.log(len(evaluation['per_class'])):.2f}"
    found = [
        ("Accuracy", figures.percent(evaluation["accuracy"]), figures.between(evaluation["interval"])),
        ("Balanced accuracy", figures.percent(evaluation["balanced_accuracy"]), "mean over classes"),
        ("Log loss", figures.decimal(evaluation["log_loss"], 3), guess),
        ("Calibration error", figures.percent(evaluation["calibration_error"]), "0 is honest"),
    ]
    cells = [tag("div", tag("dt", name), tag("dd", value, tag("small", more))) for name, value, more in found]
    return tag("dl", *cells, class_="key")


def networks(entries: Sequence[Row]) -> Section:
    """What was compared, the best first."""
    return _section("networks", "Networks", "Networks and heads, the best first", tables.networks(entries))


def cost(entries: Sequence[Row]) -> list[Section]:
    """Accuracy against speed, of those whose speed is known."""
    known = [one for one in entries if one["photos_per_second"]]
    if len(known) < 2:
        return []
    caption = (
        "Numbers are those of the table. Filled and joined: on the Pareto front, where no other one is both more "
        "accurate and faster. Vertical lines are 95\u00a0% intervals. The scale of speed is logarithmic; heads of one "
        "network cost the same and stand side by side."
    )
    if len(known) < len(entries):
        caption += f" Not drawn, because the speed is not known: {len(entries) - len(known)} of {len(entries)}."
    drawn = tag("figure", both(lambda width: accuracy_by_speed(entries, width)), tag("figcaption", caption))
    return [_section("cost", "Cost", "Accuracy against cost", drawn)]


def evaluation(measured: Row, bins: Sequence[Row], curve: Row | None, name: str) -> list[Section]:
    """What is confused, each class, calibration, the learning curve and the mistakes of one classifier.

    Args:
        measured: the document of its evaluation.
        bins: of the reliability diagram; may be empty.
        curve: the document of a learning curve, or None.
        name: of the classifier, where there are several; empty if there is one.
    """
    of = (" of ", foreign(name)) if name else ()
    many = len(measured["confusion"]["classes"]) > tables.MATRIX_CLASSES
    said = tag("p", words.confusions(measured["confusion"]))
    matrix = inline(*(() if many else (said,)), tables.confusion(measured["confusion"]))
    found = [
        Section("confusions", "Confusions", inline("What is taken for what", *_by(name)), matrix),
        Section("classes", "Classes", inline("Each class", *of), tables.classes(measured["per_class"])),
    ]
    if bins:
        found.append(_calibration(measured, [Bin(**one) for one in bins], name))
    if curve:
        found.append(_learning(curve))
    wrong = round(measured["n"] * (1 - measured["accuracy"]))
    title = inline("Mistakes", *of)
    found.append(Section("mistakes", "Mistakes", title, gallery(measured["mistakes"], wrong)))
    return found


def not_measured(document: Row) -> list[Section]:
    """What failed, what `--quick` left out, and what else is to be known of a comparison."""
    found = []
    if document["left_out"]:
        quick = document["quick"]
        why = [tag("p", quick["text"])] if quick else []
        share = f" They were measured on {quick['per_class']:,} photos a class only:" if quick else ""
        note = tag("p", f"These were left out by --quick.{share}", class_="quiet")
        title = "What --quick left out"
        found.append(_section("quick", "Left out", title, *why, note, tables.left_out(document["left_out"])))
    elif document["quick"]:
        found.append(_section("quick", "Quick", "What --quick left out", tag("p", document["quick"]["text"])))
    if document["failures"]:
        note = tag("p", "The others are not affected.", class_="quiet")
        title = "What could not be measured"
        found.append(_section("failures", "Failures", title, note, tables.failures(document["failures"])))
    if document["notes"]:
        notes = tag("ul", *(tag("li", note) for note in document["notes"]))
        found.append(_section("notes", "Notes", "What else to know", notes))
    return found


def skipped(files: Row) -> list[Section]:
    """Files that were not used, and why."""
    if not files["skipped"]:
        return []
    said = inline(figures.photos(files["skipped"]), " of ", figures.counted(files["found"], "file"), " found ")
    said = inline(said, "was not used." if files["skipped"] == 1 else "were not used.")
    return [_section("skipped", "Skipped files", "Files that were not used", tag("p", said), tables.skipped(files))]


def how(paragraphs: Sequence[Markup], settings: list[Fact], machine: Machine) -> Section:
    """How it was measured: in words, then the settings."""
    listed = facts.listed([*settings, *facts.of_machine(machine)])
    return _section("how", "Method", "How it was measured", *paragraphs, tag("h3", "Settings"), listed)


def again(command: Sequence[str] | None) -> list[Section]:
    """The command line that does it once more."""
    if not command:
        return []
    line = tag("pre", tag("code", shlex.join(command)), tabindex="0")
    return [_section("again", "Run it again", "How to run it again", line)]


def _calibration(measured: Row, bins: Sequence[Bin], name: str) -> Section:
    caption = "The area of a circle is its number of photos. On the dashed line, what it says comes true."
    drawn = tag("figure", tag("div", charts.reliability(bins), class_="single"))
    said = tag("div", tag("p", words.calibration(measured, bins)), tag("p", caption, class_="quiet"))
    title = (
        inline("Do its probabilities come true?")
        if not name
        else inline("Do the probabilities of ", foreign(name), " come true?")
    )
    return Section("calibration", "Calibration", title, tag("div", drawn, said, class_="beside"))


def _learning(curve: Row) -> Section:
    advice, ahead = curve.get("advice"), curve.get("extrapolation")
    caption = "The band is the 95\u00a0% interval: the luck of which photos were learned from and measured on."
    caption += " Dashed, with open circles: not measured, but continued by a power law." if ahead else ""
    of: tuple[str, ...] = ()
    if curve.get("network") and curve.get("head"):
        of = (" Of ", foreign(curve["network"]), f", {words.head_of(curve['head'])}.")
    parts = [tag("p", curve["text"])] if curve.get("text") else []
    if advice:
        parts.append(tag("p", tag("strong", advice["text"]) if advice["told"] else advice["text"]))
    if curve["points"]:
        drawn = both(lambda width: charts.learning_curve(curve, width))
        parts.append(tag("figure", drawn, tag("figcaption", caption, *of)))
    if advice and advice["classes"]:
        parts.append(tables.gains(advice))
    return _section("learning", "More photos?", "Would more photos help?", *parts)


def _by(name: str) -> tuple[str, ...]:
    return (" by ", foreign(name)) if name else ()


def _section(key: str, name: str, title: str, *content: str) -> Section:
    return Section(key, name, inline(title), inline(*content))
