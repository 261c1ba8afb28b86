"""How keys, environments and repositories may be called (policy.yaml `limits.key_names`, `limits.environment`)."""

from __future__ import annotations

import re
from typing import Final

KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}", re.ASCII)
ENVIRONMENT: Final = re.compile(r"[a-z][a-z0-9_-]{1,29}", re.ASCII)
REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", re.ASCII)

NEW_VAULT_ENVIRONMENTS: Final = ("development", "staging", "production")

_REFUSED: Final = frozenset({"PATH", "BASH_ENV", "ENV", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT"})
_REFUSED_PREFIX: Final = "LD_"
_WARNED: Final = frozenset({"NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS"})


def is_key(name: str) -> bool:
    """Whether a key has the form that every shell and every client can carry."""
    return KEY.fullmatch(name) is not None


def is_refused_key(name: str) -> bool:
    """Whether a key would change how a process starts, so that no server stores it and no client injects it."""
    return name in _REFUSED or name.startswith(_REFUSED_PREFIX)


def is_warned_key(name: str) -> bool:
    """Whether a key is legal but changes how an interpreter starts: worth a warning."""
    return name in _WARNED


def is_environment(name: str) -> bool:
    """Whether an environment may be created under this name."""
    return ENVIRONMENT.fullmatch(name) is not None


def is_repository(full_name: str) -> bool:
    """Whether the text has the form owner/name. `.` and `..` are no names."""
    if REPOSITORY.fullmatch(full_name) is None:
        return False
    return not any(part in {".", ".."} for part in full_name.split("/"))


def unstorable(value: str) -> str | None:
    """Why a value cannot be stored ("NUL" or "a lone surrogate"), or None. Length is judged elsewhere."""
    if "\0" in value:
        return "NUL"
    return "a lone surrogate" if any("\ud800" <= char <= "\udfff" for char in value) else None
