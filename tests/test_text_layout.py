"""Text in columns of a terminal: wide characters, lines broken at spaces, tables that become blocks."""

from __future__ import annotations

import pytest

from headstart.report.text.layout import columns, folded, hanging, padded, table


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("plain", 5),
        ("苹果", 4),
        ("e\N{COMBINING ACUTE ACCENT}", 1),
        ("\N{GRINNING FACE}", 2),
        ("\N{WAVING HAND SIGN}\U0001f3fd", 2),  # with a skin tone
        ("\N{MAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}", 2),
        ("\u2764\ufe0f", 2),  # a heart drawn as an emoji
        ("한국", 4),
    ],
)
def test_columns_are_those_of_a_terminal(text: str, width: int) -> None:
    assert columns(text) == width


def test_wide_names_align() -> None:
    rows = [["class", "photos"], ["苹果", "3"], ["pear", "12"]]
    assert [columns(line) for line in table(rows).splitlines()] == [13, 13, 13]
    assert padded("苹果", 6) + "|" == "苹果  |"


def test_lines_are_broken_at_spaces_and_keep_their_indent() -> None:
    assert folded("  one two three four", 12) == ["  one two", "  three four"]
    assert folded("short", 12) == ["short"]
    assert folded("a /very/long/path/that/does/not/fit b", 12) == ["a", "/very/long/path/that/does/not/fit", "b"]
    assert folded("accuracy of 95.0 % on it", 17) == ["accuracy of", "95.0 % on it"]
    assert hanging("note: ", "one two three", 12) == ["note: one", "      two", "      three"]


def test_a_command_can_be_copied_from_its_lines() -> None:
    lines = folded("Keep the best: headstart train 'my photos' -b builtin:efficientnet-lite0 -o NAME", 40)
    assert lines[0] == "Keep the best:"
    assert all(line.endswith(" \\") for line in lines[1:-1])
    joined = " ".join(line.removesuffix("\\").strip() for line in lines[1:])
    assert joined == "headstart train 'my photos' -b builtin:efficientnet-lite0 -o NAME"
    assert max(map(columns, lines)) <= 40


def test_what_follows_a_command_is_no_part_of_it() -> None:
    text = "Copy it here: headstart backbones unpack FILE. Or unset HEADSTART_OFFLINE: another address is known"
    assert not any(line.endswith("\\") for line in folded(text, 40))


def test_a_table_that_does_not_fit_becomes_blocks() -> None:
    rows = [["backbone", "accuracy", "photos/s"], ["a-long-name-of-a-backbone", "95.0 %", "120"], ["b", "9.0 %", "1"]]
    assert len(table(rows).splitlines()) == 3
    assert table(rows, 30).splitlines() == [
        "a-long-name-of-a-backbone",
        "    accuracy: 95.0 %",
        "    photos/s: 120",
        "b",
        "    accuracy: 9.0 %",
        "    photos/s: 1",
    ]
