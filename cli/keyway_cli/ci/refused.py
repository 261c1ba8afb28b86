"""Which names are handed to no step, by refused_names.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from keyway_core.names import is_key, is_refused_key

_FILE: Final = Path(__file__).with_name("refused_names.toml")
_NO_NAME: Final = "are no names of variables"
_EVERYWHERE: Final = "change how programs start"


def refused(names: Iterable[str]) -> dict[str, list[str]]:
    """The refused ones among these names, by the reason why."""
    found: dict[str, list[str]] = {}
    for name in names:
        if why := _why(name):
            found.setdefault(why, []).append(name)
    return found


def _why(name: str) -> str:
    """The reason against a name, or nothing."""
    if not is_key(name):
        return _NO_NAME
    folded, (whole, beginnings) = name.upper(), _listed()
    listed = whole.get(folded) or next((why for start, why in beginnings.items() if folded.startswith(start)), "")
    return listed or (_EVERYWHERE if is_refused_key(name) else "")


@cache
def _listed() -> tuple[dict[str, str], dict[str, str]]:
    """Whole names, and beginnings of names, each with the reason."""
    entries = tomllib.loads(_FILE.read_text(encoding="utf-8"))["refused"]
    pairs = [(name, entry["why"]) for entry in entries for name in entry["names"]]
    return (
        {name: why for name, why in pairs if not name.endswith("*")},
        {name[:-1]: why for name, why in pairs if name.endswith("*")},
    )
