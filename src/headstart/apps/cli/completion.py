"""`headstart completion`: the script that makes a shell complete commands, options and file names."""

from __future__ import annotations

import os

import click
from click import shell_completion

from headstart.apps.cli.grouping import Choice, Command, argument

_VARIABLE = "_HEADSTART_COMPLETE"


class PowerShell(shell_completion.ShellComplete):
    """Completion in PowerShell, which completes file names itself where the script returns nothing."""

    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $cursor)
    $before = $line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor }
    $env:COMP_WORDS = ($before | ForEach-Object { $_.ToString() }) -join "`n"
    $env:COMP_CWORD = $word
    $env:%(complete_var)s = "powershell_complete"
    try {
        %(prog_name)s | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $help)
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:%(complete_var)s
    }
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and that one, as the script passes them."""
        words = [word.strip("'\"") for word in os.environ["COMP_WORDS"].split("\n")]
        return words[1:], os.environ.get("COMP_CWORD", "").strip("'\"")  # PowerShell drops an empty variable

    def format_completion(self, item: shell_completion.CompletionItem[str]) -> str:
        """A line for the script: the word, a tab, and what it means; nothing for a file name."""
        if item.type != "plain":
            return ""
        return f"{item.value}\t{' '.join((item.help or item.value).split())}"

    def complete(self) -> str:
        """All lines but empty ones."""
        return "\n".join(filter(None, super().complete().split("\n")))


shell_completion.add_completion_class(PowerShell)
_SHELLS: dict[str, type[shell_completion.ShellComplete]] = {
    "bash": shell_completion.BashComplete,
    "zsh": shell_completion.ZshComplete,
    "fish": shell_completion.FishComplete,
    "powershell": PowerShell,
}


@click.command(cls=Command, examples=("completion bash >> ~/.bashrc",))
@argument("shell", type=Choice(list(_SHELLS)), help="bash (4.4 or newer), zsh, fish or powershell.")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script that completes headstart's commands and options in a shell.

    \b
    Where the script belongs:
    bash        ~/.bashrc
    zsh         ~/.zshrc, after compinit
    fish        ~/.config/fish/completions/headstart.fish
    powershell  the file that $PROFILE names

    Then open a new terminal.
    """
    script = _SHELLS[shell](context.find_root().command, {}, "headstart", _VARIABLE)
    print(script.source_template % script.source_vars())
