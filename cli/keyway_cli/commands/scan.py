"""`keyway scan`."""

from __future__ import annotations

from typing import Any

import click

from keyway_cli.commands import options


@click.command("scan")
@click.option("--staged", is_flag=True, help="Scan what the next commit would add.")
@click.option("--history", is_flag=True, help="Scan every version of every file in all commits, each once.")
@click.option("--values", is_flag=True, help="Look for values of this vault too. Counts as reading them.")
@click.option("--include-ignored", is_flag=True, help="Scan files that git ignores too.")
@click.option("--exclude", metavar="PATTERN", multiple=True, help="Leave files out, as a line of .keywayignore does.")
@click.option("--baseline", default="", metavar="FILE", help="Leave out the finds that this file knows.")
@click.option(
    "--write-baseline", default="", metavar="FILE", help="Write what is found now to a baseline. It holds no value."
)
@click.option("--sarif", is_flag=True, help="Print SARIF 2.1.0 for code scanning.")
@click.option("--install-hook", is_flag=True, help="Scan staged changes before every commit, then stop.")
@options.environment_elsewhere("with --values: every one that you may read")
@options.shared()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.pass_context
def command(
    click_context: click.Context,
    /,
    *,
    install_hook: bool,
    **asked: Any,
) -> None:
    """Look for secrets in files, staged changes or the history.

    Without a path: the files of this folder that git would not ignore. Shows kind and place of each find, never its
    value. Nothing that is scanned leaves this machine; --values asks the server for keyed digests and compares here.

    A line that says keyway:allow is left out, and what .keywayignore names.

    Exits with 0 when nothing was found, 1 when something was, 2 when something went wrong.
    """
    from keyway_cli.actions.scan import Wanted, scan
    from keyway_cli.actions.scan import install_hook as install

    if install_hook:
        install(options.context())
        return
    click_context.exit(scan(options.context(), Wanted(**asked)))
