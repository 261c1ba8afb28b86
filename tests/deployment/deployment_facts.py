"""What the deployment's files say, read once for all its tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PRIVATE_NETWORKS = {"edge", "database", "crypto", "counters"}


def compose() -> dict[str, Any]:
    """docker-compose.yml, anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def services() -> dict[str, dict[str, Any]]:
    """Its services."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def interpolated(text: str) -> set[str]:
    """Every variable that a compose text takes from .env."""
    return set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", text))


def example_text() -> str:
    """.env.example."""
    return (ROOT / ".env.example").read_text(encoding="utf-8")


def example_names() -> list[str]:
    """Every variable that .env.example names, those shown as a default with # included."""
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=", example_text(), re.MULTILINE)
