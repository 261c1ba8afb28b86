"""Our accounts at other providers, to which a vault can be synced."""

from __future__ import annotations

import time
from typing import Final

from keyway_core.sensitive import Sensitive

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.api import Api, Json
from keyway_cli.errors import KeywayError, Misconfigured, NotFound, UsageProblem
from keyway_cli.terminal import minute

WITH_TOKEN: Final = {"railway": "token of your Railway account, made at railway.com/account/tokens"}
WAIT_SECONDS: Final = 300.0
POLL_SECONDS: Final = 3.0


def list_connections(context: Context) -> None:
    """Prints our connections, and at which providers this server could make more."""
    api = context.api()
    known = [
        {
            "name": str(p.get("name")),
            "displayName": str(p.get("displayName")),
            "configured": p.get("configured") is True,
        }
        for p in vaults.providers(api)
    ]
    found = [_entry(connection) for connection in vaults.connections(api)]
    rows = [(c["provider"], c["account"], c["team"] or "", minute(c["createdAt"]), c["id"]) for c in found]
    ready = ", ".join(str(provider["name"]) for provider in known if provider["configured"])
    context.terminal.table(
        {"connections": found, "providers": known},
        ("PROVIDER", "ACCOUNT", "TEAM", "SINCE (UTC)", "ID"),
        rows,
        f"you have no connections; keyway connect knows {ready or 'no provider on this server'}",
    )


def connect(context: Context, *, provider: str) -> None:
    """Connects an account: by a token where the provider has such, else in the browser."""
    api = context.api()
    _check_provider(api, provider)
    if provider in WITH_TOKEN:
        from keyway_cli.actions.login import read_token

        token = read_token(context, f"keyway connect {provider} < file", WITH_TOKEN[provider])
        user = vaults.connect(api, provider, Sensitive(token))
        account = str(user.get("username") or "")
    else:
        account = str(_by_browser(context, api, provider)["account"])
    context.terminal.result({"provider": provider, "account": account}, f"connected {provider} as {account}")


def disconnect(context: Context, *, named: str) -> None:
    """Forgets a connection, named by its provider or its id, with the syncs that use it."""
    api = context.api()
    found = [c for c in map(_entry, vaults.connections(api)) if named in {c["provider"], c["id"]}]
    if not found:
        raise NotFound(f"you have no connection {named}", "keyway connections shows them")
    if len(found) > 1:
        raise UsageProblem(f"you have {len(found)} connections to {named}", "name one by its id: keyway connections")
    what = f"{found[0]['provider']} ({found[0]['account']})"
    if not agreed(context, f"Disconnect {what}?", f"this would disconnect {what} and end its syncs"):
        context.terminal.result({"disconnected": None}, "nothing was disconnected")
        return
    vaults.disconnect(api, found[0]["id"])
    context.terminal.result({"disconnected": found[0]["id"], "provider": found[0]["provider"]}, f"disconnected {what}")


def _check_provider(api: Api, name: str) -> None:
    known = vaults.providers(api)
    found = next((provider for provider in known if provider.get("name") == name), None)
    if found is None:
        names = ", ".join(str(provider.get("name")) for provider in known)
        raise UsageProblem(f"there is no provider {name}", f"there are {names}")
    if not found.get("configured"):
        raise Misconfigured(f"this server is not set up for {name}", "who runs it registers Keyway there first")


def _by_browser(context: Context, api: Api, provider: str) -> dict[str, str]:
    """Sends the person's browser to the provider and waits until the server knows a new connection."""
    if not (context.terminal.interactive and context.settings.can_open_browser):
        raise UsageProblem(
            f"{provider} is connected in a browser, and there is none here",
            "connect it on a machine with a browser; the account is yours on every machine",
        )
    from keyway_cli.handover import redirecting

    before = {(c["id"], c["updatedAt"]) for c in map(_entry, vaults.connections(api))}
    token = context.credential().token
    with redirecting(context.api_url(), f"/v1/integrations/{provider}/authorize", token) as address:
        import webbrowser

        webbrowser.open(address)
        with context.terminal.waiting(f"waiting for your consent at {provider} ..."):
            deadline = time.monotonic() + WAIT_SECONDS
            while time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                now = [c for c in map(_entry, vaults.connections(api)) if c["provider"] == provider]
                if new := [c for c in now if (c["id"], c["updatedAt"]) not in before]:
                    return new[0]
    raise KeywayError(f"nobody connected {provider} in time", f"keyway connect {provider} starts anew")


def _entry(connection: Json) -> dict[str, str]:
    names = {"id": "id", "provider": "provider", "account": "providerUserId", "team": "providerTeamId"}
    times = {"createdAt": "createdAt", "updatedAt": "updatedAt"}
    return {ours: str(connection.get(theirs) or "") for ours, theirs in (names | times).items()}
