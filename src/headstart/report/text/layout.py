"""Text laid out for a terminal: measured in columns, broken at spaces, tables that become blocks if they do not fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from headstart.safety.printable import show

#: Width of a file or pipe: nothing is folded.
ENDLESS = 1_000_000
_JOINER, _EMOJI_FORM = "\u200d", "\ufe0f"
_SKIN = range(0x1F3FB, 0x1F400)
_LATER_JAMO = range(0x1160, 0x1200)  # the second and third part of a Korean syllable
_SPACES = re.compile(r" +(?!%)")  # "95.0 %" stays together
#: The words of a command; one in quotes may contain spaces.
_ARGUMENTS = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^ ])+")
_COMMAND = re.compile(r"(?P<before>.*: |)(?P<command>(?:\$ )?(?:headstart|pip) (?:(?!\. ).)*[^.])")


def columns(text: str) -> int:
    """Columns that a terminal needs: two for a Chinese letter or an emoji, none for a combining mark."""
    if text.isascii():
        return len(text)
    total = last = 0
    joined = False
    for character in text:
        if joined and last == 2:  # the next part of one emoji
            joined = False
            continue
        joined = character == _JOINER
        if character == _EMOJI_FORM and last == 1:
            total, last = total + 1, 2
        elif not (ord(character) in _SKIN and last == 2) and (width := _width(character)):
            total, last = total + width, width
    return total


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or ord(character) in _LATER_JAMO:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int, right: bool = False) -> str:
    """The text with spaces after it, or before it to align it to the right."""
    spaces = " " * (width - columns(text))
    return spaces + text if right else text + spaces


def folded(text: str, width: int) -> list[str]:
    r"""One line of text as lines of at most `width` columns, all indented like the first.

    Lines are broken at spaces only, so a longer word has a line of its own. A command at the end starts a line, which
    goes on after `\`, so that it can be copied.
    """
    if columns(text) <= width:
        return [text]
    plain = text.lstrip(" ")
    indent = " " * (len(text) - len(plain))
    if match := _COMMAND.fullmatch(plain):
        before = _flowing(_SPACES.split(match["before"].rstrip()), width, indent) if match["before"] else []
        return before + _command(match["command"], width, indent + ("  " if before else ""))
    return _flowing(_SPACES.split(plain), width, indent)


def hanging(head: str, text: str, width: int) -> list[str]:
    """A label and a text; the text's further lines start below its first."""
    return _flowing(_SPACES.split(text), width, head, " " * columns(head))


def _command(command: str, width: int, indent: str) -> list[str]:
    if columns(indent + command) <= width:
        return [indent + command]
    *lines, last = _flowing(_ARGUMENTS.findall(command), width - 2, indent, indent + "    ")
    return [*(f"{line} \\" for line in lines), last]


def _flowing(parts: Sequence[str], width: int, first: str, rest: str | None = None, gap: str = " ") -> list[str]:
    """Lines of whole parts."""
    lines = [first + parts[0]]
    for part in parts[1:]:
        if columns(lines[-1]) + len(gap) + columns(part) <= width:
            lines[-1] += gap + part
        else:
            lines.append((first if rest is None else rest) + part)
    return lines


def table(rows: list[list[str]], width: int = ENDLESS, header: bool = True) -> str:
    """Columns of equal width; figures and their headings are aligned to the right. Cells are made printable.

    Where the columns do not fit, each row becomes a block: the cells before the first figure, and below them each
    other cell behind its heading.

    Args:
        rows: the cells; the first row has the headings.
        width: columns of the terminal.
        header: whether the first row has the headings.
    """
    rows = [[show(cell) for cell in row] for row in rows]
    parts = list(zip(*rows, strict=True))
    widths = [max(columns(cell) for cell in part) for part in parts]
    figures = [all(_is_figure(cell) for cell in part[1:] or part) for part in parts]
    lines = ["  ".join(padded(*cell) for cell in zip(row, widths, figures, strict=True)).rstrip() for row in rows]
    if max(map(columns, lines)) <= width:
        return "\n".join(lines)
    if not header:
        return "\n".join(line for row in rows for line in _flowing(row, width, "", "    ", "  "))
    named = figures.index(True) if True in figures else 1
    blocks = []
    for row in rows[1:]:
        cells = [f"{name}: {cell}" for name, cell in zip(rows[0][named:], row[named:], strict=True) if cell]
        title = _flowing([cell for cell in row[:named] if cell], width, "", "    ")
        blocks += title + _flowing(cells, width, "    ", gap="  ")
    return "\n".join(blocks)


def _is_figure(cell: str) -> bool:
    return re.fullmatch(r"–|[<+-]?\d[\d.,]*( ?[%M])?", cell) is not None
