"""Organisations: the list and what can be connected, the people of one, its settings."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Invalid, Refused, path
from keyway_dashboard.features.organizations import billing, models
from keyway_dashboard.features.organizations.models import (
    AvailableList,
    Connected,
    Details,
    Member,
    Organization,
    Synced,
)
from keyway_dashboard.visits import Visit, get, post

_PAGE = "/organizations/{org}"


async def every(visit: Visit) -> Response:
    """The organisations of this person, and those that could be connected."""
    found, (others, trouble) = await asyncio.gather(visit.api.get(path("orgs"), list[Organization]), _available(visit))
    return visit.page("organizations/list", organizations=found, others=others, trouble=trouble)


async def connect(visit: Visit) -> Response:
    """Connects one; who is no member of it learns no more than that."""
    login = str((await visit.form()).get("login", ""))
    try:
        made = await visit.api.post(path("orgs", "connect"), Connected, {"orgLogin": login})
    except (Invalid, Refused):
        return visit.go("/organizations", "That organisation could not be connected.", tone="bad")
    return visit.go(f"/organizations/{login}", f"{made.message}.")


async def people(visit: Visit) -> Response:
    """Who is in it, as GitHub says it now."""
    organization, members, sold = await asyncio.gather(
        _one(visit), visit.api.get(_of(visit, "members"), list[Member]), billing.is_sold(visit)
    )
    words = visit.query("q").lower().split()
    found = [one for one in members if all(word in one.username.lower() for word in words)]
    facts = {"members": found, "total": len(members), "q": visit.query("q")}
    return visit.page("organizations/people", organization=organization, sold=sold, **facts)  # type: ignore[arg-type]


async def refresh(visit: Visit) -> Response:
    """Brings the kept roster, from which people and plans are counted, up to date."""
    done = await visit.api.post(_of(visit, "members", "sync"), Synced)
    changed = done.added + done.updated + done.removed
    said = f"{done.added} joined, {done.removed} left, {done.updated} changed." if changed else "Nothing had changed."
    return visit.go(f"/organizations/{visit.step('org')}", said)


async def settings(visit: Visit) -> Response:
    """Its name, and what members may do where no vault says otherwise. Only owners get a form."""
    organization, sold = await asyncio.gather(_one(visit), billing.is_sold(visit))
    return _settings(visit, organization, sold=sold)


async def save(visit: Visit) -> Response:
    """What the form says, unless somebody else saved since it was opened."""
    form = await visit.form()
    now, sold = await asyncio.gather(_one(visit), billing.is_sold(visit))
    if now.is_owner and form.get("seen") != now.mark:
        return _settings(visit, now, sold=sold, problem="Somebody saved first. This is how it stands now.")
    name = str(form.get("name", "")).strip()
    body = {"displayName": name or None, "defaultPermissions": models.defaults_of(form)}
    try:
        await visit.api.send("PUT", _of(visit), body=body)
    except Invalid as error:
        told = "; ".join(one.message for one in error.fields) or error.detail
        return _settings(visit, now, sold=sold, problem=told)
    return visit.go(f"{now.url}/settings", "The settings were saved.")


def _settings(visit: Visit, organization: Details, *, sold: bool, problem: str = "") -> Response:
    facts = {"organization": organization, "sold": sold, "problem": problem}
    tables = {"roles": models.ROLES, "types": models.TYPES, "usual": models.USUAL, "words": models.WORDS}
    return visit.page("organizations/settings", **facts, **tables)  # type: ignore[arg-type]


def _of(visit: Visit, *rest: str) -> str:
    return path("orgs", visit.step("org"), *rest)


async def _one(visit: Visit) -> Details:
    return await visit.api.get(_of(visit), Details)


async def _available(visit: Visit) -> tuple[AvailableList, str]:
    """What could be connected; that GitHub does not tell it now closes no page."""
    try:
        return await visit.api.get(path("github", "available-orgs"), AvailableList), ""
    except BackendError as error:
        if error.status < 403:
            raise
        return AvailableList(
            organizations=[], install_url=""
        ), error.detail or "GitHub does not say now what could be connected."


ROUTES = [
    get("/organizations", every),
    post("/organizations/connect", connect),
    get(_PAGE, people),
    post(f"{_PAGE}/refresh", refresh),
    get(f"{_PAGE}/settings", settings),
    post(f"{_PAGE}/settings", save),
    *billing.ROUTES,
]
