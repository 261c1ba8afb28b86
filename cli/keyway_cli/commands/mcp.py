"""`keyway mcp`."""

from __future__ import annotations

from importlib.util import find_spec

import click

from keyway_cli.commands import options
from keyway_cli.errors import Misconfigured


@click.command("mcp")
@click.option(
    "--run",
    "run",
    type=click.Choice(("ask", "off")),
    default="ask",
    show_default=True,
    help="Running programs with values: ask the person each time, or not at all.",
)
@options.shared("environment")
def command(*, run: str) -> None:
    """Serve an AI assistant over MCP on standard input and output.

    Your assistant starts this command (docs/mcp.md has its configuration). It works with the names of secrets; no tool
    takes or shows a value. Where something would be lost, or a value is needed, you are asked on a page in your
    browser, which the assistant does not see.
    """
    if find_spec("mcp") is None:
        raise Misconfigured("the MCP server needs one more package", "pip install 'keyway-cli[mcp]'")
    from keyway_cli.mcp.server import serve
    from keyway_cli.mcp.session import Options

    serve(Options(options.asked("vault"), options.asked("environment"), run))
