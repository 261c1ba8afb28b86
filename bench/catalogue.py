"""Every route of the API with a request that it answers well."""

from __future__ import annotations

from typing import Any, Final

from bench.ground import (
    RULE,
    VAULT,
    Ground,
    Made,
    Route,
    connected,
    github_callback,
    github_delivery,
    good,
    key_body,
    one_time_code,
    outside_of,
    override,
    provider_callback,
    stripe_delivery,
)
from bench.world import ENVIRONMENT, names
from tests.standins.providers import TOKEN
from tests.standins.stripe import price_id

_ENVIRONMENT: Final = f"{VAULT}/environments/{{name}}"
_REVISION: Final = f"{_ENVIRONMENT}/revisions/{{revision}}"
_SECRET: Final = f"{VAULT}/secrets/{{secretId}}"
_VERSION: Final = f"{_SECRET}/versions/{{versionId}}"
_TRASHED: Final = f"{VAULT}/trash/{{secretId}}"
_TICK: Final = f"{VAULT}/exposure/{{userId}}/ticks/{{secretId}}"
_SYNC: Final = "/v1/integrations/vaults/{owner}/{repo}/sync"
_HERE: Final = "repo={owner}/{repo}&environment={name}"
_THERE: Final = "connectionId={connection}&projectId=rp&serviceId=svc&keywayEnvironment={name}&providerEnvironment="


def catalogue() -> list[Route]:
    """All of them."""
    return [*_people(), *_vaults(), *_values(), *_history(), *_access(), *_insight(), *_organizations(), *_outside()]


def _people() -> list[Route]:
    """Health, signing in, sessions, API keys, GitHub."""
    return [
        Route("GET", "/health"),
        Route("GET", "/v1/health"),
        Route("HEAD", "/v1/health"),
        Route("POST", "/v1/auth/device/start", lambda _g, _n: Made(body={}), apart="address"),
        Route("POST", "/v1/auth/device/poll", _device, apart="address"),
        Route("GET", "/v1/auth/device/verify", apart="address"),
        Route("POST", "/v1/auth/device/verify", apart="address"),
        Route("GET", "/v1/auth/github/start"),
        Route("GET", "/v1/auth/callback", lambda g, _: github_callback(g)),
        Route("POST", "/v1/auth/session/exchange", lambda g, _: one_time_code(g), apart="address"),
        Route("POST", "/v1/auth/oidc/github", _workflow, apart="address"),
        Route("POST", "/v1/auth/token/validate"),
        Route("POST", "/v1/auth/logout", lambda g, _: Made(headers=_bearer(g.another_session()[1]))),
        Route("GET", "/v1/auth/sessions"),
        Route("DELETE", "/v1/auth/sessions", _sessions),
        Route("DELETE", "/v1/auth/sessions/{id}", lambda g, _: Made({"id": g.another_session()[0]})),
        Route("GET", "/v1/users/me"),
        Route("GET", "/v1/users/me/usage"),
        Route("GET", "/v1/api-keys"),
        Route("POST", "/v1/api-keys", lambda _, n: Made(body=key_body(n))),
        Route("GET", "/v1/api-keys/{id}", of="api-keys"),
        Route(
            "DELETE", "/v1/api-keys/{id}", lambda g, n: Made({"id": g.ask("POST", "/v1/api-keys", key_body(n))["id"]})
        ),
        Route("POST", "/v1/api-keys/leak-reports", _leaked, apart="address"),
        Route("POST", "/v1/github/check-installation", _installed, apart="credential"),
        Route("GET", "/v1/github/repo-ids", query="repo={owner}/{repo}"),
        Route("GET", "/v1/github/installations"),
        Route("GET", "/v1/github/available-orgs"),
        Route("GET", "/v1/github/repositories"),
        Route("POST", "/v1/github/webhook", lambda g, _: github_delivery(g)),
    ]


def _vaults() -> list[Route]:
    """Vaults and environments."""
    return [
        Route("GET", "/v1/vaults"),
        Route("POST", "/v1/vaults", lambda g, n: Made(body={"repoFullName": _repository(g, n)})),
        Route("GET", VAULT),
        Route("DELETE", VAULT, _whole_vault),
        Route("GET", f"{VAULT}/environments"),
        Route("POST", f"{VAULT}/environments", lambda _, n: Made(body={"name": f"preview-{n}"})),
        Route("PATCH", _ENVIRONMENT, lambda g, n: Made({"name": _environment(g, n)}, {"newName": f"renamed-{n}"})),
        Route("PATCH", f"{_ENVIRONMENT}/type", lambda g, n: Made({"name": _environment(g, n)}, {"type": "protected"})),
        Route("DELETE", _ENVIRONMENT, lambda g, n: Made({"name": _environment(g, n)})),
        Route("GET", f"{VAULT}/collaborators"),
        Route("GET", f"{VAULT}/contributors"),
    ]


