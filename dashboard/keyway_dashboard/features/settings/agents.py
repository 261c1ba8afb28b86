"""From a User-Agent to what a person calls the device. A guess for display; nothing is decided by it."""

from __future__ import annotations

from typing import Final

_BROWSERS: Final = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"),
                    ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS: Final = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
                   ("Mac OS X", "macOS"), ("Linux", "Linux"))  # fmt: skip


def device(agent: str, kind: str) -> str:
    """Firefox on Linux, Command line, ..."""
    if kind == "cli":
        return "Command line"
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return " on ".join(part for part in (browser, system) if part) or "Unknown browser"
