"""Whether an environment has every name that a program needs. Names only: no value is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from keyway_core.names import is_key

from keyway_cli import envfiles, vaults
from keyway_cli.actions.context import Context
from keyway_cli.actions.names import existing
from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.files import reason, working_folder

_SAMPLES: Final = (".env.example", ".env.sample", ".env.template")
_SUFFIXES: Final = frozenset(
    re.findall(
        r"\.\w+",
        ".py .js .mjs .cjs .ts .mts .cts .jsx .tsx .vue .svelte .astro .rb .go .rs .java .kt .kts .scala .cs .php .ex "
        ".exs .swift .dart",
    )
)
_SKIPPED: Final = frozenset(
    re.findall(r"\S+", "node_modules vendor dist build target venv __pycache__ coverage site-packages third_party")
)
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 1_000_000
_NAME: Final = r"([A-Z_][A-Z0-9_]{1,255})"
_QUOTED: Final = rf"""\s*["'`]{_NAME}["'`]"""
_USES: Final = re.compile(
    rf"\b(?:process|import\.meta)\.env\.{_NAME}\b"
    rf"|\b(?:process|import\.meta)\.env\[{_QUOTED}"
    rf"|\bos\.environ\[{_QUOTED}"
    rf"|\b(?:os\.environ\.get|os\.getenv|getenv|System\.getenv|os\.Getenv|os\.LookupEnv|env::var|env::var_os|env!|"
    rf"Deno\.env\.get|Bun\.env\.get|System\.(?:get_env|fetch_env!)|ENV\.fetch|GetEnvironmentVariable|env)\({_QUOTED}"
    rf"|\b(?:ENV|\$_ENV|\$_SERVER)\[{_QUOTED}"
)
# What the system, a shell or a runner sets, and no vault does.
_GIVEN: Final = frozenset(
    re.findall(
        r"\w+",
        "PATH HOME USER LOGNAME SHELL TERM LANG TZ TMPDIR PWD CI NODE_ENV DEBUG PORT HOST HOSTNAME EDITOR NO_COLOR "
        "FORCE_COLOR",
    )
)


def validate(context: Context, *, required: tuple[str, ...], auto_detect: bool, path: str | None) -> None:
    """Prints what is there and what is missing. Required is what was named, else a sample file, else the code."""
    place, api = context.place(), context.api()
    names, source = _required(required, auto_detect=auto_detect, path=path)
    found = {
        str(secret.get("key"))
        for secret in vaults.secrets(api, place.repository)
        if secret.get("environment") == place.environment
    }
    if not found:
        existing(api, place.repository, place.environment)
    missing, present = sorted(names - found), sorted(names & found)
    coverage = round(100 * len(present) / len(names), 1) if names else 100.0
    told = f"{len(missing)} of {len(names)} missing" if missing else f"all {len(names)} are there"
    context.terminal.result(
        {
            "valid": not missing,
            "environment": place.environment,
            "repository": place.repository,
            "source": source,
            "required": sorted(names),
            "missing": missing,
            "present": present,
            "extra": sorted(found - names),
            "stats": {
                "requiredCount": len(names),
                "presentCount": len(present),
                "missingCount": len(missing),
                "coverage": coverage,
            },
            "message": f"{place.environment}: {told}",
        },
        f"{place}: {told}" + (f": {', '.join(missing)}" if missing else ""),
    )


def _required(named: tuple[str, ...], *, auto_detect: bool, path: str | None) -> tuple[set[str], str]:
    if wrong := [name for name in named if not is_key(name)]:
        raise UsageProblem(f"{len(wrong)} of the required names can be no key")
    root = Path(path) if path else working_folder()
    if named and not auto_detect:
        return set(named), "named"
    if root.is_file():
        return set(named) | (_of_code([root]) if root.suffix in _SUFFIXES else set(envfiles.read(root))), root.name
    if not root.is_dir():
        raise UsageProblem(f"{root} does not exist")
    sample = next((root / name for name in _SAMPLES if (root / name).is_file()), None)
    if sample is not None and not auto_detect:
        return set(envfiles.read(sample)), sample.name
    in_sample = set(envfiles.read(sample)) if sample else set()
    found = set(named) | in_sample | _of_code(_files(root))
    if not found:
        raise UsageProblem("neither a sample file nor code that reads variables was found", "name what is required")
    return found, "code" + (f" and {sample.name}" if sample else "")


def _files(root: Path) -> Iterator[Path]:
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix in _SUFFIXES and not path.is_symlink():
                count += 1
                if count > _MOST_FILES:
                    raise KeywayError(f"there are more than {_MOST_FILES} files of code", "name a folder with less")
                yield path


def _of_code(paths: Iterator[Path] | list[Path]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode(errors="replace")
        except OSError as error:
            raise KeywayError(f"cannot read {path}: {reason(error)}") from None
        found.update(name for match in _USES.findall(text) for name in match if name)
    return found - _GIVEN
