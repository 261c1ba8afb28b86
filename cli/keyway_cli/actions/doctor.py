"""What is set up, and what is missing: every check says what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, NamedTuple

from keyway_cli import __version__, envfiles, git, vaults
from keyway_cli.actions.context import Context
from keyway_cli.errors import ExitCode, KeywayError
from keyway_cli.files import is_private
from keyway_cli.origin import parse_origin
from keyway_cli.transport import Transport

PASS: Final = "pass"  # noqa: S105 - no password
WARN: Final = "warn"
FAIL: Final = "fail"
SKIP: Final = "skip"
_SIGNS: Final = {PASS: "ok", WARN: "!!", FAIL: "NO", SKIP: "--"}
_CLOCK_SECONDS: Final = 60.0
_TIMEOUT: Final = 5.0


class Check(NamedTuple):
    """How one thing stands."""

    name: str
    status: str
    detail: str
    hint: str = ""


def doctor(context: Context, *, strict: bool) -> int:
    """Prints every check. 1 when one fails; with `strict` a warning fails too."""
    checks = list(_checks(context))
    lines = [
        f"{_SIGNS[check.status]}  {check.name:<13} {check.detail}" + (f"\n    {check.hint}" if check.hint else "")
        for check in checks
    ]
    counts = {status: sum(check.status == status for check in checks) for status in (PASS, WARN, FAIL, SKIP)}
    failed = bool(counts[FAIL] or (strict and counts[WARN]))
    data = {"ok": not failed, "version": __version__, "checks": [c._asdict() for c in checks], "counts": counts}
    context.terminal.result(data, "\n".join(lines))
    return ExitCode.ERROR if failed else ExitCode.OK


def _checks(context: Context) -> Iterator[Check]:
    """In the order in which one thing needs another; what hangs on something broken is skipped."""
    server = _guarded("server", lambda: _server(context))
    yield server
    signed_in = _after(server, "sign-in", lambda: _sign_in(context))
    yield signed_in
    yield _guarded("login file", lambda: _login_file(context))
    repository = _after(signed_in, "repository", lambda: Check("repository", PASS, context.repository()))
    yield repository
    yield _after(repository, "vault", lambda: _vault(context))
    yield _after(repository, "environment", lambda: _environment(context))
    yield _guarded(".env files", _env_files)
    yield _assistant(context)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except KeywayError as error:
        return Check(name, FAIL, error.message, error.hint)


def _after(needed: Check, name: str, check: Callable[[], Check]) -> Check:
    if needed.status in {FAIL, SKIP}:
        return Check(name, SKIP, f"needs: {needed.name}")
    return _guarded(name, check)


def _server(context: Context) -> Check:
    url = context.api_url()
    transport = Transport(parse_origin(url), ca_file=context.settings.ca_file, timeout=_TIMEOUT)
    started = time.monotonic()
    reply = transport.send("HEAD", "/v1/health", {"User-Agent": f"keyway-cli/{__version__}"}, repeatable=True)
    took = (time.monotonic() - started) * 1000
    if reply.status >= 400:
        return Check("server", FAIL, f"{url} answers {reply.status}", "is that the address of a Keyway server?")
    if drift := _drift(reply.headers.get("date", "")):
        return Check("server", WARN, f"{url}, but the clocks differ by {drift:.0f} s", "set this machine's clock")
    return Check("server", PASS, f"{url} in {took:.0f} ms")


def _drift(date: str) -> float:
    """By how many seconds our clock is off the server's, if it matters."""
    try:
        drift = abs(parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
    return drift if drift > _CLOCK_SECONDS else 0.0


def _sign_in(context: Context) -> Check:
    credential = context.credential()
    username = str(context.api().validate().get("username") or "")
    return Check("sign-in", PASS, f"{username}, by {credential.source}")


def _login_file(context: Context) -> Check:
    if context.settings.token is not None:
        return Check("login file", PASS, "not used: KEYWAY_TOKEN is set")
    path = context.sessions.file(context.api_url())
    if not path.exists():
        return Check("login file", WARN, "there is none", "keyway login")
    if not is_private(path):
        return Check("login file", FAIL, f"{path} can be read by others", f"chmod 600 {path}; then sign in again")
    return Check("login file", PASS, str(path))


def _vault(context: Context) -> Check:
    found = context.api().vault(context.repository())
    if found.get("warning"):
        return Check("vault", WARN, "GitHub no longer lets the server see the repository", "install the GitHub App")
    return Check("vault", PASS, f"{found.get('secretCount')} secrets, you are {found.get('permission') or 'nobody'}")


def _environment(context: Context) -> Check:
    names = [str(entry.get("name")) for entry in vaults.environments(context.api(), context.repository())]
    if context.environment in names:
        return Check("environment", PASS, f"{context.environment}, of {', '.join(names)}")
    return Check("environment", WARN, f"there is no {context.environment}", f"there are {', '.join(names)}")


def _env_files() -> Check:
    """Values in a commit are values in the open."""
    if not git.is_work_tree():
        return Check(".env files", PASS, "this folder is in no git repository")
    files = envfiles.candidates(Path.cwd())
    tracked = [path.name for path in files if git.is_tracked(path)]
    if tracked:
        hint = f"git rm --cached {' '.join(tracked)}, then replace their secrets"
        return Check(".env files", FAIL, f"committed: {', '.join(tracked)}", hint)
    loose = [path.name for path in files if not git.is_ignored(path)]
    if loose:
        return Check(".env files", WARN, f"not ignored by git: {', '.join(loose)}", "add them to .gitignore")
    return Check(".env files", PASS, "ignored by git" if files else "none here")


def _assistant(context: Context) -> Check:
    if context.settings.assistant:
        return Check("assistant", PASS, f"at the keyboard ({context.settings.assistant}): values are masked")
    return Check("assistant", PASS, "none seen")
