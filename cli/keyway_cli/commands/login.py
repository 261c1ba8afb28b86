"""`keyway login`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("login")
@click.option("--token", "with_token", is_flag=True, help="Sign in with a token: typed unseen, or read from stdin.")
@click.option("--api-url", metavar="URL", help="Server, instead of KEYWAY_API_URL. Later commands remember it.")
@options.shared(vault=False)
def command(*, with_token: bool, api_url: str | None) -> None:
    """Sign in with GitHub.

    Shows a code, and the page of GitHub on which to enter it; that may be on another device. The login is kept in the
    system's keyring, or in a file that only you can read.
    """
    from keyway_cli.actions.login import login

    login(options.context(), with_token=with_token, api_url=api_url)
