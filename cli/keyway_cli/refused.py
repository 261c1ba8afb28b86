"""Which names no program is given as variables, and no file of ours holds for one."""

from __future__ import annotations

from typing import Final

from keyway_core.names import is_refused_key

from keyway_cli import system

_LOADER_OF_MACOS: Final = "DYLD_"


def is_refused(name: str) -> bool:
    """What no server of ours stores, and what loads code into programs of other systems. On Windows case is nothing."""
    known = name.upper() if system.WINDOWS else name
    return is_refused_key(known) or known.startswith(_LOADER_OF_MACOS)
