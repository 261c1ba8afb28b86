"""Writes docs/configuration.md from the settings classes: `python scripts/configuration_page.py`.

The backend's and the dashboard's variables come from their settings classes, crypto's from what it reads and what
.env.example says of it. `--check` only says whether the page is as it should be.
"""

from __future__ import annotations

import re
import secrets
import sys
import tempfile
from collections import UserDict
from pathlib import Path

from keyway_backend.platform.settings import Settings as Backend
from keyway_crypto import settings as crypto
from keyway_dashboard.settings import Settings as Dashboard
from page import Row, table, write
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
INTRODUCTION = """# Configuration

Every variable of every process. This page is made from the settings classes by `make docs`; the suite compares it.

- `make setup` writes `.env` from `.env.example` and fills in what can be generated. Compose hands each container its
  own variables and no other's; [self-hosting.md](self-hosting.md) says which ones you choose.
- An empty variable counts as one that is not set.
- A secret `NAME` can be given as `NAME_FILE` instead: the path of a file that holds it. Both at once are refused.
- A process that finds something wrong does not start. It names each variable and says what is wrong with it, never what
  it holds.
- The command line has variables of its own: [cli.md](cli.md).
"""
SECTIONS = {
    "backend": "The API, and `keyway-backend worker`. It never gets a key that opens values.",
    "crypto": "The only process that holds `ENCRYPTION_KEY`. Either `ENCRYPTION_KEY` or `ENCRYPTION_KEYS` is needed.",
    "dashboard": "The web application.",
    "compose": "Read by docker compose, for Caddy, the database and the choice of containers.",
}
UNITS = {"_SECONDS": "seconds", "_DAYS": "days"}


class Asked(UserDict[str, str]):
    """An environment that remembers what it was asked for, in order."""

    def __init__(self, given: dict[str, str]) -> None:
        self.names: dict[str, None] = {}
        super().__init__(given)

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """What is given, or the default."""
        self.names[key] = None
        return self.data.get(key, default)

    def pop(self, key: str, *default: str) -> str:  # type: ignore[override]
        """What was given."""
        self.names[key] = None
        return self.data.pop(key, *default)


def of_class(settings: type[BaseModel]) -> list[Row]:
    """A row per variable of a settings class."""
    return [_row(name.upper(), field) for name, field in settings.model_fields.items()]


def of_crypto(example: dict[str, tuple[str, str]]) -> list[Row]:
    """A row per variable that crypto reads, seen by giving it a complete environment."""
    with tempfile.NamedTemporaryFile() as file:
        files = {f"CRYPTO_TLS_{part}_PATH": file.name for part in ("CA", "CERT", "KEY")}
        asked = Asked({"ENCRYPTION_KEY": secrets.token_hex(32), **files})
        crypto.read(asked)
    names = [name for name in asked.names if not name.endswith("_FILE")]
    return [_example_row(name, *example[name], required=name in files) for name in names]


def of_example() -> dict[str, tuple[str, str]]:
    """What .env.example says: default and meaning by name."""
    found: dict[str, tuple[str, str]] = {}
    said = ""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        assigned = re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line)
        if assigned:
            found[assigned[1]] = (assigned[2], said)
        elif line.startswith("# "):
            said = line[2:]
    return found


def page() -> str:
    """The page as it should be."""
    example = of_example()
    rows = {"backend": of_class(Backend), "crypto": of_crypto(example), "dashboard": of_class(Dashboard)}
    known = {row[0].strip("`") for part in rows.values() for row in part}
    rows["compose"] = [_example_row(name, *said) for name, said in example.items() if name not in known]
    header = ("variable", "default", "meaning")
    parts = [f"## {name}\n\n{text}\n\n{table(header, rows[name])}" for name, text in SECTIONS.items()]
    return "\n".join([INTRODUCTION, *parts])


def _row(name: str, field: FieldInfo) -> Row:
    meaning = field.description or ""
    unit = next((f" {unit}" for end, unit in UNITS.items() if name.endswith(end)), "")
    notes = [bounds + unit for bounds in _bounds(field)] + (["a secret"] if field.annotation is SecretStr else [])
    return f"`{name}`", _default(field), meaning + (f" ({'; '.join(notes)})" if notes else "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return (
        f"`{str(default).lower() if isinstance(default, bool) else default}`" if default not in ("", (), None) else ""
    )


def _bounds(field: FieldInfo) -> list[str]:
    low = next((rule.ge for rule in field.metadata if getattr(rule, "ge", None) is not None), None)
    high = next((rule.le for rule in field.metadata if getattr(rule, "le", None) is not None), None)
    if low is None:
        return []
    return [f"from {low} to {high}" if high is not None else f"{low} or more"]


def _example_row(name: str, default: str, meaning: str, *, required: bool = False) -> Row:
    return f"`{name}`", "**needed**" if required else f"`{default}`" * bool(default), meaning


if __name__ == "__main__":
    sys.exit(write(PAGE, page(), check="--check" in sys.argv))
