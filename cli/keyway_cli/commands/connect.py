"""`keyway connect`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("connect")
@options.shared(vault=False)
@click.argument("provider")
def command(*, provider: str) -> None:
    """Connect your account at a provider: vercel, netlify or railway.

    Railway takes a token, typed unseen or read from stdin; the others ask for your consent in the browser.
    """
    from keyway_cli.actions.connections import connect

    connect(options.context(), provider=provider)
