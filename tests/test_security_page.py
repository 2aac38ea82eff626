"""docs/security.md tells the limits that the code has."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([\d,.]+) \| `([\w.]+)` \|$", PAGE.partition("## Limits")[2], re.MULTILINE)


def constant(path: str) -> object:
    """The value of `module.NAME` or `module.NAME.field`, the module below headstart."""
    parts = path.split(".")
    at = next(i for i, part in enumerate(parts) if part.isupper())
    return functools.reduce(getattr, parts[at:], importlib.import_module("headstart." + ".".join(parts[:at])))


@pytest.mark.parametrize(("what", "figure", "path"), ROWS, ids=[row[2] for row in ROWS])
def test_a_limit_on_the_page_is_the_codes(what: str, figure: str, path: str) -> None:
    value = constant(path)
    value = len(value) if isinstance(value, tuple) else value
    assert float(figure.replace(",", "")) == value, f"{what}: the page says {figure}, {path} is {value}"


def test_no_row_of_the_table_is_left_unchecked() -> None:
    rows = [line for line in PAGE.partition("## Limits")[2].splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(rows) - 1  # the heading
    assert len(ROWS) == 33


def test_how_to_report_is_explained() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    assert "private vulnerability reporting" in text
    assert "docs/security.md" in text
