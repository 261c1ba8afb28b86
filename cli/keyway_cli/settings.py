"""The environment, read once. Nothing else in this package looks at it, except what a library reads by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from keyway_core.names import is_repository
from keyway_core.sensitive import Sensitive

from keyway_cli.errors import Misconfigured

TOKEN_STORES: Final = ("auto", "keyring", "file")
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


class Settings(NamedTuple):
    """What the variables of docs/cli.md say; empty means not set."""

    api_url: str
    token: Sensitive | None
    token_store: str
    repository: str
    github_url: str
    ca_file: str
    ci: bool
    color: bool
    can_open_browser: bool
    config: Path
    state: Path


def read(environ: Mapping[str, str]) -> Settings:
    """The settings of one process. Raises Misconfigured, naming the variable and never a value that could be secret."""
    token = environ.get("KEYWAY_TOKEN", "").strip()
    if not is_token(token):
        raise Misconfigured("KEYWAY_TOKEN holds characters that no token has")
    return Settings(
        api_url=environ.get("KEYWAY_API_URL", "").strip(),
        token=Sensitive(token) if token else None,
        token_store=_token_store(environ),
        repository=_repository(environ),
        github_url=environ.get("KEYWAY_GITHUB_URL", "").strip(),
        ca_file=environ.get("KEYWAY_CA_FILE", "").strip(),
        ci=environ.get("CI", "").strip().lower() not in _FALSE,
        color=not environ.get("NO_COLOR") and environ.get("TERM") != "dumb",
        can_open_browser=_has_screen(environ),
        config=_directory(environ, "XDG_CONFIG_HOME", ".config", windows="APPDATA"),
        state=_directory(environ, "XDG_STATE_HOME", ".local/state", windows="LOCALAPPDATA"),
    )


def is_token(text: str) -> bool:
    """Whether a text can travel as a credential: printable ASCII without blanks."""
    return text.isascii() and text.isprintable() and " " not in text


def _token_store(environ: Mapping[str, str]) -> str:
    store = environ.get("KEYWAY_TOKEN_STORE", "").strip() or "auto"
    if store not in TOKEN_STORES:
        raise Misconfigured("KEYWAY_TOKEN_STORE is not one of " + ", ".join(TOKEN_STORES))
    return store


def _repository(environ: Mapping[str, str]) -> str:
    repository = environ.get("KEYWAY_REPOSITORY", "").strip()
    if repository and not is_repository(repository):
        raise Misconfigured("KEYWAY_REPOSITORY is not of the form owner/name")
    return repository


def _has_screen(environ: Mapping[str, str]) -> bool:
    if environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in {"darwin", "win32"} or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _directory(environ: Mapping[str, str], variable: str, fallback: str, *, windows: str) -> Path:
    """The folder of ours under an XDG base folder. A relative XDG path is ignored, as that specification says."""
    if os.name == "nt" and environ.get(windows):
        return Path(environ[windows]) / "keyway"
    base = environ.get(variable, "")
    if base and Path(base).is_absolute():
        return Path(base) / "keyway"
    return Path(environ.get("HOME") or Path("~").expanduser()) / fallback / "keyway"
