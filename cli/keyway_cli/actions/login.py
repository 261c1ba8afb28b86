"""Signing in: GitHub's device flow, or a token that somebody already has."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

from keyway_core.sensitive import Sensitive

from keyway_cli import earlier, repo
from keyway_cli.actions.context import Context
from keyway_cli.api import Api
from keyway_cli.errors import KeywayError, Misconfigured, NotSignedIn, Unavailable, UsageProblem
from keyway_cli.session import Login
from keyway_cli.settings import is_token

LONGEST_WAIT_SECONDS: Final = 1_800.0
_FALLBACK_INTERVAL: Final = 5.0
_SHORTEST_INTERVAL: Final = 1.0


def login(context: Context, *, way: str, api_url: str | None) -> None:
    """Signs in (by `token`, by `adopt`ing a login, or by GitHub's device flow) and keeps the login.

    Raises before anything is asked when an old login could not be replaced.
    """
    if api_url:
        context.use_server(api_url)
    context.sessions.check_readable(context.api_url())
    if not way and (kept := _still_signed_in(context)) and not _wants_anew(context, kept):
        return
    ways = {"token": _by_token, "adopt": _by_adopting, "": _by_device}
    signed_in = ways[way](context)
    where = context.sessions.save(signed_in)
    if where == "file" and context.settings.token_store != where:
        context.terminal.say(
            f"no keyring here: the token is in {context.sessions.file(signed_in.api_url)}, readable by you alone"
        )
    _result(context, signed_in, where, "signed in")


def _result(context: Context, login: Login, where: str, words: str) -> None:
    if context.settings.token is not None:
        context.terminal.warn("KEYWAY_TOKEN is set and is used instead of this login")
    told = {"username": login.username, "apiUrl": login.api_url, "expiresAt": login.expires_at or None, "store": where}
    context.terminal.result(told, f"{words} as {login.username} at {login.api_url}")


def _still_signed_in(context: Context) -> Login | None:
    """The login that is kept here, if the server takes it: under the name that the server has for it now."""
    try:
        if (kept := context.login) is None:
            return None
        person = context.api_with(kept.token).validate()
    except (NotSignedIn, Misconfigured):
        return None
    return kept._replace(username=str(person.get("username") or kept.username))


def _wants_anew(context: Context, kept: Login) -> bool:
    """Whether a person at a terminal wants another login all the same. Nobody else is asked: all is done already."""
    how = "to sign in as somebody else: keyway logout, then keyway login"
    if context.terminal.interactive:
        context.terminal.say(f"you are signed in as {kept.username} at {kept.api_url}; {how}")
        if context.terminal.confirm("sign in anew"):
            return True
    else:
        context.terminal.say(how)
    _result(context, kept, context.sessions.store_of(kept.api_url), "already signed in")
    return False


def _by_token(context: Context) -> Login:
    token = Sensitive(read_token(context, "keyway login --token < file"))
    person = context.api_with(token).validate()
    return Login(context.api_url(), str(person.get("username") or ""), "", "", token)


def _by_adopting(context: Context) -> Login:
    """The login of the earlier command line, if this server knows it."""
    found = earlier.load(context.settings.home, os.environ)
    person = context.api_with(found.token).validate()
    return Login(context.api_url(), str(person.get("username") or ""), found.expires_at, "", found.token)


def read_token(context: Context, hint: str, question: str = "token") -> str:
    """A token, typed unseen or read from stdin. Raises UsageProblem with the hint."""
    if context.terminal.interactive:
        token = context.terminal.ask_secret(question)
    elif sys.stdin.isatty():
        raise UsageProblem("a token is read from stdin here", hint)
    else:
        token = sys.stdin.readline()
    if not token.strip() or not is_token(token.strip()):
        raise UsageProblem("that is no token", f"paste it, or: {hint}")
    return token.strip()


def _by_device(context: Context) -> Login:
    if earlier.is_there(context.settings.home, os.environ):
        context.terminal.say("the earlier command line has a login here: keyway login --adopt takes it over")
    api = context.api_with(None)
    started = api.start_device(_repository_if_known())
    page = _page(started)
    context.terminal.say(f"open {page} and enter the code {started['userCode']}")
    _open_browser(context, page)
    with context.terminal.waiting("waiting for your approval on GitHub ..."):
        approved = _wait(api, started)
    return Login(
        context.api_url(),
        str(approved.get("githubLogin") or ""),
        str(approved.get("expiresAt") or ""),
        _origin_of(page),
        Sensitive(str(approved["keywayToken"])),
    )


def _wait(api: Api, started: dict[str, Any]) -> dict[str, Any]:
    """Polls until GitHub's answer is known. A server that is down for a while costs nothing but time."""
    interval = _interval(started.get("interval"))
    deadline = time.monotonic() + min(_interval(started.get("expiresIn")), LONGEST_WAIT_SECONDS)
    while time.monotonic() < deadline:
        time.sleep(interval)
        answer = _poll(api, str(started["deviceCode"]))
        match answer.get("status"):
            case "approved":
                if not is_token(str(answer.get("keywayToken") or " ")):
                    raise KeywayError("the server ended the sign-in without a token", "check KEYWAY_API_URL")
                return answer
            case "denied":
                raise NotSignedIn("the sign-in was refused on GitHub", "keyway login starts a new one")
            case "expired":
                raise NotSignedIn("the code has expired", "keyway login starts a new one")
    raise NotSignedIn("nobody approved the sign-in in time", "keyway login starts a new one")


def _poll(api: Api, code: str) -> dict[str, Any]:
    try:
        return api.poll_device(code)
    except Unavailable as busy:
        time.sleep(min(busy.retry_after, 60.0))
        return {"status": "pending"}


def _interval(seconds: object) -> float:
    """A number of seconds that a server named, if it makes sense."""
    if not isinstance(seconds, int | float) or not _SHORTEST_INTERVAL <= seconds <= LONGEST_WAIT_SECONDS:
        return _FALLBACK_INTERVAL
    return float(seconds)


def _page(started: dict[str, Any]) -> str:
    page = str(started.get("verificationUri") or "")
    if not repo.host_of(page) or not started.get("userCode") or not started.get("deviceCode"):
        raise KeywayError("the server did not start a sign-in", "check KEYWAY_API_URL")
    return page


def _origin_of(page: str) -> str:
    return "/".join(page.split("/", 3)[:3])


def _repository_if_known() -> str:
    """The repository that we are in, so that the server can say which installation is missing; or nothing."""
    try:
        return repo.any_from_git()
    except Misconfigured:
        return ""


def _open_browser(context: Context, page: str) -> None:
    if not (context.terminal.interactive and context.settings.can_open_browser):
        return
    import webbrowser

    webbrowser.open(page)
