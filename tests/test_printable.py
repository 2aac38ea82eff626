"""Text from elsewhere is shown as it is where it is letters, and spelled where it would drive a terminal."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.errors import DataError, PhotoError
from headstart.safety.printable import show, show_lines

ANY_TEXT = st.text(st.characters(codec=None, categories=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a.jpg\r\nError: forged", r"a.jpg\r\nError: forged"),
        ("\x9b31m\x85\x7f\x00\t", r"\x9b31m\x85\x7f\x00\t"),
        ("x\u202egpj.exe", r"x\u202egpj.exe"),
        ("\u2066a\u2069\u200e\u200f\u061c", r"\u2066a\u2069\u200e\u200f\u061c"),
        ("dr\u200bess\ufeff\u00ad\u2060", r"dr\u200bess\ufeff\xad\u2060"),
        ("dr\u200dess dr\u200cess \u200d", r"dr\u200dess dr\u200cess \u200d"),
        ("a\ufe0f\U000e0101\U000e0061", r"a\ufe0f\U000e0101\U000e0061"),
        ("\u2028line\u2029", r"\u2028line\u2029"),
        ("caf\udce9.jpg \ud800", r"caf\xe9.jpg \ud800"),
        ("\ue000\U000f0000\uffff\u0378", r"\ue000\U000f0000\uffff\u0378"),
        ("\u3164\u115f\u2800\u034f", r"\u3164\u115f\u2800\u034f"),
        ("\U0001f468\ufe0f\ufe0f", "\U0001f468\ufe0f" + r"\ufe0f"),
    ],
)
def test_what_would_control_a_terminal_or_deceive_is_escaped(text: str, shown: str) -> None:
    assert show(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "cafe\u0301 stra\u00dfe \u0416 \u03a9",
        "\u65e5\u672c\u8a9e\u3000\u5199\u771f",  # an ideographic space
        "Screenshot 3.00.00\u202fPM",  # as macOS names them
        "\u05e9\u05dc\u05d5\u05dd \u0635\u0648\u0631\u0629",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian with its non-joiner
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3 \u0915\u094d\u200d\u0937",  # Sinhala, Devanagari with joiners
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525 \U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f937\U0001f3fd\u200d\u2642\ufe0f 1\ufe0f\u20e3 \U0001f1e9\U0001f1ea \u00a9\ufe0f",
        "\u845b\U000e0100",  # an ideograph's variant
        r"[red] [link=file:///etc]x[/link] <b> C:\photos",
    ],
)
def test_letters_of_every_script_marks_and_emoji_stay(text: str) -> None:
    assert show(text) == text


def test_every_letter_mark_number_and_sign_that_can_be_seen_stays() -> None:
    kinds = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mc", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc"}
    blank = set("\u115f\u1160\u3164\uffa0")
    seen = "".join(c for c in map(chr, range(sys.maxunicode)) if unicodedata.category(c) in kinds and c not in blank)
    assert show(seen) == seen


@given(ANY_TEXT)
def test_nothing_shown_controls_hides_or_breaks_the_line_and_showing_twice_is_showing_once(text: str) -> None:
    shown = show(text)
    assert show(shown) == shown
    shown.encode("utf-8")
    allowed = {"\u200c", "\u200d"}
    assert not [c for c in shown if unicodedata.category(c)[0] in "CZ" and c not in allowed and c.strip()]
    assert len(shown.splitlines()) <= 1
    assert show_lines(f"{text}\n{text}") == "\n".join(map(show, f"{text}\n{text}".split("\n")))


def test_an_error_of_ours_is_printable_and_keeps_its_lines() -> None:
    error = DataError("No \x1b[31mclass\u202e.\nExpected one.")
    assert str(error) == "No \\x1b[31mclass\\u202e.\nExpected one."
    assert str(PhotoError("corrupt", "bad \x07 block")) == r"corrupt: bad \x07 block"
    assert PhotoError("corrupt", "bad \x07 block").detail == "bad \x07 block"