def _values() -> list[Route]:
    """What carries or changes values; those that carry many carry as many as the environment has."""
    return [
        Route(
            "POST", "/v1/secrets/push", lambda g, n: Made(body=_change(g) | {"mode": "merge", "secrets": _all(g, n)})
        ),
        Route("GET", "/v1/secrets/pull", query=_HERE),
        Route("GET", "/v1/secrets/view", query=f"{_HERE}&key={{key}}"),
        Route("GET", f"{VAULT}/secrets"),
        Route("POST", f"{VAULT}/secrets", lambda _, n: Made(body=_entry(n))),
        Route("PATCH", _SECRET, lambda _, n: Made(body={"value": f"changed-{n}"})),
        Route("DELETE", _SECRET, lambda g, n: Made({"secretId": _one_more(g, n)})),
        Route("GET", f"{_SECRET}/value", apart="credential"),
        Route("POST", f"{_SECRET}/copy", lambda _, n: Made(body={"target": "staging", "key": f"COPY_{n}"})),
        Route("GET", f"{_SECRET}/versions"),
        Route("GET", f"{_VERSION}/value", apart="credential"),
        Route("POST", f"{_VERSION}/restore"),
        Route("DELETE", _VERSION, _old_version),
        Route("GET", f"{VAULT}/trash"),
        Route("POST", f"{_TRASHED}/restore", lambda g, n: Made({"secretId": _one_less(g, n)})),
        Route("DELETE", _TRASHED, lambda g, n: Made({"secretId": _one_less(g, n)})),
        Route("DELETE", f"{VAULT}/trash", _full_trash),
    ]


def _history() -> list[Route]:
    """Revisions, copies, comparisons."""
    return [
        Route("GET", f"{_ENVIRONMENT}/revision"),
        Route("HEAD", f"{_ENVIRONMENT}/revision"),
        Route("GET", f"{_ENVIRONMENT}/revisions"),
        Route("GET", _REVISION),
        Route("GET", f"{_REVISION}/diff", query="against=2"),
        Route("POST", f"{_REVISION}/rollback", lambda g, n: Made({"revision": _changed(g, n)}, {})),
        Route("POST", f"{_ENVIRONMENT}/copy", _copied),
        Route("GET", f"{VAULT}/compare", query="left={name}&right=staging", apart="credential"),
        Route("POST", f"{_ENVIRONMENT}/digests", lambda _g, _n: Made(body={}), apart="credential"),
        Route("POST", f"{_ENVIRONMENT}/import/preview", lambda g, n: Made(body={"secrets": _all(g, n)})),
    ]


def _access() -> list[Route]:
    """Who may do what."""
    overrides, rules = f"{VAULT}/permissions/overrides", f"{VAULT}/oidc-rules"
    minimum = {"permissions": {"read": "write", "write": "write"}}
    return [
        Route("GET", overrides),
        Route("POST", overrides, lambda g, n: Made(body=override(_environment(g, n)))),
        Route("PUT", f"{overrides}/{{id}}", lambda _, n: Made(body={"canRead": n % 2 == 0}), of="overrides"),
        Route("DELETE", f"{overrides}/{{id}}", lambda g, n: Made({"id": _override(g, n)})),
        Route("GET", f"{VAULT}/permissions/effective"),
        Route("GET", f"{VAULT}/permissions/defaults"),
        Route("GET", f"{VAULT}/permissions"),
        Route("PUT", f"{VAULT}/permissions/{{env}}", lambda g, n: Made({"env": _environment(g, n)}, minimum)),
        Route("DELETE", f"{VAULT}/permissions/{{env}}", _minimum),
        Route("GET", rules),
        Route("POST", rules, lambda _, n: Made(body=_rule(n))),
        Route("GET", f"{rules}/{{id}}", of="oidc-rules"),
        Route("PUT", f"{rules}/{{id}}", lambda _, n: Made(body=_rule(n)), of="oidc-rules"),
        Route("DELETE", f"{rules}/{{id}}", lambda g, n: Made({"id": g.ask("POST", rules, _rule(n))["id"]})),
        Route("DELETE", f"{VAULT}/permissions/reset", _many_overrides),
    ]


def _insight() -> list[Route]:
    """Who did and saw what."""
    return [
        Route("GET", "/v1/activity"),
        Route("GET", f"{VAULT}/activity"),
        Route("GET", "/v1/users/me/exposure"),
        Route("GET", "/v1/users/me/exposure/{username}"),
        Route("GET", "/v1/orgs/{org}/exposure"),
        Route("GET", "/v1/orgs/{org}/exposure/{username}"),
        Route("GET", f"{VAULT}/exposure"),
        Route("GET", f"{_SECRET}/access-history"),
        Route("PUT", _TICK),
        Route("DELETE", _TICK),
        Route("GET", "/v1/users/me/security/alerts"),
        Route("GET", "/v1/users/me/security/overview"),
        Route("GET", "/v1/users/me/security/access-log"),
        Route("GET", f"{VAULT}/security/alerts"),
    ]


