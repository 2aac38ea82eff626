"""What every command shares: errors to exit codes, messages and bars on stderr, one JSON document on stdout."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

import click

from headstart.apps.cli import terminal
from headstart.apps.cli.interrupt import INTERRUPTED
from headstart.errors import HeadstartError, LayoutError, Way
from headstart.progress import Bars
from headstart.report.text.layout import folded
from headstart.safety.printable import counted, show

if TYPE_CHECKING:
    from tqdm import tqdm

    from headstart.features.extraction import Skipped


def run(app: Callable[..., Any]) -> int:
    """Run the command line and return its exit code.

    `HEADSTART_DEBUG=1` shows the traceback of an error.

    Returns:
        0: done; 1: an error of ours, reported in one line; 2: wrong usage; 130: interrupted; or the code that the
        command returns.
    """
    import warnings

    # Pillow warns about odd metadata of single photos; what matters to the user is part of the result.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.showwarning = lambda message, *_, **__: say(f"Warning: {message}")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    terminal.guard()
    if "" in sys.argv[1:]:  # as a path it would mean the working folder
        say("Error: An argument is empty. Expected a value; is a variable of your shell not set?")
        return 2
    try:
        result = app(standalone_mode=False, prog_name="headstart")
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except HeadstartError as error:
        if os.environ.get("HEADSTART_DEBUG") == "1":
            raise
        report(error)
        return 1
    except click.exceptions.NoArgsIsHelpError as error:
        error.show(sys.stderr)
        return error.exit_code
    except click.UsageError as error:
        if error.ctx is not None:
            say(" ".join(error.ctx.get_usage().split()))
        say(f"Error: {error.format_message()}")
        if error.ctx is not None:
            say(f"Help: {error.ctx.command_path} --help")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):  # click turns the first into the second
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def say(message: str = "") -> None:
    """Print a message on stderr as one line, whatever characters it contains; a terminal folds it at spaces."""
    sys.stdout.flush()  # the order of both streams stays, also where they end up in one file
    text = re.sub(r"([.!?:;,]?)\s*\n\s*", lambda end: f"{end[1] or '.'} ", message.rstrip())
    print("\n".join(folded(show(text), terminal.width(sys.stderr))), file=sys.stderr, flush=True)


def report(error: HeadstartError) -> None:
    """Print an error on stderr: one line, and for a folder that is not understood what is in it and what to type."""
    if not isinstance(error, LayoutError):
        say(f"Error: {error}")
        return
    say(f"Error: {error.happened}")
    for line in error.tree:
        say(f"  {line}")
    say(error.expected)
    for way in error.ways:
        say(f"{way.purpose}:")
        say(f"  {shlex.join(_changed(command_line(), error.given, way))}")


def _changed(words: Sequence[str], given: str, way: Way) -> list[str]:
    """A command line with what an error advises instead."""
    changed: list[str] = []
    left_out = False
    for word in words:
        name, is_whole, _ = word.partition("=")
        if not left_out and name != way.without:
            changed.append(way.photos if way.photos and os.path.normpath(word) == os.path.normpath(given) else word)
        left_out = not left_out and name == way.without and not is_whole
    return changed + list(way.added)


def put(*lines: str) -> None:
    """Print lines of the results on stdout, whatever characters they contain; a terminal folds them at spaces."""
    width = terminal.width(sys.stdout)
    for line in lines or ("",):
        print("\n".join(folded(show(line), width)))


def agreed(question: str) -> bool:
    """Ask the user; without a terminal the answer is no."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):  # None if it was closed
        return False
    say(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def say_skipped(skipped: Sequence[Skipped], most: int | None = None) -> None:
    """Print a line for each photo that is not used; beyond `most`, how many more there are."""
    for one in skipped[:most]:
        say(f"Skipped {show(one.path)}: {one.reason}" + (f" ({show(one.detail)})" if one.detail else ""))
    if most is not None and len(skipped) > most:
        say(f"Skipped {len(skipped) - most} more; --json lists them all.")


def print_json(document: dict[str, Any]) -> None:
    r"""The one document on stdout, in ASCII: other characters are escaped (`\u202e`), DEL too, which JSON need not."""
    print(json.dumps(document, indent=2).replace("\x7f", r"\u007f"))


def command_line() -> list[str]:
    """The command that was run, to run it again."""
    return ["headstart", *sys.argv[1:]]


class Bar(Bars):
    """Prints lines; on a terminal also a bar with rate and time left, which stays on the screen."""

    @property
    def visible(self) -> bool:
        """Whether bars are drawn: in a terminal."""
        return sys.stderr.isatty()

    def message(self, text: str) -> None:
        """Print a message above the bar, if there is one."""
        if self._bar is not None:
            self._bar.clear()
        say(text)
        if self._bar is not None:
            self._bar.refresh()

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """Move the bar of a download; without a terminal, print one line when it starts."""
        if not self.visible and self._name != name:
            say(f"Downloading {name}" + (f" ({total / 1e6:,.1f} MB)" if total else ""))
        super().downloading(name, done, total)

    def planned(self, photos: int, new: int, seconds: float) -> None:
        """Print how much there is to do, and start the bar."""
        self.close()
        about = f", about {_duration(seconds)}" if seconds >= 1 else ""
        say(f"{counted(photos, 'file')}, {new:,} to read{about}.")
        super().planned(photos, new, seconds)

    def copying(self, done: int, total: int) -> None:
        """Move the bar of copies."""
        if self._bar is None and done < total:
            self._start("Copying", total, " photos")
        self.advanced(done)

    def drawn(self, label: str, total: int | None, unit: str) -> tqdm[NoReturn]:
        """A bar on stderr with rate and time left."""
        import shutil

        from tqdm import tqdm

        width = shutil.get_terminal_size().columns  # tqdm itself draws nothing on a terminal that reports no width
        tqdm.monitor_interval = 0  # no thread of its own
        return tqdm(desc=label, total=total, unit=unit, unit_scale=unit == "B", ncols=width, file=terminal.for_bars())

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
