"""`keyway env`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.group("env")
def command() -> None:
    """List, create, rename and delete environments."""


@command.command("list")
@options.shared()
def list_() -> None:
    """List the environments of the vault, and how much each is guarded."""
    from keyway_cli.actions.environments import list_environments

    list_environments(options.context())


@command.command("create")
@options.shared()
@click.argument("name")
def create(*, name: str) -> None:
    """Make an empty environment. For administrators."""
    from keyway_cli.actions.environments import create_environment

    create_environment(options.context(), name=name)


@command.command("rename")
@options.shared()
@click.argument("name")
@click.argument("new_name")
def rename(*, name: str, new_name: str) -> None:
    """Give an environment another name. Its values and history stay. For administrators."""
    from keyway_cli.actions.environments import rename_environment

    rename_environment(options.context(), name=name, new_name=new_name)


@command.command("delete")
@options.shared("yes")
@click.argument("name")
def delete(*, name: str) -> None:
    """Delete an environment with everything in it, for good. For administrators."""
    from keyway_cli.actions.environments import delete_environment

    delete_environment(options.context(), name=name)
