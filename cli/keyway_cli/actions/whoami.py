"""Whom the server takes us for."""

from __future__ import annotations

from keyway_cli.actions.context import Context


def whoami(context: Context) -> None:
    """Asks the server, so that the answer is true now."""
    credential = context.credential()
    person = context.api_with(credential.token).me()
    username = str(person.get("username") or "")
    context.terminal.result(
        {
            "username": username,
            "id": person.get("id"),
            "apiUrl": context.api_url(),
            "credential": credential.source,
            "expiresAt": (credential.login.expires_at or None) if credential.login else None,
        },
        f"{username} at {context.api_url()} (by {credential.source})",
    )