def _organizations() -> list[Route]:
    """Organisations and what they pay."""
    return [
        Route("GET", "/v1/orgs"),
        Route("POST", "/v1/orgs/connect", lambda g, _: Made(body={"orgLogin": g.world.organization})),
        Route("GET", "/v1/orgs/{org}"),
        Route("PUT", "/v1/orgs/{org}", lambda _, n: Made(body={"displayName": f"Bench {n}"})),
        Route("GET", "/v1/orgs/{org}/members"),
        Route("POST", "/v1/orgs/{org}/members/sync"),
        Route("GET", "/v1/orgs/{org}/trial"),
        Route("GET", "/v1/billing/subscription"),
        Route("GET", "/v1/billing/prices", outside=True),
        Route("POST", "/v1/billing/create-checkout-session", _order, outside=True),
        Route("POST", "/v1/billing/manage", _return, outside=True),
        Route("POST", "/v1/billing/webhook", _paid, outside=True),
        Route("GET", "/v1/orgs/{org}/billing", outside=True),
        Route("POST", "/v1/orgs/{org}/billing/checkout", _free_organization, outside=True),
        Route("POST", "/v1/orgs/{org}/billing/portal", _return, outside=True),
        Route("POST", "/v1/orgs/{org}/trial/start", lambda g, n: Made({"org": _organization(g, n)}), outside=True),
    ]


def _outside() -> list[Route]:
    """Connections with providers, and syncs with them."""
    connection = "/v1/integrations/connections/{id}"
    return [
        Route("GET", "/v1/integrations"),
        Route("GET", "/v1/integrations/connections"),
        Route("DELETE", connection, lambda g, _: Made({"id": connected(g, "vercel")}), outside=True),
        Route("GET", f"{connection}/projects", of="connection", outside=True),
        Route("GET", "/v1/integrations/providers/{provider}/all-projects", outside=True),
        Route("POST", "/v1/integrations/{provider}/connect", _token, outside=True),
        Route("GET", "/v1/integrations/{provider}/authorize", outside=True),
        Route("GET", "/v1/integrations/{provider}/callback", lambda g, _: provider_callback(g), outside=True),
        Route("POST", f"{_SYNC}/link", lambda g, _: Made(body=_project(g)), outside=True),
        Route("GET", f"{_SYNC}/status", query=f"{_THERE}production", outside=True),
        Route("GET", f"{_SYNC}/diff", query=f"{_THERE}production", outside=True),
        Route("GET", f"{_SYNC}/preview", query=f"{_THERE}production&direction=push", outside=True),
        Route("POST", _SYNC, _synced, outside=True),
    ]


# what requests take away ---------------------------------------------------------------------------------------------


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _device(ground: Ground, _number: int) -> Made:
    started = Route("POST", "/v1/auth/device/start", lambda _g, _n: Made(body={}), apart="address").send(ground)
    return Made(body={"deviceCode": started.json()["deviceCode"]})


def _workflow(ground: Ground, _number: int) -> Made:
    audience = {"aud": ground.world.stack.api_url}
    token = ground.github("oidc-token", repo=ground.full_name, login=ground.world.login, claims=audience)["token"]
    return Made(body={"token": token, "environment": ENVIRONMENT})


def _sessions(ground: Ground, _number: int) -> Made:
    for _ in range(ground.rows):
        ground.another_session()
    return Made()


def _leaked(ground: Ground, number: int) -> Made:
    return Made(body={"token": _key(ground, number)["token"]})


def _key(ground: Ground, number: int) -> Any:
    return ground.ask("POST", "/v1/api-keys", key_body(number))


def _installed(ground: Ground, _number: int) -> Made:
    return Made(body={"repoOwner": ground.named["owner"], "repoName": ground.named["repo"]})


def _repository(ground: Ground, number: int) -> str:
    name = f"{ground.world.owner}/more-{number}"
    ground.github("create-repo", repo=name)
    return name


def _whole_vault(ground: Ground, number: int) -> Made:
    """With values in it."""
    owner, repo = _repository(ground, number).split("/")
    ground.ask("POST", "/v1/vaults", {"repoFullName": f"{owner}/{repo}"})
    body = _pushed(ground, number) | {"repoFullName": f"{owner}/{repo}"}
    good(ground.http.post("/v1/secrets/push", json=body))
    return Made({"owner": owner, "repo": repo})


