"""The environment and the files of settings, read once. Nothing else in this package looks at them, except what a
library reads by itself.

A variable counts for more than `keyway.toml` of the repository, that more than `config.toml` of the person; options
count for more than all of them, and are laid over these settings by `actions.context`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from keyway_core.names import is_repository
from keyway_core.sensitive import Sensitive

from keyway_cli import assistants, config, system
from keyway_cli.errors import Misconfigured

WATCH_SECONDS: Final = 5.0
SHORTEST_WATCH: Final = 0.1
TOKEN_STORES: Final = ("auto", "keyring", "file")
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


class Settings(NamedTuple):
    """What the variables and files of docs/cli.md say; empty means not set."""

    api_url: str
    token: Sensitive | None
    token_store: str
    repository: str
    environment: str
    github_url: str
    dashboard_url: str
    ca_file: str
    ci: bool
    color: bool
    can_open_browser: bool
    assistant: str
    injected: bool
    watch_seconds: float
    config: Path
    state: Path
    cache: Path
    runtime: Path | None
    home: Path
    of_repository: config.FileSettings


def read(environ: Mapping[str, str], folder: Path) -> Settings:
    """The settings of one process. Raises Misconfigured, naming the variable and never a value that could be secret."""
    token = environ.get("KEYWAY_TOKEN", "").strip()
    if not is_token(token):
        raise Misconfigured("KEYWAY_TOKEN holds characters that no token has")
    ours = _directory(environ, "XDG_CONFIG_HOME", ".config", windows="APPDATA")
    local, person = config.of_repository(folder), config.of_person(ours)
    return Settings(
        api_url=environ.get("KEYWAY_API_URL", "").strip() or ("" if local.get("api_url") else person.get("api_url")),
        token=Sensitive(token) if token else None,
        token_store=_token_store(environ.get("KEYWAY_TOKEN_STORE", "").strip() or person.get("token_store")),
        repository=_repository(environ),
        environment=environ.get("KEYWAY_ENVIRONMENT", "").strip()
        or local.get("environment")
        or person.get("environment"),
        github_url=environ.get("KEYWAY_GITHUB_URL", "").strip() or person.get("github_url"),
        dashboard_url=environ.get("KEYWAY_DASHBOARD_URL", "").strip().rstrip("/"),
        ca_file=environ.get("KEYWAY_CA_FILE", "").strip() or person.get("ca_file"),
        ci=environ.get("CI", "").strip().lower() not in _FALSE,
        color=not environ.get("NO_COLOR") and environ.get("TERM") != "dumb",
        can_open_browser=_has_screen(environ),
        assistant=assistants.detected(environ),
        injected=assistants.started_us(environ),
        watch_seconds=_seconds(environ.get("KEYWAY_WATCH_SECONDS", "").strip()),
        config=ours,
        state=_directory(environ, "XDG_STATE_HOME", ".local/state", windows="LOCALAPPDATA"),
        cache=_directory(environ, "XDG_CACHE_HOME", ".cache", windows="LOCALAPPDATA"),
        runtime=_runtime(environ),
        home=_home(environ),
        of_repository=local,
    )


def is_token(text: str) -> bool:
    """Whether a text can travel as a credential: printable ASCII without blanks."""
    return text.isascii() and text.isprintable() and " " not in text


def _token_store(named: str) -> str:
    store = named or "auto"
    if store not in TOKEN_STORES:
        raise Misconfigured("KEYWAY_TOKEN_STORE is not one of " + ", ".join(TOKEN_STORES))
    return store


def _repository(environ: Mapping[str, str]) -> str:
    repository = environ.get("KEYWAY_REPOSITORY", "").strip()
    if repository and not is_repository(repository):
        raise Misconfigured("KEYWAY_REPOSITORY is not of the form owner/name")
    return repository


def _seconds(text: str) -> float:
    try:
        seconds = float(text or WATCH_SECONDS)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_WATCH <= seconds <= 3_600:
        raise Misconfigured("KEYWAY_WATCH_SECONDS is no number of seconds from 0.1 to 3600")
    return seconds


def _has_screen(environ: Mapping[str, str]) -> bool:
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in {"darwin", "win32"} or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path("~").expanduser())


def _directory(environ: Mapping[str, str], variable: str, fallback: str, *, windows: str) -> Path:
    """The folder of ours under an XDG base folder. A relative XDG path is ignored, as that specification says."""
    if system.WINDOWS and environ.get(windows):
        return Path(environ[windows]) / "keyway"
    base = environ.get(variable, "")
    if base and Path(base).is_absolute():
        return Path(base) / "keyway"
    return _home(environ) / fallback / "keyway"


def _runtime(environ: Mapping[str, str]) -> Path | None:
    """The folder of ours that goes when the person signs out of this machine, where there is such a thing."""
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base) / "keyway" if base and Path(base).is_absolute() else None
