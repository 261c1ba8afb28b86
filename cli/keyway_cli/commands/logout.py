"""`keyway logout`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("logout")
@options.shared(vault=False)
def command() -> None:
    """Revoke the login and forget it.

    When the server cannot be told, the login is removed here all the same and the exit code is 75.
    """
    from keyway_cli.actions.logout import logout

    logout(options.context())