def _environment(ground: Ground, number: int) -> str:
    """With values in it."""
    name = f"made-{number}"
    ground.ask("POST", f"{VAULT}/environments", {"name": name})
    ground.push(_all(ground, number), name)
    return name


def _entry(number: int) -> dict[str, str]:
    return {"key": f"ANOTHER_{number:05}", "value": f"value-{number}", "environment": ENVIRONMENT}


def _change(ground: Ground) -> dict[str, Any]:
    return {"repoFullName": ground.full_name, "environment": ENVIRONMENT}


def _pushed(ground: Ground, number: int) -> dict[str, Any]:
    return _change(ground) | {"mode": "merge", "secrets": _all(ground, number)}


def _all(ground: Ground, number: int) -> dict[str, str]:
    return {name: f"value-{number}-of-{name}" for name in names(ground.size)}


def _one_more(ground: Ground, number: int) -> str:
    return str(ground.ask("POST", f"{VAULT}/secrets", _entry(number))["id"])


def _one_less(ground: Ground, number: int) -> str:
    made = _one_more(ground, number)
    good(ground.http.delete(ground.path(_SECRET, secretId=made)))
    return made


def _old_version(ground: Ground, number: int) -> Made:
    made = _one_more(ground, number)
    ground.ask("PATCH", _SECRET, {"value": "newer"}, secretId=made)
    versions = ground.ask("GET", f"{_SECRET}/versions", secretId=made)["versions"]
    return Made({"secretId": made, "versionId": versions[0]["id"]})


def _full_trash(ground: Ground, number: int) -> Made:
    gone = [f"GONE_{number}_{one}" for one in range(ground.rows)]
    ground.push(dict.fromkeys(gone, "value"))
    ground.push({}, delete=gone)
    return Made()


def _changed(ground: Ground, number: int) -> str:
    """The revision before all values changed."""
    before = ground.ask("GET", f"{_ENVIRONMENT}/revision")["revision"]["number"]
    ground.push(_all(ground, number))
    return str(before)


def _copied(ground: Ground, number: int) -> Made:
    ground.push(_all(ground, number))
    return Made(body={"target": "staging", "overwrite": True})


def _override(ground: Ground, number: int) -> str:
    body = override(_environment(ground, number))
    return str(ground.ask("POST", f"{VAULT}/permissions/overrides", body)["id"])


def _many_overrides(ground: Ground, number: int) -> Made:
    for one in range(ground.rows):
        name = f"reset-{number}-{one}"
        ground.ask("POST", f"{VAULT}/environments", {"name": name})
        ground.ask("POST", f"{VAULT}/permissions/overrides", override(name))
    return Made()


def _minimum(ground: Ground, number: int) -> Made:
    name = _environment(ground, number)
    ground.ask("PUT", f"{VAULT}/permissions/{{env}}", {"permissions": {"read": "write", "write": "write"}}, env=name)
    return Made({"env": name})


def _rule(number: int) -> dict[str, Any]:
    return RULE | {"refs": [f"refs/heads/made-{number}"]}


def _order(ground: Ground, _number: int) -> Made:
    back = f"{ground.world.stack.dashboard_url}/upgrade"
    return Made(body={"priceId": price_id("pro"), "successUrl": back, "cancelUrl": back})


def _return(ground: Ground, _number: int) -> Made:
    return Made(body={"returnUrl": f"{ground.world.stack.dashboard_url}/upgrade"})


def _paid(ground: Ground, _number: int) -> Made:
    owner = {"keyway_org_id": ground.named["organization number"]}
    return stripe_delivery(outside_of(ground).stripe, owner, "business")


def _organization(ground: Ground, number: int) -> str:
    """A further one, of which nothing is known but that it is connected."""
    login = f"{ground.world.organization}-{number}"
    ground.github("create-org", login=login, admin=ground.world.login)
    ground.github("install", login=login)
    ground.ask("POST", "/v1/orgs/connect", {"orgLogin": login})
    return login


def _free_organization(ground: Ground, number: int) -> Made:
    back = f"{ground.world.stack.dashboard_url}/upgrade"
    order = {"priceId": price_id("team"), "successUrl": back, "cancelUrl": back}
    return Made({"org": _organization(ground, number)}, order)


def _token(_ground: Ground, _number: int) -> Made:
    return Made({"provider": "railway"}, {"token": TOKEN})


def _project(ground: Ground) -> dict[str, Any]:
    place = {"projectId": "rp", "serviceId": "svc", "providerEnvironment": "production"}
    return {"connectionId": ground.named["connection"], "keywayEnvironment": ENVIRONMENT, **place}


def _synced(ground: Ground, number: int) -> Made:
    ground.push(_all(ground, number))
    return Made(body={**_project(ground), "direction": "push"})
