"""README.md and proof.html of an export: for whoever receives the folder."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headstart.classifier.classifier import Classifier
from headstart.classifier.saved import version_of
from headstart.export.exported import Exported
from headstart.export.proof.verdict import Difference
from headstart.export.recipe import recipe
from headstart.report.html import page
from headstart.safety.printable import counted, file_size, show

_HERE = Path(__file__).parent / "templates"


def readme(exported: Exported, classifier: Classifier, with_resize: bool) -> str:
    """README.md: what it is, input, output, how photos get in, proof, licences."""
    return _texts().get_template("README.md.j2").render(
        exported=exported, classifier=classifier, with_resize=with_resize, recipe=recipe(classifier.card),
        version=_version(),
    )  # fmt: skip


def proof(exported: Exported, classifier: Classifier) -> str:
    """proof.html: the figures of every format, in the style of the report."""
    environment = page.templates().overlay(loader=FileSystemLoader(_HERE))
    environment.filters |= {"apart": apart, "file_size": file_size, "share": share}
    template = environment.get_template("proof.html.j2")
    unproven = [one for one in exported.written if one.proof is None]
    return template.render(
        exported=exported, classifier=classifier, unproven=unproven, day=date.today(), version=_version()
    )


def share(found: Difference | None) -> str:
    """How many pictures got the same class: `200 of 200`."""
    return "–" if found is None else f"{found.same_class:,} of {found.pictures:,}"


def apart(number: float | None) -> str:
    """A difference of probabilities for people: `2.5e-07`; 0 where there is none."""
    if number is None:
        return "any"
    return "0" if number == 0 else f"{number:.1e}"


def _version() -> str:
    return version_of("headstart")


@cache
def _texts() -> Environment:
    """Templates of plain text: names are made printable, and nothing is escaped, as Markdown has no safe way to."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"apart": apart, "share": share, "file_size": file_size, "show": show}
    environment.globals |= {"counted": counted}
    return environment
