"""The command line: parse, call one library function, print. Results on stdout, everything else on stderr."""

from __future__ import annotations

from typing import Any, NoReturn

from headstart.apps.cli import interrupt


def main() -> NoReturn:
    """Entry point of the `headstart` command."""
    interrupt.watch()
    try:
        from headstart.apps.cli.console import run

        code = run(_app)
    except KeyboardInterrupt:  # before `run` could catch it
        code = interrupt.INTERRUPTED
    interrupt.leave(code)


def _app(**settings: Any) -> Any:
    try:
        from headstart.apps.cli.commands import app  # takes a moment, in which Ctrl-C may come, too

        return app(**settings)
    except Exception as error:
        if interrupt.pressed():  # some libraries turn Ctrl-C into an error of theirs
            raise KeyboardInterrupt from error
        raise
