"""What a shell needs to complete our commands and options."""

from __future__ import annotations

import os
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, get_completion_class

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
VARIABLE: Final = "_KEYWAY_COMPLETE"

_POWERSHELL: Final = """\
Register-ArgumentCompleter -Native -CommandName keyway -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:%(complete_var)s = "powershell_complete"
    $env:COMP_WORDS = $commandAst.ToString()
    $env:COMP_LAST = $wordToComplete
    keyway | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $help)
    }
    Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_LAST
}
"""


class PowerShell(ShellComplete):
    """PowerShell, which click does not know."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is being typed, and that one."""
        words, last = os.environ["COMP_WORDS"].split()[1:], os.environ.get("COMP_LAST", "")
        return (words[:-1] if last and words else words), last

    def format_completion(self, item: CompletionItem) -> str:
        """One line for each."""
        return f"{item.value}\t{item.help or ''}"


def register() -> None:
    """Makes PowerShell known to click."""
    add_completion_class(PowerShell)


def script(program: click.Command, shell: str) -> str:
    """What a shell has to run once."""
    register()
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    maker: Any = found(program, {}, "keyway", VARIABLE)
    if shell == "bash":
        # click asks bash for its version here; the script itself works from 4.4 on.
        return str(maker.source_template % maker.source_vars())
    return str(maker.source())
