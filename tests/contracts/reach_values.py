"""Values as clients push and pull them; vaults and their environments."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.contracts.reach_integrations import linked_again
from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle.stage import SECRETS_JSON
from tests.oracle.wire import Call, Header, send

PUSH, PULL, VIEW = "/v1/secrets/push", "/v1/secrets/pull", "/v1/secrets/view"
VAULTS, VAULT = "/v1/vaults", "/v1/vaults/{owner}/{repo}"
ENVIRONMENTS = f"{VAULT}/environments"
ENVIRONMENT = f"{ENVIRONMENTS}/{{name}}"
UNREADABLE = "environment that the reader may not read"
MISSING = "no such environment"


# push ----------------------------------------------------------------------------------------------------------------


def _push(scene: Scene, *more: Header, token: str | None = None, **changed: Any) -> Call:
    body = {
        "repoFullName": scene.home.full_name, "environment": "development", "mode": "merge",
        "secrets": {"SAME": "1", scene.name("PUSHED_"): "1"}, **changed,
    }  # fmt: skip
    return scene.call("POST", PUSH, body, token, *more)


@reaches(f"POST {PUSH}", "same idempotency key for another push")
def pushed_again(scene: Scene) -> Call:
    """The key was used."""
    once = ("Idempotency-Key", str(uuid4()))
    assert send(scene.base, _push(scene, once, token=scene.home.token)).status == 200
    return _push(scene, once, token=scene.home.token)


reaches(f"POST {PUSH}", "a session")(_push)
reaches(f"POST {PUSH}", "a key that does not read")(lambda scene: _push(scene, token=scene.key_to_write))
reaches(f"POST {PUSH}", "no repository")(lambda scene: scene.post(PUSH, {"environment": "development", "secrets": {}}))
reaches(f"POST {PUSH}", "unknown vault")(lambda scene: _push(scene, repoFullName="nobody-at-all/nothing"))
reaches(f"POST {PUSH}", MISSING)(lambda scene: _push(scene, environment="nothing"))
reaches(f"POST {PUSH}", "no key")(lambda scene: _push(scene, secrets={"A=B": "1"}))
reaches(f"POST {PUSH}", "value too large")(lambda scene: _push(scene, secrets={"A": "x" * 65_537}))
reaches(f"POST {PUSH}", "moved on")(lambda scene: _push(scene, ("If-Match", f'"{uuid4()}"')))


# pull and view -------------------------------------------------------------------------------------------------------


def _pull(scene: Scene, *more: Header, environment: str = "development", token: str | None = None) -> Call:
    path = f"{PULL}?repo={scene.home.full_name}&environment={environment}"
    return scene.call("GET", path, None, token, *more)


def _view(scene: Scene, key: str, environment: str = "development", token: str | None = None) -> Call:
    return scene.get(f"{VIEW}?repo={scene.home.full_name}&environment={environment}&key={key}", token)


reaches(f"GET {PULL}", "as text")(_pull)
reaches(f"GET {PULL}", "as JSON")(lambda scene: _pull(scene, ("Accept", SECRETS_JSON)))
reaches(f"GET {PULL}", "nothing new")(
    lambda scene: _pull(scene, ("If-None-Match", send(scene.base, _pull(scene)).header("etag")))
)
reaches(f"GET {PULL}", UNREADABLE)(lambda scene: _pull(scene, environment="production", token=scene.reader))
reaches(f"GET {PULL}", "no environment")(lambda scene: scene.get(f"{PULL}?repo={scene.home.full_name}"))
reaches(f"GET {PULL}", "no repository")(lambda scene: scene.get(f"{PULL}?environment=development"))
reaches(f"GET {PULL}", "unknown vault")(
    lambda scene: scene.get(f"{PULL}?repo=nobody-at-all/nothing&environment=development")
)
reaches(f"GET {PULL}", "nothing there")(lambda scene: _pull(scene, environment=scene.environment()))
reaches(f"GET {VIEW}")(lambda scene: _view(scene, "SAME"))
reaches(f"GET {VIEW}", UNREADABLE)(lambda scene: _view(scene, "LIVE", "production", scene.reader))
reaches(f"GET {VIEW}", "no key")(lambda scene: scene.get(f"{VIEW}?repo={scene.home.full_name}&environment=development"))
reaches(f"GET {VIEW}", "no such key")(lambda scene: _view(scene, "NOTHING"))


# vaults --------------------------------------------------------------------------------------------------------------


def _read_only(scene: Scene) -> str:
    """The path of a vault whose owner does not pay any more; it was synced while they did."""
    org = scene.company("late")
    owner = {"keyway_org_id": str(scene.numbers[org])}
    subscription = scene.pays(owner, "team")
    name = scene.repository(org, "private")
    scene.ask("POST", VAULTS, {"repoFullName": name})
    scene.pays(owner, "team", status="canceled", id=subscription)
    return f"{VAULTS}/{name}"


def _orphaned(scene: Scene) -> str:
    """The path of a vault whose repository lost the App."""
    org = scene.company("held")
    name = scene.repository(org)
    scene.ask("POST", VAULTS, {"repoFullName": name})
    scene.github.do("suspend", login=org, webhook=True)
    return f"{VAULTS}/{name}"


def _synced(scene: Scene) -> str:
    scene.once("link", lambda: str(scene.ask("POST", linked_again(scene).path, linked_again(scene).body)["link"]["id"]))
    return scene.vault


@reaches(f"GET {VAULTS}")
def vaults(scene: Scene) -> Call:
    """One with a sync, one that can only be read."""
    _synced(scene)
    scene.once("read only", lambda: _read_only(scene))
    return scene.get(VAULTS)


@reaches(f"POST {VAULTS}", "without the App")
def vault_without_app(scene: Scene) -> Call:
    """The owner's, and unknown to the App."""
    org, _ = scene.github.org("bare", scene.home.admin)
    return scene.post(VAULTS, {"repoFullName": scene.repository(org)})


