"""A training or a comparison as one HTML file that needs nothing else: to read, to print, to mail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from headstart.disk import atomic
from headstart.errors import ReportError
from headstart.report.html import page
from headstart.report.html.machine import here

__all__ = ["check", "of_comparison", "of_training", "write"]


def of_training(document: Mapping[str, Any], day: date | None = None) -> str:
    """The report of a training as HTML.

    Args:
        document: what `headstart train --json` prints. Photos are opened only for the mistakes that are shown.
        day: when it was measured; today if not given.
    """
    return page.training(document, day or date.today(), here())


def of_comparison(document: Mapping[str, Any], day: date | None = None) -> str:
    """The report of a comparison as HTML.

    Args:
        document: what `headstart compare --json` prints. Photos are opened only for the mistakes that are shown.
        day: when it was measured; today if not given.
    """
    return page.comparison(document, day or date.today(), here())


def check(path: str | Path) -> None:
    """Raise before the work what would else be raised after it.

    Raises:
        ReportError: there is no such folder, it cannot be written, or the path is something else than a file.
    """
    try:
        target = Path(os.path.realpath(path))
        if os.path.lexists(target) and not target.is_file():
            what = "a folder" if target.is_dir() else "not an ordinary file"
            raise ReportError(f"{path} is {what}.\nExpected the name of a file for the report, such as report.html.")
        new = atomic.beside(target)
        new.touch()
        new.unlink()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def write(path: str | Path, html: str) -> None:
    """Write a report; one that is there is replaced, whole or not at all.

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
    return ReportError(
        f"{path} cannot be written: {why}.\nExpected a file in a folder that is there, such as report.html."
    )
