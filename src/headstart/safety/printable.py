r"""Text for messages: untrusted text made safe to print, numbers with their nouns.

The name of a file, a class or a web page could otherwise control the terminal: move its cursor, change its title, forge
lines of headstart, reverse the order of letters. Control characters and invisible ones are printed as escapes (`\x1b`,
`\u202e`); letters of every script, their marks and emoji stay.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
#: Invisible, though Unicode counts them as letters, marks or symbols: fillers and the empty braille pattern.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0")
#: Invisible too, but some letters and emoji need them: joiners and variation selectors.
_ATTACHED = "\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"
_EMOJI = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
#: Arabic to Sinhala, Myanmar, Khmer, Mongolian: scripts whose spelling needs joiners and non-joiners.
_JOINING = "\u0620-\u06d3\u0750-\u07ff\u0860-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17dd\u1820-\u18aa"
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
#: Joiners and selectors: first where they belong; then, as a group, anywhere else.
_LOOSE = re.compile(
    f"(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])"
    f"|(?<=[{_EMOJI}])[\ufe0e\ufe0f]"
    "|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    f"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    f"|(?<=[{_IDEOGRAPHS}])[\U000e0100-\U000e01ef]"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
    f"|([{_ATTACHED}])"
)


def show(text: str | os.PathLike[str]) -> str:
    r"""Text as one line that is safe to print.

    Args:
        text: a name, a path or a message. Bytes of a file name that are not UTF-8 are surrogates, as in Python.

    Returns:
        the text with control, format, private-use and unassigned characters, line breaks and lone surrogates
        escaped as in Python: `\n`, `\x1b`, `\u202e`. Joiners stay between the letters and emoji that need them.
    """
    text = os.fspath(text)
    if text.isascii() and text.isprintable():
        return text
    text = "".join(c if _visible(c) else _spelled(c) for c in text)
    return _LOOSE.sub(lambda match: _spelled(match[1]) if match[1] else match[0], text)


def file_size(count: int) -> str:
    """Bytes for people: `13.4 MB`, `2.1 kB`."""
    return f"{count / 1e6:,.1f} MB" if count >= 50_000 else f"{count / 1e3:,.1f} kB"


def show_lines(text: str) -> str:
    """As `show`, but line breaks stay."""
    return "\n".join(map(show, text.split("\n")))


def show_all(names: Sequence[str]) -> str:
    """Names for a message, the first ten of them."""
    shown = [f"'{show(name)}'" for name in names[:10]]
    return ", ".join(shown) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 photo`, `1,200 photos`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}" + ("es" if noun.endswith("s") else "s")


def percent(share: float) -> str:
    """A share, 0..1, such as `83.0 %`."""
    return f"{100 * share:.1f} %"


def _visible(character: str) -> bool:
    """Whether a character is visible, or may be needed beside some letters."""
    if character.isprintable():
        return character not in _BLANK
    # Spaces of other widths occur in file names of macOS and in Japanese names.
    return character in "\u200c\u200d" or unicodedata.category(character) == "Zs"


def _spelled(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
