"""Activity, alerts, exposure, comparisons, and the people of a repository."""

from __future__ import annotations

from uuid import uuid4

from tests.backend.alerts.watching import judged, read
from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle import stage
from tests.oracle.wire import Call

VAULT = "/v1/vaults/{owner}/{repo}"
HISTORY = f"{VAULT}/secrets/{{secretId}}/access-history"
TICK = f"{VAULT}/exposure/{{userId}}/ticks/{{secretId}}"
UNREADABLE = "environment that the reader may not read"
MISSING = "no such environment"


# activity ------------------------------------------------------------------------------------------------------------


@reaches("GET /v1/activity")
def own_activity(scene: Scene) -> Call:
    """After one secret alone was changed, and several at once."""
    body = {"key": "ALONE", "value": "1", "environment": "development"}
    scene.once("alone", lambda: str(scene.ask("POST", scene.at("/secrets"), body)["id"]))
    return scene.get("/v1/activity?limit=500")


@reaches(f"GET {VAULT}/activity")
def vault_activity(scene: Scene) -> Call:
    """The same, in the vault."""
    own_activity(scene)
    return scene.get(scene.at("/activity?limit=500"))


reaches(f"GET {VAULT}/activity", MISSING)(lambda scene: scene.get(scene.at("/activity?environment=nothing")))
reaches(f"GET {VAULT}/activity", UNREADABLE)(
    lambda scene: scene.get(scene.at("/activity?environment=production"), scene.reader)
)


# alerts --------------------------------------------------------------------------------------------------------------


@reaches(f"GET {VAULT}/security/alerts")
def alerts(scene: Scene) -> Call:
    """After a read by a program that nobody knows."""
    scene.once("alert", lambda: _alarmed(scene))
    return scene.get(scene.at("/security/alerts"))


def _alarmed(scene: Scene) -> str:
    read(scene.home, scene.token, agent="curl/8.5")
    return str(judged(scene.home)[0]["id"])


# exposure ------------------------------------------------------------------------------------------------------------


def seen(scene: Scene) -> str:
    """The reader has seen one secret that was changed since, one that is dealt with, and one that is neither."""
    dealt_with = scene.once("seen", lambda: _saw(scene))
    scene.ask("PUT", scene.at(f"/exposure/{scene.reader_id}/ticks/{dealt_with}"))
    return dealt_with


def _saw(scene: Scene) -> str:
    assert stage.pull(scene.stack, scene.reader, scene.home.full_name, "development")
    key = scene.name("ROTATED")
    body = {"key": key, "value": "1", "environment": "development"}
    rotated = scene.ask("POST", scene.at("/secrets"), body)["id"]
    assert stage.pull(scene.stack, scene.reader, scene.home.full_name, "development")
    scene.ask("PATCH", scene.at(f"/secrets/{rotated}"), {"value": "2"})
    return scene.secret("DIFFERENT")


@reaches("GET /v1/orgs/{org}/exposure")
def org_exposure(scene: Scene) -> Call:
    """Somebody saw something."""
    seen(scene)
    return scene.get(f"/v1/orgs/{scene.org}/exposure")


reaches("GET /v1/orgs/{org}/exposure", "no day")(
    lambda scene: scene.get(f"/v1/orgs/{scene.org}/exposure?startDate=yesterday")
)
reaches("GET /v1/orgs/{org}/exposure", "no vault id")(
    lambda scene: scene.get(f"/v1/orgs/{scene.org}/exposure?vaultId=1")
)


@reaches("GET /v1/orgs/{org}/exposure/{username}")
def org_report(scene: Scene) -> Call:
    """What the reader saw."""
    seen(scene)
    return scene.get(f"/v1/orgs/{scene.org}/exposure/{scene.reader_login}")


reaches("GET /v1/orgs/{org}/exposure/{username}", "somebody who saw nothing")(
    lambda scene: scene.get(f"/v1/orgs/{scene.org}/exposure/{scene.member_login}")
)


@reaches(f"GET {HISTORY}")
def history(scene: Scene) -> Call:
    """Who saw a secret."""
    seen(scene)
    return scene.get(scene.at(f"/secrets/{scene.secret()}/access-history"))


reaches(f"GET {HISTORY}", "no such secret")(lambda scene: scene.get(scene.at(f"/secrets/{uuid4()}/access-history")))
reaches(f"GET {HISTORY}", "secret that the reader may not read")(
    lambda scene: scene.get(scene.at(f"/secrets/{scene.secret('LIVE', 'production')}/access-history"), scene.reader)
)


@reaches(f"GET {VAULT}/exposure", "JSON")
def vault_exposure(scene: Scene) -> Call:
    """Of everybody."""
    seen(scene)
    return scene.get(scene.at("/exposure"))


@reaches(f"GET {VAULT}/exposure", "CSV")
def vault_exposure_table(scene: Scene) -> Call:
    """The same, as a table."""
    seen(scene)
    return scene.call("GET", scene.at("/exposure"), None, None, ("Accept", "text/csv"))


@reaches(f"PUT {TICK}")
def tick(scene: Scene) -> Call:
    """Dealt with."""
    return scene.call("PUT", scene.at(f"/exposure/{scene.reader_id}/ticks/{seen(scene)}"))


@reaches(f"DELETE {TICK}")
def untick(scene: Scene) -> Call:
    """Not dealt with after all."""
    return scene.call("DELETE", scene.at(f"/exposure/{scene.reader_id}/ticks/{seen(scene)}"))


for _method in ("PUT", "DELETE"):
    reaches(f"{_method} {TICK}", "no such secret")(
        lambda scene, method=_method: scene.call(method, scene.at(f"/exposure/{scene.reader_id}/ticks/{uuid4()}"))
    )


# comparing -----------------------------------------------------------------------------------------------------------

reaches(f"GET {VAULT}/compare")(lambda scene: scene.get(scene.at("/compare?left=development&right=staging")))
reaches(f"GET {VAULT}/compare", "no right side")(lambda scene: scene.get(scene.at("/compare?left=development")))
reaches(f"GET {VAULT}/compare", MISSING)(lambda scene: scene.get(scene.at("/compare?left=development&right=nothing")))
reaches(f"GET {VAULT}/compare", UNREADABLE)(
    lambda scene: scene.get(scene.at("/compare?left=development&right=production"), scene.reader)
)


# people --------------------------------------------------------------------------------------------------------------

reaches(f"GET {VAULT}/collaborators")(lambda scene: scene.get(scene.at("/collaborators")))
reaches(f"GET {VAULT}/contributors")(lambda scene: scene.get(scene.at("/contributors")))
