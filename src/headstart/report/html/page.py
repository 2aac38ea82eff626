"""The page: which sections there are, in which order, made of a document and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from headstart.report.html import facts, figures, sections, words
from headstart.report.html.machine import Machine
from headstart.report.html.markup import Markup, foreign, inline, tag
from headstart.report.html.sections import Section
from headstart.report.html.style import STYLE

Row = Mapping[str, Any]

#: Nothing is asked of anyone: pictures are in the page, scripts there are none.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: Letters above which a verdict is set smaller.
_LONG = 120


@dataclass(frozen=True)
class _Top:
    """What stands above the sections."""

    kind: str
    subject: str
    verdict: Markup
    lead: Markup
    key: Markup


def training(document: Row, day: date, machine: Machine) -> Markup:
    """The report of a training.

    Args:
        document: of `Training.to_json`. day: when it was made. machine: on which.
    """
    measured, head, classes = document["evaluation"], document["head"], len(document["classes"])
    kind = words.head_of(head["kind"])
    lead = tag(
        "p",
        words.sure(measured),
        f" {kind[0].upper()}{kind[1:]} on the features of ",
        foreign(document["backbone"]),
        " learned to tell ",
        figures.counted(classes, "class", "classes"),
        " apart from ",
        figures.counted(document["train"], "photo"),
        ".",
        class_="lead",
    )
    settings = [*facts.of_network(document["backbone"], document["network"]), facts.of_head(head)]
    settings += [*facts.of_photos(document, document["photos"]), *facts.of_work(document)]
    curve, bins = document.get("learning_curve"), document.get("reliability") or []
    parts = [
        *sections.evaluation(measured, bins, curve, ""),
        *sections.skipped(document["photos"]),
        sections.how(words.measured(document, measured["protocol"], measured["n"], 1), settings, machine),
        *sections.again(document.get("command")),
    ]
    subject = f"{classes:,} classes"
    return _page(_Top("train", subject, words.verdict(measured), lead, sections.key_figures(measured)), parts, day)


def comparison(document: Row, day: date, machine: Machine) -> Markup:
    """The report of a comparison.

    Args:
        document: of `Comparison.to_json`. day: when it was made. machine: on which.
    """
    entries: Sequence[Row] = document["entries"]
    best = next((one for one in entries if one["best"]), None)
    lead, key, settings, parts = Markup(), Markup(), [], []
    if best is not None:
        measured, name = best["evaluation"], words.called(best, entries)
        right = inline(" has ", figures.percent(measured["accuracy"]), " right on ")
        photos = inline(figures.counted(measured["n"], "photo"), ". ")
        lead = tag("p", "The best, ", foreign(name), ",", right, photos, words.sure(measured), class_="lead")
        key = sections.key_figures(measured)
        settings = [*facts.of_network(best["network"], best), facts.of_head({**best, "kind": best["head"]})]
        parts = [sections.networks(entries), *sections.cost(entries)]
        parts += sections.evaluation(measured, best["reliability"], document.get("learning_curve"), name)
    n = best["evaluation"]["n"] if best is not None else 0
    settings += [*facts.of_photos(document, document["files"]), *facts.of_work(document)]
    parts += [
        *sections.not_measured(document),
        *sections.skipped(document["files"]),
        sections.how(words.measured(document, document["protocol"], n, len(entries)), settings, machine),
        *sections.again(document.get("command")),
    ]
    return _page(_Top("compare", document["photos"], inline(document["verdict"]), lead, key), parts, day)


def _page(top: _Top, parts: Sequence[Section], day: date) -> Markup:
    when = tag("time", f"{day.day} {day:%B %Y}", datetime=day.isoformat())
    kicker = tag("p", f"headstart {top.kind} · ", foreign(top.subject), " · ", when, class_="kicker")
    letters = len(re.sub(r"<[^>]*>", "", top.verdict))
    header = tag(
        "header", kicker, tag("h1", top.verdict, class_="long" if letters > _LONG else None), top.lead, top.key
    )
    contents = tag("nav", *(tag("a", one.name, href=f"#{one.key}") for one in parts), aria_label="Contents")
    footer = tag("footer", "This file is the whole report: it loads nothing and sends nothing.", class_="quiet")
    main = tag("main", header, contents, *(_drawn(one) for one in parts), footer)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"headstart {top.kind}: {top.subject}"),
        tag("style", Markup(STYLE)),
    )
    return inline(Markup("<!doctype html>\n"), tag("html", head, tag("body", main), lang="en"), Markup("\n"))


def _drawn(one: Section) -> Markup:
    name = f"{one.key}-name"
    return tag("section", tag("h2", one.title, id=name), one.content, id=one.key, aria_labelledby=name)
