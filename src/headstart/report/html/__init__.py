"""A training, a comparison, an evaluation or a check as one HTML file that needs nothing else, to read and to send."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.disk import atomic
from headstart.errors import ReportError

if TYPE_CHECKING:
    from headstart.classifier.checked import Check
    from headstart.classifier.comparison import Comparison
    from headstart.classifier.trained import Training
    from headstart.evaluation.results import Measured
    from headstart.trust.explain.explanation import Explanation

__all__ = ["check", "of_check", "of_comparison", "of_evaluation", "of_training", "write"]


def of_training(training: Training, day: date | None = None, *, paths: bool = False) -> str:
    """The report of a training as HTML; only the photos that are shown are opened.

    Args:
        training: what was measured.
        day: when it was measured; today if not given.
        paths: show paths whole. Without it the folders of this machine are left out: a report is made to be sent.
    """
    from headstart.report.html import page

    return page.training(training, day or date.today(), paths)


def of_comparison(comparison: Comparison, day: date | None = None, *, paths: bool = False) -> str:
    """The report of a comparison as HTML; only the photos that are shown are opened.

    Args:
        comparison: what was measured.
        day: when it was measured; today if not given.
        paths: show paths whole. Without it the folders of this machine are left out: a report is made to be sent.
    """
    from headstart.report.html import page

    return page.comparison(comparison, day or date.today(), paths)


def of_evaluation(
    measured: Measured, title: str, day: date | None = None, explanations: Sequence[Explanation] = ()
) -> str:
    """The report of an evaluation as HTML: figures, confusion matrix, mistakes with their photos.

    Args:
        measured: what was measured.
        title: of the page, such as the classifier's and the folder's names.
        day: when it was measured; today if not given.
        explanations: heat maps of mistakes, see `Classifier.explain_mistakes`.
    """
    from markupsafe import Markup

    from headstart.report.html import notebook, page

    content = Markup(notebook.fragment(measured, explanations))
    template = page.templates().get_template("evaluation.html.j2")
    return template.render(title=title, day=day or date.today(), content=content)


def of_check(found: Check, day: date | None = None, *, paths: bool = False) -> str:
    """The report of a look over photos as HTML; only the photos that are shown are opened.

    Args:
        found: what was found.
        day: when it was looked for; today if not given.
        paths: show paths whole. Without it the folders of this machine are left out: a report is made to be sent.
    """
    from headstart.report.html import check_page

    return check_page.page(found, day or date.today(), paths)


def check(path: str | Path) -> None:
    """Raise before the work what would otherwise be raised after it.

    Raises:
        ReportError: the folder does not exist, it cannot be written, or the path is not a file.
    """
    try:
        target = Path(os.path.realpath(path))
        if os.path.lexists(target) and not target.is_file():
            what = "a folder" if target.is_dir() else "not an ordinary file"
            raise ReportError(f"{path} is {what}.\nExpected the name of a file for the report, such as report.html.")
        atomic.check_replaceable(target)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def write(path: str | Path, html: str) -> None:
    """Write a report, whole or not at all; an existing one is replaced.

    Raises:
        ReportError: as `check`, or the disk failed.
    """
    check(path)
    try:
        atomic.write(Path(os.path.realpath(path)), html)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str | Path, error: OSError | ValueError) -> ReportError:
    why = getattr(error, "strerror", None) or str(error)
    return ReportError(f"{path} cannot be written: {why}.\nExpected a file in an existing folder, such as report.html.")
