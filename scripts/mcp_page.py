"""Writes a section for every tool of `keyway mcp` into docs/mcp.md: `python scripts/mcp_page.py`.

What else the page says is left alone. `--check` only says whether the page is as it should be.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from keyway_cli.mcp.catalogue import TOOLS
from keyway_cli.mcp.tool import Tool

PAGE = Path(__file__).resolve().parent.parent / "docs" / "mcp.md"
BEGIN, END = "<!-- tools: made by scripts/mcp_page.py -->\n", "<!-- end of tools -->"


def section(tool: Tool) -> str:
    """What the page says of a tool."""
    hints = {
        "read only": tool.read_only,
        "destructive": tool.destructive,
        "idempotent": tool.idempotent,
        "open world": tool.open_world,
    }
    kinds = ", ".join(word for word, is_so in hints.items() if is_so) or "adds, and loses nothing"
    lines = [f"### {tool.name}", "", f"{tool.title} ({kinds}). {tool.description}", "", tool.told, ""]
    if tool.properties:
        lines += ["| input | type | |", "|---|---|---|"]
        lines += [_row(name, schema, tool) for name, schema in tool.properties.items()]
    else:
        lines.append("No input.")
    return "\n".join([*lines, "", ""])


def written(page: str) -> str:
    """The page with every section as it should be."""
    made = BEGIN + "\n" + "".join(map(section, TOOLS.values())) + END
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: made, page, flags=re.DOTALL)


def _row(name: str, schema: dict[str, Any], tool: Tool) -> str:
    kind = "list of texts" if schema["type"] == "array" else {"string": "text"}.get(schema["type"], schema["type"])
    words = schema["description"] + (f" One of {', '.join(schema['enum'])}." if "enum" in schema else "")
    if "minimum" in schema:
        words += f" {schema['minimum']} to {schema['maximum']}."
    return f"| `{name}`{' (needed)' if name in tool.required else ''} | {kind} | {words} |"


def main() -> int:
    """Writes the page, or with --check compares it."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = written(page)
    if "--check" in sys.argv:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
