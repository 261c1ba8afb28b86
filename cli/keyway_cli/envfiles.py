"""`.env` files of a folder: which there are, which environment each stands for, and how one is read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keyway_core import dotenv
from keyway_core.limits import KEYS_PER_ENVIRONMENT, REQUEST_BODY_BYTES, VALUE_BYTES
from keyway_core.names import is_environment, is_refused_key, is_warned_key
from keyway_core.sensitive import Sensitive

from keyway_cli import git
from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.files import reason, write_private

LARGEST: Final = f"{REQUEST_BODY_BYTES >> 20} MiB, the most that can be sent at once"
DEFAULT_ENVIRONMENT: Final = "development"
_SAMPLES: Final = frozenset({".env.example", ".env.sample", ".env.template"})
_ALIASES: Final = {
    **dict.fromkeys(("local", "dev", "test.local", "development.local", "dev.local"), "development"),
    **dict.fromkeys(("prod", "prod.local", "production.local"), "production"),
    **dict.fromkeys(("stage", "stg", "stage.local", "staging.local"), "staging"),
}


def environment_of(name: str) -> str:
    """The environment that a file name stands for (contract.md 11.5): `.env.prod` is production."""
    match = re.fullmatch(r"\.env\.(.+)", name)
    if match is None:
        return DEFAULT_ENVIRONMENT
    suffix = match[1].lower()
    return _ALIASES.get(suffix, suffix)


def full_name(environment: str) -> str:
    """What a short name of an environment is short for: prod, dev, stg and their like."""
    return _ALIASES.get(environment.lower(), environment)


def checked_environment_of(path: Path) -> str:
    """The same for a file about to be pushed. Raises UsageProblem when no environment can be called that."""
    environment = environment_of(path.name)
    if not is_environment(environment):
        raise UsageProblem(f"{path.name} does not tell its environment", "name it with -e")
    return environment


def candidates(folder: Path) -> list[Path]:
    """The `.env` files of a folder, samples left out, `.env` first."""
    return sorted(
        path
        for path in folder.iterdir()
        if re.fullmatch(r"\.env(\..+)?", path.name) and path.name not in _SAMPLES and path.is_file()
    )


def read_text(path: Path) -> str:
    """The text of a `.env` file. Raises KeywayError naming the file and, for bad bytes, the line."""
    try:
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise KeywayError(f"{path} {what}", "name another file")
        if path.stat().st_size > REQUEST_BODY_BYTES:
            raise KeywayError(f"{path} is larger than {LARGEST}", "is it a .env file? -f names another")
        return dotenv.decode(path.read_bytes())
    except OSError as error:
        raise KeywayError(f"cannot read {path}: {reason(error)}") from None
    except dotenv.DotenvError as error:
        raise unreadable(path, error) from None


def read(path: Path) -> dotenv.Dotenv:
    """What a `.env` file assigns. Raises KeywayError naming the file and the line."""
    text = read_text(path)
    try:
        return dotenv.parse(text)
    except dotenv.DotenvError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: dotenv.DotenvError) -> KeywayError:
    """The grammar's refusal as a message: file, line, reason; never the text of the line."""
    return KeywayError(f"{path}:{error.line}: {error.reason}", "what a .env file may hold: docs/dotenv.md")


def check_storable(path: Path, file: dotenv.Dotenv) -> list[str]:
    """What the server would refuse, found first because here the line is known. Answers warnings.

    Raises KeywayError for refused names, values over the limit and too many keys (policy.yaml `limits`).
    """
    refused = [f"line {file.line(key)}: {key}" for key in file if is_refused_key(key)]
    if refused:
        raise KeywayError(
            f"{path}: {'; '.join(refused)}: names that change how programs start are not stored",
            "remove or rename them",
        )
    for key, value in file.items():
        if (size := len(value.reveal().encode())) > VALUE_BYTES:
            raise KeywayError(f"{path}:{file.line(key)}: {key} has {size} bytes; a value may have {VALUE_BYTES}")
    if len(file) > KEYS_PER_ENVIRONMENT:
        raise KeywayError(f"{path} has {len(file)} keys; an environment may have {KEYS_PER_ENVIRONMENT}")
    warned = [key for key in file if is_warned_key(key)]
    return [f"{key} changes how an interpreter starts, for everyone who uses this environment" for key in warned]


def merged(path: Path, text: str, values: Mapping[str, Sensitive]) -> str:
    """The text of a file with these values in it, its other lines as they are."""
    try:
        return dotenv.update(text, values)
    except dotenv.DotenvError as error:
        raise unreadable(path, error) from None


def write(path: Path, text: str) -> None:
    """Replaces a `.env` file, mode 0600, whole or not at all. `path` comes from `real_target`."""
    write_private(path, text.encode())


def real_target(path: Path) -> Path:
    """The file that is written for a path: the path itself, or what a symlink to inside the same repository points at.

    Raises KeywayError for a link that leads elsewhere (a cloned repository could aim it at any file of yours), for
    what is no regular file, and for a folder that does not exist.
    """
    target = real_source(path)
    if target.exists() and not target.is_file():
        raise KeywayError(f"{path} is no regular file", "name another file")
    if not target.parent.is_dir():
        raise KeywayError(f"{target.parent} is no folder", "make it first, or name another file")
    return target


def real_source(path: Path) -> Path:
    """The file that a path stands for. Raises KeywayError for a link that leads out of the repository, or nowhere."""
    try:
        target = path.resolve()
        target.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        why = reason(error) if isinstance(error, OSError) else "the link leads to itself"
        raise KeywayError(f"{path} cannot be used: {why}", "name another file") from None
    if path.is_symlink() and not _inside_same_repository(path, target):
        raise KeywayError(
            f"{path} is a link to {target}, outside of this repository", f"if you mean that file: -f {target}"
        )
    return target


def _inside_same_repository(path: Path, target: Path) -> bool:
    root = git.top_level(path.absolute().parent)
    home = (root or path.absolute().parent).resolve()
    return target.is_relative_to(home) and not git.leads_into(target.relative_to(home))
