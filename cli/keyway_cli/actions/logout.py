"""Signing out: on the server first, then on this machine."""

from __future__ import annotations

from keyway_cli.actions.context import Context
from keyway_cli.errors import NotSignedIn, Unavailable


def logout(context: Context) -> None:
    """Revokes the login and removes it here. Raises Unavailable, the login removed, when the server cannot be told."""
    url = context.api_url()
    if context.settings.token is not None:
        context.terminal.warn("KEYWAY_TOKEN is set; it stays valid, and so does every use of it")
    kept = context.login
    if kept is None:
        context.terminal.result({"apiUrl": url, "signedOut": False, "revoked": False}, f"nobody is signed in at {url}")
        return
    revoked, unreachable = True, ""
    try:
        context.api_with(kept.token).logout()
    except NotSignedIn:
        context.terminal.say("the server did not know this login any more")
    except Unavailable as error:
        revoked, unreachable = False, error.message
    context.sessions.forget(url)
    if not revoked:
        raise Unavailable(f"signed out on this machine only: {unreachable}", "the token stays valid until it expires")
    context.terminal.result({"apiUrl": url, "signedOut": True, "revoked": True}, f"signed out at {url}")
