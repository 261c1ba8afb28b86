"""`keyway api-keys`."""

from __future__ import annotations

import click

from keyway_cli.commands import options

_SCOPES = ("read:secrets", "write:secrets", "delete:secrets", "admin:api-keys")


@click.group("api-keys")
def command() -> None:
    """List, create and revoke API keys."""


@command.command("list")
@click.option("--revoked", is_flag=True, help="Show those that have ended, too.")
@options.shared(vault=False)
def list_(*, revoked: bool) -> None:
    """List your API keys, without their tokens."""
    from keyway_cli.actions.api_keys import list_keys

    list_keys(options.context(), revoked=revoked)


@command.command("create")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    default=("read:secrets",),
    show_default=True,
    help="What it may do; can be repeated.",
)
@click.option("--days", type=click.IntRange(1, 365), help="Days until it ends.  [default: the server's]")
@click.option("--ip", "addresses", metavar="ADDRESS", multiple=True, help="Where it may be used from; repeatable.")
@click.option("--all-vaults", "everywhere", is_flag=True, help="For every vault of yours, instead of this one.")
@options.shared()
@click.argument("name")
def create(
    *, name: str, scopes: tuple[str, ...], days: int | None, addresses: tuple[str, ...], everywhere: bool
) -> None:
    """Make an API key for this vault and print its token, this once.

    Only the token goes to stdout.
    """
    from keyway_cli.actions.api_keys import Wanted, create_key

    create_key(options.context(), Wanted(name, scopes, days, addresses, everywhere))


@command.command("revoke")
@options.shared("yes", vault=False)
@click.argument("key", metavar="NAME|ID")
def revoke(*, key: str) -> None:
    """End an API key, at once and for good."""
    from keyway_cli.actions.api_keys import revoke_key

    revoke_key(options.context(), named=key)
