"""What a request that must succeed uses up is made for it alone, just before it, by the organisation's owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import jwt
from keyway_backend.access.actor import Scope
from stack import sign_in
from standins.providers import TOKEN

from . import keys, stage
from .crowd import DESK, Crowd, told
from .every_route import CONNECTION, ENVIRONMENT, SECRET, VAULT, Cell, Route

Names = Mapping[str, str]


def _secret(crowd: Crowd, cell: Cell) -> dict[str, str]:
    body = {"key": f"MADE_{crowd.number()}", "value": "1", "environment": cell.variant.environment}
    return {"secretId": str(crowd.own("POST", "/secrets", body)["id"])}


def _version(crowd: Crowd, cell: Cell) -> dict[str, str]:
    made = _secret(crowd, cell)
    crowd.own("PATCH", f"/secrets/{made['secretId']}", {"value": "2"})
    versions = crowd.own("GET", f"/secrets/{made['secretId']}/versions")["versions"]
    return made | {"versionId": str(versions[0]["id"])}


def _trashed(crowd: Crowd, cell: Cell) -> dict[str, str]:
    made = _secret(crowd, cell)
    crowd.own("DELETE", f"/secrets/{made['secretId']}")
    return made


def _environment(crowd: Crowd, _cell: Cell) -> dict[str, str]:
    name = f"e{crowd.number()}"
    crowd.own("POST", "/environments", {"name": name})
    return {"name": name, "environment": name}


def _override(crowd: Crowd, cell: Cell) -> dict[str, str]:
    name = _environment(crowd, cell)["environment"]
    body = {"environment": name, "targetType": "role", "targetRole": "read", "canRead": False, "canWrite": False}
    return {"id": str(crowd.own("POST", "/permissions/overrides", body)["id"])}


def _rule(crowd: Crowd, _cell: Cell) -> dict[str, str]:
    body = {"environment": "development", "refs": [f"refs/heads/m{crowd.number()}"]}
    return {"id": str(crowd.own("POST", "/oidc-rules", body)["id"])}


def _revision(crowd: Crowd, cell: Cell) -> dict[str, str]:
    """The present one: what others look for in the environment stays there."""
    found = crowd.own("GET", f"/environments/{cell.variant.environment}/revision")
    return {"revision": str(found["revision"]["number"])}


def _repository(crowd: Crowd, _cell: Cell) -> dict[str, str]:
    owner = crowd.grounds["own"].owner
    name = f"new-{crowd.number()}"
    stage.GitHub(crowd.stack).repo(f"{owner}/{name}", {crowd.logins["admin"]: "admin"})
    return {"owner": owner, "repo": name, "full": f"{owner}/{name}"}


def _vault(crowd: Crowd, cell: Cell) -> dict[str, str]:
    """A vault; for a key that is bound to one, a key that is bound to this one."""
    names, session = _repository(crowd, cell), crowd.sessions["org owner"][0]
    vault_id = stage.create_vault(crowd.stack, session, names["full"])
    if cell.caller.bound is None:
        return names
    return names | {"token": keys.give(crowd.stack, session, vaults=[vault_id]).token}


def _key(crowd: Crowd, cell: Cell) -> dict[str, str]:
    """A key of the same person, within the binding of the key that asks."""
    caller, session = cell.caller, crowd.sessions["org owner"][0]
    if caller.kind == "session":
        return {"id": str(keys.give(crowd.stack, caller.tokens[0]).id)}
    if caller.bound is None:
        return {"id": str(keys.give(crowd.stack, session, {Scope.READ}).id)}
    ground = crowd.grounds[caller.bound[0]]
    inside = [ground.environment_ids[caller.bound[1]]] if caller.bound[1] else []
    return {"id": str(keys.give(crowd.stack, session, vaults=[ground.vault_id], environments=inside).id)}


def _session(crowd: Crowd, cell: Cell) -> dict[str, str]:
    token = sign_in(crowd.stack, cell.caller.login)
    return {"id": str(jwt.decode(token, options={"verify_signature": False})["sid"])}


def _connection(crowd: Crowd, cell: Cell) -> dict[str, str]:
    """A connection of the same person to another provider."""
    token = crowd.sessions[cell.caller.name][0]
    told(crowd.stack, token, "POST", "/v1/integrations/railway/connect", {"token": TOKEN})
    found = told(crowd.stack, token, "GET", "/v1/integrations/connections")["connections"]
    return {"id": str(next(one["id"] for one in found if one["provider"] == "railway"))}


MAKERS: Final[dict[Route, Callable[[Crowd, Cell], dict[str, str]]]] = {
    ("DELETE", SECRET): _secret,
    ("DELETE", f"{SECRET}/versions/{{versionId}}"): _version,
    ("POST", f"{VAULT}/trash/{{secretId}}/restore"): _trashed,
    ("DELETE", f"{VAULT}/trash/{{secretId}}"): _trashed,
    ("PATCH", ENVIRONMENT): _environment,
    ("DELETE", ENVIRONMENT): _environment,
    ("POST", f"{VAULT}/permissions/overrides"): _environment,
    ("DELETE", f"{VAULT}/permissions/overrides/{{id}}"): _override,
    ("DELETE", f"{VAULT}/oidc-rules/{{id}}"): _rule,
    ("POST", f"{ENVIRONMENT}/revisions/{{revision}}/rollback"): _revision,
    ("DELETE", VAULT): _vault,
    ("POST", "/v1/vaults"): _repository,
    ("DELETE", "/v1/api-keys/{id}"): _key,
    ("DELETE", "/v1/auth/sessions/{id}"): _session,
    ("DELETE", CONNECTION): _connection,
}


def made_for(crowd: Crowd, cell: Cell) -> Names:
    """Names of what a cell that must succeed is about."""
    if cell.route == ("POST", f"{VAULT}/permissions/overrides") and not cell.changes:
        return {"environment": DESK}
    maker = MAKERS.get(cell.route) if cell.changes else None
    return maker(crowd, cell) if maker else {}
