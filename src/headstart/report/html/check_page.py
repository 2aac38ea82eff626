"""The page of a look over photos."""

from __future__ import annotations

from datetime import date

from headstart.classifier.checked import RELATIONS, Check
from headstart.report.html.page import templates
from headstart.report.html.short_paths import shortener

#: Photos and groups of a section; the others are counted.
_PHOTOS, _GROUPS, _MEMBERS = 24, 12, 6
#: Anchors of the sections, in their order, and what the list of contents calls them.
_SECTIONS = {
    "labels": "Labels",
    "copies": "Copies",
    "unlike": "Unlike their class",
    "poor": "Poor photos",
    "classes": "Classes",
    "skipped": "Unreadable files",
}


def page(found: Check, day: date, paths: bool) -> str:
    """The page, made on a day, with whole paths or without."""
    classes = found.classes
    there = {
        "labels": found.suspicious and found.suspicious.listed,
        "copies": found.copies,
        "unlike": found.unlike,
        "poor": found.poor,
        "classes": classes.small or classes.same_names or classes.not_told_apart or found.give_aways,
        "skipped": found.photos.skipped,
    }
    return (
        templates()
        .get_template("check.html.j2")
        .render(
            found=found,
            listed=found.suspicious.listed if found.suspicious else (),
            groups=[(relation, found.copies_of(relation)) for relation in RELATIONS],
            sections={key: name for key, name in _SECTIONS.items() if there[key]},
            limit=_PHOTOS,
            most_groups=_GROUPS,
            most_members=_MEMBERS,
            short=shortener(found.source, paths),
            paths=paths,
            day=day,
        )
    )
