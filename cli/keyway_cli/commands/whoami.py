"""`keyway whoami`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command()
@options.as_json
def whoami(*, as_json: bool) -> None:
    """Show who the server takes you for."""
    from keyway_cli.actions.whoami import whoami as act

    act(options.context(as_json=as_json))
