"""Commands whose help lists their options in groups and ends with examples, and groups that keep whole sentences."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from headstart.apps.cli.interrupt import INTERRUPTED
from headstart.report.text.layout import folded

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

#: For paths of files and folders. Whether they exist is checked by the library, which knows what to suggest.
PATH = click.Path(path_type=Path)
argument = click.argument
#: Columns of the names of options; the text for longer ones starts on the next line.
_WIDEST = 24
_FEW = 5


class Choice(click.Choice[str]):
    """One of a few words; a mistyped one gets a suggestion."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Which words there are, and which was probably meant."""
        near = difflib.get_close_matches(str(value), self.choices, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"expected {', '.join(self.choices[:-1])} or {self.choices[-1]}, received '{value}'.{hint}"


class Option(click.Option):
    """An option that is listed in a group of its command's help.

    Args:
        group: heading of the group.
        settings: see `click.Option`.
    """

    def __init__(self, *args: Any, group: str = "Options", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.group = group

    def get_help_extra(self, ctx: click.Context) -> Any:
        """What stands in brackets: the default, but no range such as `0<=x<=4294967295`."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def option(*names: str, group: str = "Options", **settings: Any) -> Callable[[Decorated], Decorated]:
    """Add an option to a command; see `Option`."""
    return click.option(*names, cls=Option, group=group, **settings)


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    with formatter.section("Examples" if len(examples) > 1 else "Example"):
        for example in examples:
            for line in folded(f"  headstart {example}", formatter.width):
                formatter.write(f"{line}\n")


class Command(click.Command):
    """A command with groups of options.

    Args:
        examples: command lines without the first word.
        settings: see `click.Command`.
    """

    def __init__(self, *args: Any, examples: Sequence[str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group under its heading, `Options` last; a few options are one group."""
        rows: list[tuple[str, str, str]] = []
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (row := parameter.get_help_record(ctx)) is not None:
                rows.append((parameter.group if isinstance(parameter, Option) else "Options", *row))
        width = min(_WIDEST, max(len(names) for _, names, _ in rows))
        headings = dict.fromkeys(group for group, _, _ in rows if group != "Options" and len(rows) > _FEW)
        for heading in [*headings, "Options"]:
            with formatter.section(heading):
                formatter.write_dl(
                    [(f"{names:{width}}", text) for group, names, text in rows if group == heading or not headings],
                    col_max=width,
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


class Group(click.Group):
    """A group of commands.

    Args:
        examples: command lines without the first word.
        settings: see `click.Group`.
    """

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Ctrl-C ends it with its exit code, and without the empty line that click would print."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise click.exceptions.Exit(INTERRUPTED) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does, wrapped where click would cut it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1000)) for name, one in self.commands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)
