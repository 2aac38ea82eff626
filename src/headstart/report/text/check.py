"""What one look over a collection of photos found, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headstart.classifier.checked import RELATIONS, Check, Copies
from headstart.report.text.evaluation import skipped_text
from headstart.report.text.layout import ENDLESS, table
from headstart.safety.printable import counted, percent

_SHOWN = 10
_MEMBERS = 4
_GIVEN_AWAY = {
    "borders": "the borders of the photos",
    "file properties": "properties of the files (size, format, camera, name)",
}


def text(found: Check, width: int = ENDLESS) -> str:
    """All findings, each with its first ten photos.

    Args:
        found: to show.
        width: columns of the terminal.
    """
    parts = [*_unreadable(found, width), *_copies(found), *_labels(found, width)]
    parts += _listed("Photos unlike all others of their class", [[one.label, one.path] for one in found.unlike], width)
    parts += _listed("Photos that show little", [[one.fault, one.path] for one in found.poor], width)
    parts += _classes(found)
    return "\n\n".join([f"{counted(found.photos.found, 'photo')} looked at.", *parts])


def _unreadable(found: Check, width: int) -> list[str]:
    if not found.photos.skipped:
        return ["All of them can be read."]
    rows = [[one.reason, one.path] for one in found.photos.skipped]
    return [skipped_text(found.photos) + "\n" + _rows(rows, width)]


def _copies(found: Check) -> list[str]:
    if not found.copies:
        return ["No photo shows the same picture as another."]
    parts = []
    for relation in RELATIONS:
        if groups := found.copies_of(relation):
            lines = [_group(one) for one in groups[:_SHOWN]]
            parts.append("\n".join([f"Copies {relation}: {counted(len(groups), 'group')}.", *lines, *_more(groups)]))
    return parts


def _group(group: Copies) -> str:
    names = [f"{one.path} ({one.label})" for one in group.members[:_MEMBERS]]
    names += [f"{len(group.members) - _MEMBERS} more"] if len(group.members) > _MEMBERS else []
    kinships = ", ".join(sorted({one.kinship for one in group.pairs}))
    return f"  {kinships}: {' = '.join(names)}"


def _labels(found: Check, width: int) -> list[str]:
    if found.suspicious is None:
        return ["Labels were not looked at: that takes two classes with two different photos each."]
    listed = found.suspicious.listed
    if not listed:
        return [f"No label is more probably wrong than right, of {counted(found.suspicious.photos, 'photo')}."]
    rows = [
        [percent(one.wrong_probability), f"labelled {one.label}, looks like {one.suggested}", one.path]
        for one in listed
    ]
    head = (
        f"Labels that are probably wrong: {len(listed):,}, of which about {found.suspicious.expected:.0f} are. Of all "
        f"labels about {percent(found.suspicious.share)} are wrong."
    )
    return [head + "\n" + _rows(rows, width)]


def _classes(found: Check) -> list[str]:
    classes = found.classes
    lines = [f"Class {one.name} has {counted(one.photos, 'different photo')}; ten or more are recommended."
             for one in classes.small]  # fmt: skip
    lines += [f"Classes {one} and {two} may be the same: their names are alike." for one, two in classes.same_names]
    lines += [
        f"Classes {one.classes[0]} and {one.classes[1]} cannot be told apart: {percent(one.accuracy)} right "
        f"(95 % interval {percent(one.interval[0])} to {percent(one.interval[1])}), where guessing gives 50 %."
        for one in classes.not_told_apart
    ]
    lines += [
        f"The class can be told from {_GIVEN_AWAY[one.kind]} alone: {percent(one.accuracy)} right, 95 % interval "
        f"{percent(one.interval[0])} to {percent(one.interval[1])}, where guessing gives {percent(one.chance)}. On "
        "photos from elsewhere a classifier may do worse than its figures."
        for one in found.give_aways
    ]
    return ["\n".join(lines)] if lines else []


def _listed(title: str, rows: Sequence[list[str]], width: int) -> list[str]:
    return [f"{title}: {len(rows):,}.\n" + _rows(rows, width)] if rows else []


def _rows(rows: Sequence[list[str]], width: int) -> str:
    cells = [[f"  {row[0]}", *row[1:]] for row in rows[:_SHOWN]]
    return "\n".join([table(cells, width, header=False), *_more(rows)])


def _more(items: Sequence[object]) -> Iterable[str]:
    return [f"  and {len(items) - _SHOWN:,} more; --json lists them all"] if len(items) > _SHOWN else []
