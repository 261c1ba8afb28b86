"""`keyway completion`."""

from __future__ import annotations

import click

_INSTALL = {
    "bash": 'add to ~/.bashrc:  eval "$(keyway completion bash)"',
    "zsh": 'add to ~/.zshrc:  eval "$(keyway completion zsh)"',
    "fish": "keyway completion fish > ~/.config/fish/completions/keyway.fish",
    "powershell": "add to $PROFILE:  keyway completion powershell | Out-String | Invoke-Expression",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(sorted(_INSTALL)))
@click.pass_context
def command(context: click.Context, /, *, shell: str) -> None:
    """Print what a shell needs to complete commands and options.

    \b
    bash        eval "$(keyway completion bash)"                 in ~/.bashrc
    zsh         eval "$(keyway completion zsh)"                  in ~/.zshrc
    fish        keyway completion fish > ~/.config/fish/completions/keyway.fish
    powershell  keyway completion powershell | Out-String | Invoke-Expression
    """
    import sys

    from keyway_cli.actions.completion import script

    if sys.stdout.isatty():
        click.echo(f"to have it always, {_INSTALL[shell]}", err=True)
    click.echo(script(context.find_root().command, shell))