@reaches(f"GET {VAULT}", "the creator without the App")
def orphan(scene: Scene) -> Call:
    """It is still there."""
    return scene.get(scene.once("orphan", lambda: _orphaned(scene)))


@reaches(f"DELETE {VAULT}", "reader of the vault")
def delete_as_reader(scene: Scene) -> Call:
    """Only administrators."""
    return scene.call("DELETE", scene.new_vault(), None, scene.reader)


reaches(f"POST {VAULTS}")(lambda scene: scene.post(VAULTS, {"repoFullName": scene.repository()}))
reaches(f"POST {VAULTS}", "no name")(lambda scene: scene.post(VAULTS, {}))
reaches(f"POST {VAULTS}", "exists already")(lambda scene: scene.post(VAULTS, {"repoFullName": scene.home.full_name}))
reaches(f"POST {VAULTS}", "one too many for the plan")(
    lambda scene: scene.post(VAULTS, {"repoFullName": scene.repository(scene.untried(), "private")})
)
reaches(f"GET {VAULT}", "an admin")(lambda scene: scene.get(_synced(scene)))
reaches(f"GET {VAULT}", "read-only")(lambda scene: scene.get(scene.once("read only", lambda: _read_only(scene))))
reaches(f"GET {VAULT}", "unknown vault")(lambda scene: scene.get(f"{VAULTS}/nobody-at-all/nothing"))
reaches(f"DELETE {VAULT}")(lambda scene: scene.call("DELETE", scene.new_vault()))


# environments --------------------------------------------------------------------------------------------------------


def _at(scene: Scene, tail: str = "", name: str = "") -> str:
    return scene.at(f"/environments/{name or scene.environment()}{tail}")


@reaches(f"DELETE {ENVIRONMENT}", "the last one")
def last_environment(scene: Scene) -> Call:
    """Of three, two are gone."""
    vault = scene.new_vault()
    for name in ("staging", "production"):
        scene.ask("DELETE", f"{vault}/environments/{name}")
    return scene.call("DELETE", f"{vault}/environments/development")


def _named(method: str, route: str, tail: str, field: str, good: Any, wrong: str) -> None:
    """What is sent to an environment: something good, something wrong, and about one that is not there."""

    def send_(scene: Scene, name: str = "", value: Any = None) -> Call:
        given = value if value is not None else good(scene)
        return scene.call(method, _at(scene, tail, name), {field: given})

    reaches(route)(send_)
    reaches(route, wrong)(lambda scene: send_(scene, value="Not One"))
    reaches(route, MISSING)(lambda scene: send_(scene, "nothing"))


def _name(scene: Scene) -> str:
    return scene.name("r-")


_named("PATCH", f"PATCH {ENVIRONMENT}", "", "newName", _name, "a name that is none")
_named("PATCH", f"PATCH {ENVIRONMENT}/type", "/type", "type", lambda _: "protected", "a type that is none")
reaches(f"PATCH {ENVIRONMENT}", "name is taken")(
    lambda scene: scene.call("PATCH", _at(scene), {"newName": "production"})
)
reaches(f"GET {ENVIRONMENTS}")(lambda scene: scene.get(scene.at("/environments")))
reaches(f"POST {ENVIRONMENTS}")(lambda scene: scene.post(scene.at("/environments"), {"name": _name(scene)}))
reaches(f"POST {ENVIRONMENTS}", "a name that is none")(
    lambda scene: scene.post(scene.at("/environments"), {"name": "Not One"})
)
reaches(f"POST {ENVIRONMENTS}", "name is taken")(
    lambda scene: scene.post(scene.at("/environments"), {"name": "production"})
)
reaches(f"DELETE {ENVIRONMENT}")(lambda scene: scene.call("DELETE", _at(scene)))
reaches(f"DELETE {ENVIRONMENT}", MISSING)(lambda scene: scene.call("DELETE", _at(scene, name="nothing")))
