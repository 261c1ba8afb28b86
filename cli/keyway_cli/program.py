"""The command `keyway`: what it says about itself, and its verbs, each loaded when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

VERBS: Final = ("login", "logout", "whoami", "init", "push", "pull", "run", "set")
_NAMES: Final = {"set": "set_key"}

EPILOG: Final = """\b
Exit codes:
  0    done, or you answered no
  1    an error, for example a .env file that cannot be read
  2    the command cannot be done as it was typed
  3    not signed in
  4    no access, or not found
  5    conflict: somebody else changed the same thing first
  6    the server went back to an older revision
  75   the server cannot answer now; try again later
  78   this machine is not set up: a variable, a file, git
  130  interrupted
`run` exits as its program does; 126 cannot be started, 127 not found.

\b
Variables: KEYWAY_API_URL, KEYWAY_TOKEN, KEYWAY_REPOSITORY, KEYWAY_GITHUB_URL,
KEYWAY_CA_FILE, KEYWAY_TOKEN_STORE, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, CI,
NO_COLOR. Explained in docs/cli.md.
"""


class Verbs(click.Group):
    """The verbs by name, in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every verb."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One verb, loaded now."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(
            import_module(f"keyway_cli.commands.{cmd_name}"), _NAMES.get(cmd_name, cmd_name)
        )
        return command


@click.group(
    cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("-V", "--version", is_flag=True, help="Show the version and exit.")
def keyway(*, version: bool) -> None:
    """Secrets for whoever can reach the repository.

    One vault per GitHub repository, one .env file per environment. Start with: keyway login, keyway init, keyway push.
    Teammates need: keyway login, keyway run -- COMMAND.
    """
