"""Runs one process from the variables of .env: `scripts/dev backend` or `scripts/dev dashboard`.

It gets the variables that its settings know, and no others: above all not ENCRYPTION_KEY, which the backend refuses.
A variable of the shell goes before one of .env: `PORT=8090 scripts/dev backend`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from keyway_core import dotenv

SETTINGS: Final = {
    "backend": "keyway_backend.platform.settings",
    "dashboard": "keyway_dashboard.settings",
}
PASSED_ON: Final = ("PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


def environment_of(process: str) -> dict[str, str]:
    """The variables of one process, from .env and the shell."""
    text = Path(".env").read_text(encoding="utf-8")
    given = {name: value.reveal() for name, value in dotenv.parse(text).items()} | dict(os.environ)
    known = {name.upper() for name in import_module(SETTINGS[process]).Settings.model_fields}
    wanted = known | {f"{name}_FILE" for name in known} | set(PASSED_ON)
    return {name: value for name, value in given.items() if name in wanted}


def main() -> NoReturn:
    """Becomes the process. 2 for a wrong word, 1 without a readable .env."""
    process = sys.argv[1] if len(sys.argv) == 2 else ""
    if process not in SETTINGS:
        sys.stderr.write("usage: scripts/dev backend|dashboard\n")
        sys.exit(2)
    try:
        environment = environment_of(process)
    except FileNotFoundError:
        sys.exit("scripts/dev: there is no .env; make setup makes one")
    except dotenv.DotenvError as error:
        sys.exit(f"scripts/dev: .env, {error}")
    os.execve(sys.executable, [sys.executable, "-m", f"keyway_{process}"], environment)  # noqa: S606


if __name__ == "__main__":
    main()
