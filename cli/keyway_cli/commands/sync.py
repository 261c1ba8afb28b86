"""`keyway sync`."""

from __future__ import annotations

import click

from keyway_cli.commands import options


@click.command("sync")
@click.option("--project", metavar="NAME|ID", help="Project there.  [default: the one that there is]")
@click.option("--service", metavar="NAME|ID", help="Service of the project, at Railway.")
@click.option("--provider-env", metavar="NAME", help="Environment there.  [default: called like ours]")
@click.option("--pull/--push", "pull", default=False, help="Take from there, or send there.  [default: push]")
@click.option("--allow-delete", is_flag=True, help="Remove there what the environment has not.")
@options.shared("environment", "yes")
@click.argument("provider")
def command(
    *,
    provider: str,
    project: str | None,
    service: str | None,
    provider_env: str | None,
    pull: bool,
    allow_delete: bool,
) -> None:
    """Make a project at a provider hold what an environment holds.

    Shows the names that would change and asks. With --pull the other way round; a pull only adds.
    """
    from keyway_cli.actions.sync import Wish, sync

    sync(options.context(), Wish(provider, project, service, provider_env, pull, allow_delete))
