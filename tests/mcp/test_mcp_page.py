"""What the server offers, compared with what was agreed (tools.json) and with what docs/mcp.md says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from assistant import assistant
from person import Person

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("tools.json")
# contract.md 12: names and inputs that public prompts use. `value` is refused.
CONTRACT = {
    "keyway_list_secrets": {"environment"},
    "keyway_set_secret": {"name", "environment"},
    "keyway_inject_run": {"command", "args", "environment", "timeout"},
    "keyway_list_environments": set(),
    "keyway_scan": {"path", "exclude"},
    "keyway_diff": {"env1", "env2"},
    "keyway_generate": {"name", "type", "length", "environment"},
    "keyway_validate": {"environment", "required", "autoDetect", "path"},
}


def offered(person: Person, mode: str) -> dict[str, Any]:
    """Every tool as a client sees it."""

    async def ask() -> dict[str, Any]:
        async with assistant(person, None, mode=mode) as connected:
            tools = await connected.tools()
        return {tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools}

    return asyncio.run(ask())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools_are_those_of_the_snapshot(tmp_path: Path, mode: str) -> None:
    """In both eras of the protocol.

    After a wanted change: `PYTHONPATH=tests:tests/cli .venv/bin/python tests/mcp/test_mcp_page.py`.
    """
    found = offered(Person(tmp_path / "p"), mode)
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_tool_says_what_it_may_do() -> None:
    """All hints are there; what destroys says DESTRUCTIVE first and does not claim to only read; no input is free."""
    tools = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    for name, tool in tools.items():
        hints = tool["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} <= hints.keys(), name
        assert tool["description"].startswith("DESTRUCTIVE") == hints["destructiveHint"], name
        assert not (hints["destructiveHint"] and hints["readOnlyHint"]), name
        assert tool["inputSchema"]["additionalProperties"] is False, name
        assert "value" not in tool["inputSchema"]["properties"], name
    for name, inputs in CONTRACT.items():
        assert set(tools[name]["inputSchema"]["properties"]) == inputs, name


def test_the_page_has_a_section_for_every_tool() -> None:
    """`make docs` would change nothing."""
    done = subprocess.run([sys.executable, ROOT / "scripts" / "mcp_page.py", "--check"], check=False)
    assert done.returncode == 0, "run `make docs`"


def test_the_configurations_on_the_page_can_be_read_and_start_the_server() -> None:
    """Each block is what it says it is, and each runs `keyway mcp`."""
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    blocks = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    blocks += [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 9
    for block in blocks:
        server = block
        while "command" not in server:
            server = server.get("servers") or server.get("keyway") or next(iter(server.values()))
        command = server["command"]
        started = command if isinstance(command, list) else [command, *server["args"]]
        assert started[:2] == ["keyway", "mcp"]
    for name in ("Claude Code", "Claude Desktop", "Cursor", "VS Code", "Codex", "OpenCode", "Windsurf", "Zed"):
        assert f"\n### {name}\n" in page


if __name__ == "__main__":
    import tempfile

    sys.path.append(str(ROOT / "tests" / "cli"))
    with tempfile.TemporaryDirectory() as folder:
        tools = offered(Person(Path(folder, "p")), "auto")
    SNAPSHOT.write_text(json.dumps(tools, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
