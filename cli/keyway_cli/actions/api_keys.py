"""API keys: tokens for machines, of the person who makes them."""

from __future__ import annotations

from typing import Any, NamedTuple

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed, may_show
from keyway_cli.actions.context import Context
from keyway_cli.api import Api, Json
from keyway_cli.errors import NotFound, UsageProblem
from keyway_cli.terminal import minute


def list_keys(context: Context, *, revoked: bool) -> None:
    """Prints our keys, never a token."""
    found = [_entry(key) for key in vaults.api_keys(context.api())]
    shown = [key for key in found if revoked or key["isActive"]]
    rows = [
        (
            k["name"],
            k["prefix"],
            ",".join(k["scopes"]),
            minute(k["expiresAt"]),
            minute(k["lastUsedAt"] or "never"),
        )
        for k in shown
    ]
    columns = ("NAME", "BEGINS", "MAY", "EXPIRES", "USED")
    context.terminal.table({"keys": shown}, columns, rows, "you have no API keys")


class Wanted(NamedTuple):
    """A key that somebody asks for."""

    name: str
    scopes: tuple[str, ...]
    days: int | None
    addresses: tuple[str, ...]
    everywhere: bool


def create_key(context: Context, wanted: Wanted) -> None:
    """Makes a key for this vault, or for all, and prints its token, which nobody can show again."""
    may_show(context, "the token of a new key", wanted.name)
    api = context.api()
    body: Json = {"name": wanted.name, "environment": "live", "scopes": list(wanted.scopes)}
    body |= {"expiresInDays": wanted.days} if wanted.days is not None else {}
    body |= {"allowedIps": list(wanted.addresses)} if wanted.addresses else {}
    if not wanted.everywhere:
        body["vaultIds"] = [str(api.vault(context.repository()).get("id"))]
    made, token = vaults.create_api_key(api, body)
    entry = _entry(made)
    if context.terminal.as_json:
        context.terminal.result(entry | {"token": token.reveal()}, "")
        return
    where = "every vault of yours" if wanted.everywhere else context.repository()
    context.terminal.say(
        f"made {wanted.name} for {where}, until {minute(entry['expiresAt'])} UTC; its token is shown this once:"
    )
    context.terminal.value(token)


def revoke_key(context: Context, *, named: str) -> None:
    """Ends a key, named by its name, its beginning or its id."""
    api = context.api()
    key = _one(api, named)
    if not agreed(context, f"Revoke {key['name']}?", f"this would revoke {key['name']}"):
        context.terminal.result({"revoked": None}, "nothing was revoked")
        return
    vaults.revoke_api_key(api, key["id"])
    context.terminal.result({"revoked": key["id"], "name": key["name"]}, f"revoked {key['name']}")


def _one(api: Api, named: str) -> dict[str, Any]:
    keys = [_entry(key) for key in vaults.api_keys(api)]
    found = [key for key in keys if key["isActive"] and named in {key["id"], key["name"], key["prefix"]}]
    if not found:
        raise NotFound(f"you have no active key {named}", "keyway api-keys list shows them")
    if len(found) > 1:
        raise UsageProblem("several keys are called that", "name one by what it begins with: keyway api-keys list")
    return found[0]


def _entry(key: Json) -> dict[str, Any]:
    texts = {name: str(key.get(name) or "") for name in ("id", "name", "prefix", "expiresAt", "createdAt")}
    scopes = [str(scope) for scope in key.get("scopes") or []]
    used = str(key["lastUsedAt"]) if key.get("lastUsedAt") else None
    return texts | {"scopes": scopes, "lastUsedAt": used, "isActive": key.get("isActive") is True}
