"""The command `keyway`: what it says about itself, and its verbs, each loaded when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from keyway_cli.errors import EXPLAINED
from keyway_cli.registry import SECTIONS, VERBS, module_of

_CODES: Final = "\n".join(f"  {int(code):<4} {words}" for code, words in EXPLAINED.items())
EPILOG: Final = f"""\b
Exit codes:
{_CODES}
`run` exits as its program does; 126 cannot be started, 127 not found, 128+n
killed by signal n. `diff` and `scan` have their own: 1 is a difference, a find.

\b
Settings come from options, then variables, then keyway.toml of the repository,
then config.toml in your configuration folder. All of them: docs/cli.md.
"""


class Verbs(click.Group):
    """The verbs by name, in sections."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every verb."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One verb, loaded now."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(module_of(cmd_name)).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that was typed. An unknown one is told with the verbs that look like it."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = " or ".join(get_close_matches(args[0], VERBS, 2))
            asked = f"did you mean {near}? " if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}; {asked}keyway --help shows them all.", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with what each does."""
        width = max(map(len, VERBS))
        for title, names in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self._short_help(ctx, name)) for name in names])

    def _short_help(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=80) if command else ""


@click.group(
    cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("-V", "--version", is_flag=True, help="Show the version and exit.")
def keyway(*, version: bool) -> None:
    """Secrets for whoever can reach the repository.

    One vault per GitHub repository, one .env file per environment. Start with: keyway login, keyway init, keyway push.
    Teammates need: keyway login, keyway run -- COMMAND.
    """
