"""`keyway export`."""

from __future__ import annotations

import click

from keyway_cli.commands import options

_FORMATS = ("dotenv", "json", "yaml", "csv", "shell", "docker", "github", "k8s", "tfvars")


@click.command("export")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="dotenv", show_default=True, help="Format.")
@click.option("-o", "--output", metavar="PATH", help="Write into this file, readable by you alone, instead of stdout.")
@click.option("--only", metavar="KEY,...", multiple=True, help="These keys alone; * and ? are understood.")
@click.option("--except", "excluded", metavar="KEY,...", multiple=True, help="All keys but these.")
@click.option("--prefix", metavar="TEXT", default="", help="Put this before the name of each key.")
@click.option("--name", metavar="NAME", help="Name of the Secret (k8s).  [default: repository-environment]")
@options.shared("environment", "yes", "accept_rollback")
def command(
    *,
    form: str,
    output: str | None,
    only: tuple[str, ...],
    excluded: tuple[str, ...],
    prefix: str,
    name: str | None,
) -> None:
    """Print the values of an environment in the format of another program.

    \b
    dotenv  a .env file              docker  docker run --env-file
    json    one object               github  for >> "$GITHUB_ENV"
    yaml    one mapping              k8s     a Secret of Kubernetes
    csv     a header, then lines     tfvars  Terraform, OpenTofu
    shell   eval "$(keyway export --format shell)"

    A value that a format cannot carry is refused by its name, and then nothing is printed. With --json the text stands
    in one object. Where an assistant reads along, nothing is printed unless a person confirms it at a terminal.
    """
    from keyway_cli.actions.export import Wanted, export

    export(options.context(), Wanted(form, output, only, excluded, prefix, name))
