"""`keyway login`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("login")
@click.option("--token", "with_token", is_flag=True, help="Sign in with a token: typed unseen, or read from stdin.")
@click.option("--api-url", metavar="URL", help="Server, instead of KEYWAY_API_URL. Later commands remember it.")
@click.option("--adopt", is_flag=True, help="Take over the login that the earlier command line keeps here.")
@options.shared(vault=False)
def command(*, with_token: bool, api_url: str | None, adopt: bool) -> None:
    """Sign in with GitHub.

    Shows a code, and the page of GitHub on which to enter it; that may be on another device. The login is kept in the
    system's keyring, or in a file that only you can read.
    """
    from keyway_cli.actions.login import login

    if with_token and adopt:
        raise click.UsageError("--token and --adopt are two ways to sign in")
    way = "token" if with_token else "adopt" if adopt else ""
    login(options.context(), way=way, api_url=api_url)
