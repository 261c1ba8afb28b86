"""Settings that stand in files: `keyway.toml` of the repository, and `config.toml` of the person.

The repository's file comes with a clone, so that it may have been written by a stranger. It may name an environment, a
vault and a server; whether the last two are believed is decided where they are used (`actions.context`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from keyway_cli.errors import Misconfigured
from keyway_cli.files import reason
from keyway_cli.terminal import one_line

REPOSITORY_FILE: Final = "keyway.toml"
USER_FILE: Final = "config.toml"
_OF_REPOSITORY: Final = frozenset({"vault", "environment", "api_url"})
_OF_PERSON: Final = frozenset({"environment", "api_url", "github_url", "ca_file", "token_store"})


class FileSettings(NamedTuple):
    """What a file says, by name; the path is for messages."""

    path: Path
    values: dict[str, str]

    def get(self, name: str) -> str:
        """One setting; empty means not set."""
        return self.values.get(name, "")


def of_repository(folder: Path) -> FileSettings:
    """`keyway.toml` of this folder or of one above it, up to the root of the work tree."""
    for place in (folder, *folder.parents):
        path = place / REPOSITORY_FILE
        if path.is_file():
            return FileSettings(path, _read(path, _OF_REPOSITORY))
        if (place / ".git").exists():  # a folder, or in worktrees and submodules a file
            break
    return FileSettings(folder / REPOSITORY_FILE, {})


def of_person(config: Path) -> FileSettings:
    """`config.toml` in the configuration folder."""
    path = config / USER_FILE
    return FileSettings(path, _read(path, _OF_PERSON) if path.is_file() else {})


def _read(path: Path, known: frozenset[str]) -> dict[str, str]:
    import tomllib

    try:
        found: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {reason(error)}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise Misconfigured(f"{path} is not TOML") from None
    strange = sorted(name for name in found if name not in known)
    if strange:
        raise Misconfigured(
            f"{path} has what is no setting of it: {one_line(', '.join(strange))}",
            f"it knows {', '.join(sorted(known))}",
        )
    wrong = sorted(name for name, value in found.items() if not isinstance(value, str) or not value.isprintable())
    if wrong:
        raise Misconfigured(f"{path}: {one_line(', '.join(wrong))} must be a text")
    return {name: value.strip() for name, value in found.items()}
