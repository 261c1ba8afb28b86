"""What to write into which file, so that an assistant starts `keyway mcp` (docs/mcp.md). The files get committed: no
credential stands in one, the sign-in of the person is enough."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Configuration:
    """One way into one assistant. `place` is a file, or a terminal when it is a command."""

    name: str
    place: str
    text: str
    hint: str = ""

    @property
    def is_command(self) -> bool:
        """Whether it is typed into a terminal."""
        return not self.place


def configurations(api_url: str, vault: str = "") -> list[Configuration]:
    """For every common assistant. With a `vault` it works for that one, wherever the assistant is started."""
    arguments = ["mcp", *(["-r", vault] if vault else [])]
    server = {"command": "keyway", "args": arguments, "env": {"KEYWAY_API_URL": api_url}}
    pinned = server | {"args": ["mcp", "-r", vault or "owner/name"]}
    local = {"type": "local", "command": ["keyway", *arguments], "environment": {"KEYWAY_API_URL": api_url}}
    command = f"claude mcp add keyway -e KEYWAY_API_URL={api_url} -- keyway {' '.join(arguments)}"
    outside = "" if vault else "It starts servers outside of any repository: put yours in the place of owner/name."
    patient = "A person needs longer to answer than a program: hence the timeout."
    return [
        Configuration("Claude Code", "", command),
        Configuration("Claude Code, for the whole team", ".mcp.json", _json({"mcpServers": {"keyway": server}})),
        Configuration(
            "Claude Desktop", "claude_desktop_config.json", _json({"mcpServers": {"keyway": pinned}}), outside
        ),
        Configuration("Cursor", ".cursor/mcp.json", _json({"mcpServers": {"keyway": server}})),
        Configuration("VS Code", ".vscode/mcp.json", _json({"servers": {"keyway": {"type": "stdio", **server}}})),
        Configuration("Codex", "~/.codex/config.toml", _toml(arguments, api_url), patient),
        Configuration("OpenCode", "opencode.json", _json({"mcp": {"keyway": local | {"enabled": True}}})),
        Configuration(
            "Windsurf", "~/.codeium/windsurf/mcp_config.json", _json({"mcpServers": {"keyway": pinned}}), outside
        ),
        Configuration("Zed", "settings.json", _json({"context_servers": {"keyway": server}})),
    ]


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2)


def _toml(arguments: list[str], api_url: str) -> str:
    # A JSON text of plain characters is a TOML text as well.
    lines = [
        "[mcp_servers.keyway]",
        'command = "keyway"',
        f"args = {json.dumps(arguments)}",
        f"env = {{ KEYWAY_API_URL = {json.dumps(api_url)} }}",
        "tool_timeout_sec = 300",
    ]
    return "\n".join(lines)
