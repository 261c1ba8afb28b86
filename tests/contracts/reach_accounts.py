"""API keys, GitHub's side, and workflows."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from keyway_backend.access import api_keys

from tests.backend.webhooks.github_post import headers_of, post_of
from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle import keys
from tests.oracle.wire import Call, Header

KEYS, KEY = "/v1/api-keys", "/v1/api-keys/{id}"
RULES = "/v1/vaults/{owner}/{repo}/oidc-rules"
RULE = f"{RULES}/{{id}}"
EXCHANGE = "/v1/auth/oidc/github"


# API keys ------------------------------------------------------------------------------------------------------------


def _wanted(scene: Scene, **changed: Any) -> dict[str, Any]:
    """A key of one environment."""
    environments = keys.environment_ids(scene.stack, scene.home.vault_id)
    return {
        "name": "contract", "environment": "live", "scopes": ["read:secrets"], "expiresInDays": 30,
        "allowedIps": ["127.0.0.0/8"], "vaultIds": [scene.home.vault_id],
        "environmentIds": [environments["development"]], **changed,
    }  # fmt: skip


def _new(scene: Scene) -> dict[str, Any]:
    return dict(scene.ask("POST", KEYS, _wanted(scene)))


def _ended(scene: Scene) -> str:
    """A key that was used, and is revoked."""
    key = _new(scene)
    scene.answer("GET", f"/v1/secrets/pull?repo={scene.home.full_name}&environment=development", token=key["token"])
    scene.answer("DELETE", f"{KEYS}/{key['id']}")
    return str(key["id"])


@reaches(f"GET {KEYS}")
def list_keys(scene: Scene) -> Call:
    """One that is good, and one that was used and is revoked."""
    _ended(scene)
    return scene.get(KEYS)


reaches(f"POST {KEYS}")(lambda scene: scene.post(KEYS, _wanted(scene)))
reaches(f"POST {KEYS}", "invalid scopes")(lambda scene: scene.post(KEYS, _wanted(scene, scopes=["everything"])))
reaches(f"POST {KEYS}", "too many days")(lambda scene: scene.post(KEYS, _wanted(scene, expiresInDays=366)))
reaches(f"POST {KEYS}", "a vault that nobody has")(
    lambda scene: scene.post(KEYS, _wanted(scene, vaultIds=[str(uuid4())], environmentIds=[]))
)
reaches(f"POST {KEYS}", "more than the key that asks")(
    lambda scene: scene.post(KEYS, _wanted(scene), scene.key_for_keys)
)
reaches(f"GET {KEY}")(lambda scene: scene.get(f"{KEYS}/{_ended(scene)}"))
reaches(f"DELETE {KEY}")(lambda scene: scene.call("DELETE", f"{KEYS}/{_new(scene)['id']}"))
reaches(f"DELETE {KEY}", "revoked already")(lambda scene: scene.call("DELETE", f"{KEYS}/{_ended(scene)}"))
for _method in ("GET", "DELETE"):
    reaches(f"{_method} {KEY}", "no id")(lambda scene, method=_method: scene.call(method, f"{KEYS}/nothing"))
    reaches(f"{_method} {KEY}", "no such key")(lambda scene, method=_method: scene.call(method, f"{KEYS}/{uuid4()}"))


def _leak(token: str) -> Call:
    return Call("POST", f"{KEYS}/leak-reports", (), {"token": token})


reaches(f"POST {KEYS}/leak-reports", "a key that exists")(lambda scene: _leak(_new(scene)["token"]))
reaches(f"POST {KEYS}/leak-reports", "a key that does not")(lambda _: _leak(api_keys.mint("live").reveal()))
reaches(f"POST {KEYS}/leak-reports", "wrong checksum")(lambda _: _leak(f"kw_live_{'a' * 40}"))


# GitHub --------------------------------------------------------------------------------------------------------------

CHECK = "/v1/github/check-installation"


def _named(full_name: str) -> dict[str, str]:
    return dict(zip(("repoOwner", "repoName"), full_name.split("/"), strict=True))


reaches(f"POST {CHECK}", "installed")(lambda scene: scene.post(CHECK, _named(scene.home.full_name)))
reaches(f"POST {CHECK}", "not there")(lambda scene: scene.post(CHECK, _named("nobody-at-all/nothing")))
reaches(f"POST {CHECK}", "no name")(lambda scene: scene.post(CHECK, {"repoOwner": scene.org}))
reaches("GET /v1/github/installations")(lambda scene: scene.get("/v1/github/installations"))
reaches("GET /v1/github/available-orgs")(lambda scene: scene.get("/v1/github/available-orgs"))
reaches("GET /v1/github/repositories")(lambda scene: scene.get("/v1/github/repositories"))
IDS = "/v1/github/repo-ids"
reaches(f"GET {IDS}", "with a role")(lambda scene: scene.get(f"{IDS}?repo={scene.home.full_name}"))
reaches(f"GET {IDS}", "without one")(lambda scene: scene.get(f"{IDS}?repo=nobody-at-all/nothing"))
reaches(f"GET {IDS}", "no repository")(lambda scene: scene.get(IDS))
reaches(f"GET {IDS}", "no slash")(lambda scene: scene.get(f"{IDS}?repo=nothing"))

HOOK = "POST /v1/github/webhook"


def _delivery(scene: Scene, without: str = "", raw: bytes = b"", signature: str = "", number: str = "") -> Call:
    """A delivery of GitHub's, with something left out or wrong."""
    body = raw or json.dumps({"zen": "Keep it logically awesome."}).encode()
    signed = signature or post_of(scene.stack).signature(body)
    told: tuple[Header, ...] = (("Content-Type", "application/json"), *headers_of("ping", signed, number or None))
    return Call("POST", "/v1/github/webhook", tuple(one for one in told if one[0] != without), form=body)


