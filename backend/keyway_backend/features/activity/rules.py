"""How an audit row is shown (contract.md 4.6, with the supersets of 15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_COUNTED: Final = ("created", "updated", "deleted")


def metadata(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the public dashboard reads beside an action: `key` and `secretName`, `environment`, `count`."""
    details = dict(row["details"] or {})
    found = {name: value for name, value in details.items() if value is not None}
    for name in ("environment", "revision"):
        if row[name] is not None:
            found.setdefault(name, row[name])
    if row["repository"] is not None:
        found.setdefault("repoFullName", row["repository"])
    key = details.get("key") or details.get("secretName") or _only(row["keys"])
    if key is not None:
        found |= {"key": key, "secretName": key}
    if (count := _count(row["keys"], details)) is not None:
        found["count"] = count
    return found or None


def _only(keys: list[str] | None) -> str | None:
    return keys[0] if keys is not None and len(keys) == 1 else None


def _count(keys: list[str] | None, details: Mapping[str, Any]) -> int | None:
    for name in ("count", "secretCount"):
        if isinstance(details.get(name), int):
            return int(details[name])
    if any(isinstance(details.get(name), int) for name in _COUNTED):
        return sum(int(details.get(name) or 0) for name in _COUNTED)
    return len(keys) if keys is not None else None
