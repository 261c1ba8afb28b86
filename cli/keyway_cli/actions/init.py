"""A vault for the repository that we are in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from keyway_cli import envfiles
from keyway_cli.actions import gitignore
from keyway_cli.actions.context import Context
from keyway_cli.actions.push import push
from keyway_cli.api import Api
from keyway_cli.errors import Conflict, KeywayError, NoAccess, NotFound, NotSignedIn

INSTALL_WAIT_SECONDS: Final = 120.0
INSTALL_POLL_SECONDS: Final = 3.0


def init(context: Context) -> None:
    """Makes sure that the GitHub App sees the repository and that a vault exists, then offers to push a `.env` file."""
    yes, repository = context.chosen.yes, context.repository()
    api = context.api()
    _wait_for_installation(context, api, repository)
    created = _ensure_vault(api, repository)
    vault = f"created the vault of {repository}" if created else f"the vault of {repository} exists already"
    if context.terminal.interactive:  # before anything is asked
        context.terminal.say(vault)
    files = envfiles.candidates(Path.cwd())
    for path in files:
        gitignore.guard(context, path, ask=not yes)
    if _wants_push(context, files, yes=yes):
        push(context, file=None, prune=False, consented=True)
        return
    next_step = "next: keyway push" if files else "next: write a .env file, then keyway push"
    words = next_step if context.terminal.interactive else f"{vault}\n{next_step}"
    context.terminal.result({"repository": repository, "created": created}, words)


def _wants_push(context: Context, files: list[Path], *, yes: bool) -> bool:
    if not files or not context.terminal.interactive:
        return False
    names = ", ".join(path.name for path in files)
    return yes or context.terminal.confirm(f"Push what is in this folder ({names})?", default=True)


def _ensure_vault(api: Api, repository: str) -> bool:
    """Whether the vault had to be made."""
    try:
        api.vault(repository)
    except NotFound:
        pass
    else:
        return False
    try:
        api.create_vault(repository)
    except Conflict:
        return False
    return True


def _wait_for_installation(context: Context, api: Api, repository: str) -> None:
    """Waits up to two minutes for a person to install the GitHub App; an unattended run is told at once."""
    state = _installation(api, repository)
    if state is None or state.get("installed"):
        return
    link = str(state.get("installUrl") or "")
    missing = NoAccess(
        f"the GitHub App is not installed for {repository}, or you have no access to it",
        f"an administrator installs it: {link}",
    )
    if context.settings.ci:
        raise missing
    context.terminal.say(f"{missing.message}; install it here:\n  {link}")
    deadline = time.monotonic() + INSTALL_WAIT_SECONDS
    with context.terminal.waiting("waiting for the installation ..."):
        while time.monotonic() < deadline:
            time.sleep(INSTALL_POLL_SECONDS)
            state = _installation(api, repository)
            if state and state.get("installed"):
                return
    raise missing


def _installation(api: Api, repository: str) -> dict[str, Any] | None:
    """What the server knows; None when it cannot say now, because making the vault will then say it better."""
    try:
        return api.check_installation(repository)
    except NotSignedIn:
        raise
    except KeywayError:
        return None
