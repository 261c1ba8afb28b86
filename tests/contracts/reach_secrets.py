"""Single secrets, their versions, the trash; overrides and the older rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle.wire import Call

VAULT = "/v1/vaults/{owner}/{repo}"
SECRETS, TRASH = f"{VAULT}/secrets", f"{VAULT}/trash"
SECRET, TRASHED = f"{SECRETS}/{{secretId}}", f"{TRASH}/{{secretId}}"
VERSION = f"{SECRET}/versions/{{versionId}}"
MISSING = "no such secret"


# secrets -------------------------------------------------------------------------------------------------------------


def _create(scene: Scene, **changed: Any) -> Call:
    body = {"key": scene.name("MADE_"), "value": "1", "environment": "development"} | changed
    return scene.post(scene.at("/secrets"), body)


reaches(f"GET {SECRETS}")(lambda scene: scene.get(scene.at("/secrets")))
reaches(f"POST {SECRETS}", "new")(_create)
reaches(f"POST {SECRETS}", "there already")(lambda scene: _create(scene, key="SAME"))
reaches(f"POST {SECRETS}", "a key that is none")(lambda scene: _create(scene, key="A=B"))
reaches(f"POST {SECRETS}", "value too large")(lambda scene: _create(scene, value="x" * 65_537))
reaches(f"POST {SECRETS}", "no such environment")(lambda scene: _create(scene, environment="nothing"))


def _patch(scene: Scene, body: dict[str, Any], secret: str = "") -> Call:
    return scene.call("PATCH", scene.at(f"/secrets/{secret or scene.new_secret()}"), body)


reaches(f"PATCH {SECRET}", "a value")(lambda scene: _patch(scene, {"value": "2"}))
reaches(f"PATCH {SECRET}", "a name")(lambda scene: _patch(scene, {"name": scene.name("NAMED_")}))
reaches(f"PATCH {SECRET}", "a name as the dashboard calls it")(
    lambda scene: _patch(scene, {"key": scene.name("NAMED_"), "value": "3"})
)
reaches(f"PATCH {SECRET}", "nothing")(lambda scene: _patch(scene, {}))
reaches(f"PATCH {SECRET}", "name is taken")(lambda scene: _patch(scene, {"name": "SAME"}))
reaches(f"PATCH {SECRET}", MISSING)(lambda scene: _patch(scene, {"value": "2"}, str(uuid4())))
reaches(f"DELETE {SECRET}")(lambda scene: scene.call("DELETE", scene.at(f"/secrets/{scene.new_secret()}")))
reaches(f"DELETE {SECRET}", MISSING)(lambda scene: scene.call("DELETE", scene.at(f"/secrets/{uuid4()}")))
for _tail in ("value", "versions"):
    reaches(f"GET {SECRET}/{_tail}", MISSING)(
        lambda scene, tail=_tail: scene.get(scene.at(f"/secrets/{uuid4()}/{tail}"))
    )
    reaches(f"GET {SECRET}/{_tail}", "secret that the reader may not read")(
        lambda scene, tail=_tail: scene.get(
            scene.at(f"/secrets/{scene.secret('LIVE', 'production')}/{tail}"), scene.reader
        )
    )
reaches(f"GET {SECRET}/value")(lambda scene: scene.get(scene.at(f"/secrets/{scene.secret()}/value")))
reaches(f"GET {SECRET}/versions")(lambda scene: scene.get(scene.at(f"/secrets/{scene.version()[0]}/versions")))


def _version(method: str, route: str, tail: str) -> None:
    """About a version, and about one that is not there."""

    def path(scene: Scene, version: str = "") -> str:
        secret, own = scene.version()
        return scene.at(f"/secrets/{secret}/versions/{version or own}{tail}")

    reaches(route)(lambda scene: scene.call(method, path(scene)))
    reaches(route, "no such version")(lambda scene: scene.call(method, path(scene, str(uuid4()))))


_version("GET", f"GET {VERSION}/value", "/value")
_version("POST", f"POST {VERSION}/restore", "/restore")
_version("DELETE", f"DELETE {VERSION}", "")


# the trash -----------------------------------------------------------------------------------------------------------


@reaches(f"GET {TRASH}")
def trash(scene: Scene) -> Call:
    """With something in it."""
    scene.trashed()
    return scene.get(scene.at("/trash"))


@reaches(f"DELETE {TRASH}")
def empty_trash(scene: Scene) -> Call:
    """The same, in the end empty."""
    scene.trashed()
    return scene.call("DELETE", scene.at("/trash"))


@reaches(f"POST {TRASHED}/restore", "the key exists again")
def restore_onto(scene: Scene) -> Call:
    """Somebody made it anew."""
    body = {"key": scene.name("AGAIN_"), "value": "1", "environment": "development"}
    gone = scene.ask("POST", scene.at("/secrets"), body)["id"]
    scene.ask("DELETE", scene.at(f"/secrets/{gone}"))
    scene.ask("POST", scene.at("/secrets"), body)
    return scene.post(scene.at(f"/trash/{gone}/restore"))


reaches(f"POST {TRASHED}/restore")(lambda scene: scene.post(scene.at(f"/trash/{scene.trashed()}/restore")))
reaches(f"POST {TRASHED}/restore", MISSING)(lambda scene: scene.post(scene.at(f"/trash/{uuid4()}/restore")))
reaches(f"DELETE {TRASHED}")(lambda scene: scene.call("DELETE", scene.at(f"/trash/{scene.trashed()}")))
reaches(f"DELETE {TRASHED}", MISSING)(lambda scene: scene.call("DELETE", scene.at(f"/trash/{uuid4()}")))


# permissions ---------------------------------------------------------------------------------------------------------

PERMISSIONS = f"{VAULT}/permissions"
RULE, OVERRIDES = f"{PERMISSIONS}/{{env}}", f"{PERMISSIONS}/overrides"
OVERRIDE = f"{OVERRIDES}/{{id}}"
ROLES = {"permissions": {"read": "read", "write": "write"}}


def _rule(scene: Scene, method: str, body: Any = None, name: str = "") -> Call:
    """The older form of a rule of a new environment."""
    return scene.call(method, scene.at(f"/permissions/{name or scene.environment()}"), body)


@reaches(f"GET {PERMISSIONS}")
def permissions(scene: Scene) -> Call:
    """With a rule of the older form."""
    made = _rule(scene, "PUT", ROLES)
    scene.ask("PUT", made.path, ROLES)
    return scene.get(scene.at("/permissions"))


reaches(f"PUT {RULE}")(lambda scene: _rule(scene, "PUT", ROLES))
reaches(f"PUT {RULE}", "a role that is none")(
    lambda scene: _rule(scene, "PUT", {"permissions": {"read": "everybody", "write": "write"}})
)
reaches(f"PUT {RULE}", "no such environment")(lambda scene: _rule(scene, "PUT", ROLES, "nothing"))
reaches(f"DELETE {RULE}")(lambda scene: _rule(scene, "DELETE"))
reaches(f"DELETE {RULE}", "no such environment")(lambda scene: _rule(scene, "DELETE", name="nothing"))


def _of_role(scene: Scene) -> dict[str, Any]:
    name = scene.environment()
    return {"environment": name, "targetType": "role", "targetRole": "triage", "canRead": True, "canWrite": False}


def _of_person(scene: Scene) -> dict[str, Any]:
    target = {"targetType": "user", "targetUserId": scene.reader_id}
    return {"environment": scene.environment(), **target, "canRead": True, "canWrite": False}


def _made(scene: Scene, body: Callable[[Scene], dict[str, Any]] = _of_role) -> str:
    return str(scene.ask("POST", scene.at("/permissions/overrides"), body(scene))["id"])


def _override(scene: Scene, body: dict[str, Any]) -> Call:
    return scene.post(scene.at("/permissions/overrides"), body)


@reaches(f"GET {OVERRIDES}")
def overrides(scene: Scene) -> Call:
    """One of each kind."""
    _made(scene)
    _made(scene, _of_person)
    return scene.get(scene.at("/permissions/overrides"))


@reaches(f"POST {OVERRIDES}", "exists already")
def override_again(scene: Scene) -> Call:
    """Of the same target in the same environment."""
    body = _of_role(scene)
    scene.ask("POST", scene.at("/permissions/overrides"), body)
    return _override(scene, body)


def _change(scene: Scene, body: dict[str, Any], id_: str = "") -> Call:
    return scene.call("PUT", scene.at(f"/permissions/overrides/{id_ or _made(scene)}"), body)


reaches(f"POST {OVERRIDES}", "for a role")(lambda scene: _override(scene, _of_role(scene)))
reaches(f"POST {OVERRIDES}", "for a person")(lambda scene: _override(scene, _of_person(scene)))
reaches(f"POST {OVERRIDES}", "no target")(lambda scene: _override(scene, _of_role(scene) | {"targetRole": None}))
reaches(f"POST {OVERRIDES}", "a person that nobody is")(
    lambda scene: _override(scene, _of_person(scene) | {"targetUserId": str(uuid4())})
)
reaches(f"PUT {OVERRIDE}", "for a role")(lambda scene: _change(scene, {"canRead": False}))
reaches(f"PUT {OVERRIDE}", "for a person")(lambda scene: _change(scene, {"canRead": False}, _made(scene, _of_person)))
reaches(f"PUT {OVERRIDE}", "nothing")(lambda scene: _change(scene, {}))
reaches(f"PUT {OVERRIDE}", "no such override")(lambda scene: _change(scene, {"canRead": False}, str(uuid4())))
reaches(f"DELETE {OVERRIDE}")(lambda scene: scene.call("DELETE", scene.at(f"/permissions/overrides/{_made(scene)}")))
reaches(f"DELETE {OVERRIDE}", "no such override")(
    lambda scene: scene.call("DELETE", scene.at(f"/permissions/overrides/{uuid4()}"))
)
reaches(f"DELETE {PERMISSIONS}/reset")(lambda scene: scene.call("DELETE", scene.at("/permissions/reset")))
EFFECTIVE = f"GET {PERMISSIONS}/effective"
reaches(EFFECTIVE)(lambda scene: scene.get(scene.at("/permissions/effective")))
reaches(EFFECTIVE, "of another person")(
    lambda scene: scene.get(scene.at(f"/permissions/effective?user={scene.home.admin}"), scene.reader)
)
reaches(f"GET {PERMISSIONS}/defaults")(lambda scene: scene.get(scene.at("/permissions/defaults")))
