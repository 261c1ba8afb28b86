"""`keyway import`."""

from __future__ import annotations

import click

from keyway_cli.commands import options

_PROVIDERS = ("doppler", "infisical", "vault", "dotenvx", "1password", "bitwarden", "k8s", "aws")
_FROM = ("dotenv", "json", "yaml", "csv", "docker", *_PROVIDERS)


@click.command("import", options_metavar="[OPTIONS]")
@click.option("--from", "source", type=click.Choice(_FROM), help="What wrote the file.  [default: recognised]")
@click.option("--only", metavar="KEY,...", multiple=True, help="These keys alone; * and ? are understood.")
@click.option("--except", "excluded", metavar="KEY,...", multiple=True, help="All keys but these.")
@click.option("--apply", is_flag=True, help="Do it, instead of only showing it.")
@options.shared("environment", "yes", "accept_rollback")
@click.argument("file", metavar="FILE")
@click.pass_context
def command(
    click_context: click.Context,
    /,
    *,
    file: str,
    source: str | None,
    only: tuple[str, ...],
    excluded: tuple[str, ...],
    apply: bool,
) -> None:
    """Bring the keys of another program's export file into an environment.

    Shows for every key whether it would be added, changed, stays, is refused or is left out, and why; values are shown
    nowhere. Then a person is asked; elsewhere nothing is sent without --apply, and nothing is overwritten without
    --yes. Keys that only the environment has stay. - reads from stdin.

    \b
    doppler    doppler secrets download --no-file --format json
    infisical  infisical export --format json
    vault      vault kv get -format=json PATH, a tree of paths
    dotenvx    dotenvx decrypt --stdout
    1password  op item get NAME --format json, .1pux, .csv
    bitwarden  bws secret list, bw export --format json, .csv
    k8s        kubectl get secret NAME -o yaml
    aws        aws secretsmanager get-secret-value
    """
    from keyway_cli.actions.import_ import Wanted, import_file

    click_context.exit(import_file(options.context(), Wanted(file, source, only, excluded, apply)))
