"""Settings: profile, sessions and usage."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response

from keyway_dashboard.backend import Missing, path
from keyway_dashboard.features.settings.agents import device
from keyway_dashboard.features.settings.usage import usage
from keyway_dashboard.visits import Visit, get, post


class Person(BaseModel):
    """The caller (contract.md 4.2)."""

    username: str
    email: str | None
    forgeUserId: str | None  # noqa: N815
    plan: str
    createdAt: str | None  # noqa: N815


class Session(BaseModel):
    """A session that lives. `current`: the one that asks."""

    id: str
    kind: str
    current: bool
    userAgent: str | None  # noqa: N815
    ip: str | None
    createdAt: str  # noqa: N815
    lastUsedAt: str | None  # noqa: N815
    expiresAt: str  # noqa: N815

    @property
    def device(self) -> str:
        """What a person calls it."""
        return device(self.userAgent or "", self.kind)


class Revoked(BaseModel):
    """How many sessions were ended."""

    revoked: int


async def profile(visit: Visit) -> Response:
    """Who is signed in, as GitHub says it."""
    return visit.page("settings/profile", me=await visit.api.get(path("users", "me"), Person))


async def sessions(visit: Visit) -> Response:
    """Where this person is signed in."""
    found = await visit.api.all(path("auth", "sessions"), Session)
    found.sort(key=lambda one: not one.current)
    return visit.page("settings/sessions", sessions=found)


async def revoke(visit: Visit) -> Response:
    """Ends one session; one that ended meanwhile is ended all the same."""
    try:
        await visit.api.delete(path("auth", "sessions", visit.step("id")))
    except Missing:
        return visit.go("/settings/sessions", "That session had ended already.")
    return visit.go("/settings/sessions", "The session was ended.")


async def revoke_others(visit: Visit) -> Response:
    """Ends every session but this one."""
    answer = await visit.api.send("DELETE", path("auth", "sessions"))
    count = Revoked.model_validate(answer.json()["data"]).revoked
    said = "There was no other session." if count == 0 else f"{count} other session{'s' * (count > 1)} ended."
    return visit.go("/settings/sessions", said)


ROUTES = [
    get("/settings", profile),
    get("/settings/usage", usage),
    get("/settings/sessions", sessions),
    post("/settings/sessions/others/end", revoke_others),
    post("/settings/sessions/{id}/end", revoke),
]