@reaches(HOOK, "the same delivery again")
def delivered_again(scene: Scene) -> Call:
    """It was taken already."""
    number = str(uuid4())
    call = _delivery(scene, number=number)
    post_of(scene.stack).raw(call.form or b"", call.headers[1:])
    return call


reaches(HOOK)(_delivery)
reaches(HOOK, "no signature")(lambda scene: _delivery(scene, "X-Hub-Signature-256"))
reaches(HOOK, "no event")(lambda scene: _delivery(scene, "X-GitHub-Event"))
reaches(HOOK, "no delivery id")(lambda scene: _delivery(scene, "X-GitHub-Delivery"))
reaches(HOOK, "bad signature")(lambda scene: _delivery(scene, signature=f"sha256={'0' * 64}"))
reaches(HOOK, "signature of another length")(lambda scene: _delivery(scene, signature="sha256=00"))
reaches(HOOK, "no JSON")(lambda scene: _delivery(scene, raw=b"{"))


# workflows -----------------------------------------------------------------------------------------------------------


def _exchange(token: Any, environment: str = "development") -> Call:
    return Call("POST", EXCHANGE, (), {"token": token, "environment": environment})


@reaches(f"POST {EXCHANGE}", "used already")
def exchanged_again(scene: Scene) -> Call:
    """A token buys once."""
    token = scene.run_token()
    scene.answer("POST", EXCHANGE, {"token": token, "environment": "development"})
    return _exchange(token)


@reaches(f"POST {EXCHANGE}", "no vault")
def run_without_vault(scene: Scene) -> Call:
    """A run of a repository that Keyway does not know."""
    name = f"{scene.org}/{scene.name('bare')}"
    scene.github.repo(name, {scene.home.admin: "admin"})
    return _exchange(scene.run_token(name))


def _tampered(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"


reaches(f"POST {EXCHANGE}")(lambda scene: _exchange(scene.run_token()))
reaches(f"POST {EXCHANGE}", "no token")(lambda _: Call("POST", EXCHANGE, (), {"environment": "development"}))
reaches(f"POST {EXCHANGE}", "forged token")(lambda scene: _exchange(_tampered(scene.run_token())))
reaches(f"POST {EXCHANGE}", "protected without a rule")(lambda scene: _exchange(scene.run_token(), "production"))
reaches(f"POST {EXCHANGE}", "pull request")(lambda scene: _exchange(scene.run_token(event_name="pull_request")))
reaches(f"POST {EXCHANGE}", "no environment")(lambda scene: Call("POST", EXCHANGE, (), {"token": scene.run_token()}))


@reaches(f"GET {RULES}")
def rules(scene: Scene) -> Call:
    """One with every field."""
    scene.rule()
    return scene.get(scene.at("/oidc-rules"))


@reaches(f"POST {RULES}", "the environment alone")
def smallest_rule(scene: Scene) -> Call:
    """What is left out is as it is without a rule. There is one such rule of an environment."""
    keys.sql(
        scene.stack, "DELETE FROM oidc_rules WHERE vault_id = %s AND conditions ->> 'refs' IS NULL", scene.home.vault_id
    )
    return scene.post(scene.at("/oidc-rules"), {"environment": "staging"})


@reaches(f"POST {RULES}", "the same rule again")
def same_rule(scene: Scene) -> Call:
    """Its form is taken."""
    body = scene.rule_body()
    scene.ask("POST", scene.at("/oidc-rules"), body)
    return scene.post(scene.at("/oidc-rules"), body)


@reaches(f"PUT {RULE}", "the form of another rule")
def form_of_another(scene: Scene) -> Call:
    """The same, by a change."""
    body = scene.rule_body()
    scene.ask("POST", scene.at("/oidc-rules"), body)
    return scene.call("PUT", scene.at(f"/oidc-rules/{scene.rule()['id']}"), body)


reaches(f"POST {RULES}", "every field")(lambda scene: scene.post(scene.at("/oidc-rules"), scene.rule_body()))
reaches(f"POST {RULES}", "no such environment")(
    lambda scene: scene.post(scene.at("/oidc-rules"), scene.rule_body() | {"environment": "nothing"})
)
reaches(f"POST {RULES}", "protected without refs")(
    lambda scene: scene.post(scene.at("/oidc-rules"), {"environment": "production"})
)
reaches(f"GET {RULE}")(lambda scene: scene.get(scene.at(f"/oidc-rules/{scene.rule()['id']}")))
reaches(f"PUT {RULE}")(
    lambda scene: scene.call("PUT", scene.at(f"/oidc-rules/{scene.rule()['id']}"), scene.rule_body())
)
reaches(f"DELETE {RULE}")(lambda scene: scene.call("DELETE", scene.at(f"/oidc-rules/{scene.rule()['id']}")))
for _method in ("GET", "PUT", "DELETE"):
    reaches(f"{_method} {RULE}", "no such rule")(
        lambda scene, method=_method: scene.call(
            method, scene.at(f"/oidc-rules/{uuid4()}"), scene.rule_body() if method == "PUT" else None
        )
    )
reaches(f"GET {RULE}", "no id")(lambda scene: scene.get(scene.at("/oidc-rules/nothing")))
