"""Syncs: accounts at providers, links of a vault, a preview, a run."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Invalid, Missing, SignedOut, path
from keyway_dashboard.failures import explain
from keyway_dashboard.features.secrets.models import Effective
from keyway_dashboard.features.syncs import models
from keyway_dashboard.features.syncs.models import (
    Connected,
    Connections,
    Link,
    LinkMade,
    Plan,
    Project,
    Provider,
    Providers,
    Reached,
    Synced,
    VaultWithLinks,
    Way,
)
from keyway_dashboard.features.vaults.place import of, url
from keyway_dashboard.visits import Visit, get, post

_PAGE = "/vaults/{owner}/{name}/syncs"
_PROVIDERS = path("integrations")
_CONNECTIONS = path("integrations", "connections")


async def show(visit: Visit) -> Response:
    """The syncs of a vault, and the caller's own accounts at providers."""
    vault, providers, found = await asyncio.gather(
        visit.api.get(of(visit), VaultWithLinks),
        visit.api.get(_PROVIDERS, Providers),
        visit.api.get(_CONNECTIONS, Connections),
    )
    return visit.page(
        "syncs/page",
        vault=vault,
        names={one.name: one.displayName for one in providers.providers},
        types={one.name: one for one in vault.environmentDetails},
        accounts=models.accounts(providers.providers, found),
        own={one.id for one in found.connections},
    )


async def token_form(visit: Visit) -> Response:
    """The form for a token that somebody made at a provider."""
    vault, provider = await asyncio.gather(
        visit.api.get(of(visit), VaultWithLinks), _provider(visit, visit.query("provider"))
    )
    return visit.page("syncs/connect", vault=vault, provider=provider)


async def connect(visit: Visit) -> Response:
    """Keeps a token at the backend, which asks the provider whose it is. It comes back in no answer."""
    form = await visit.form()
    name, token = str(form.get("provider", "")), str(form.get("token", "")).strip()
    try:
        made = await visit.api.post(path("integrations", name, "connect"), Connected, {"token": token})
    except Invalid as error:
        said = "; ".join(one.message for one in error.fields) or error.detail
        return visit.part("syncs/outcome", problem=said)
    return visit.go(url(visit, "syncs"), f"The account {made.user.username} is connected.")


async def disconnect(visit: Visit) -> Response:
    """Forgets an account with its token and its syncs; one that went meanwhile is gone all the same."""
    try:
        await visit.api.delete(path("integrations", "connections", visit.step("id")))
    except Missing:
        return visit.go(url(visit, "syncs"), "It had been disconnected already.")
    return visit.go(url(visit, "syncs"), "The account was disconnected; its token was deleted.")


async def choose(visit: Visit) -> Response:
    """The form for a new sync: what the caller's accounts reach, and the environments that may be read."""
    vault, providers, found, rights = await asyncio.gather(
        visit.api.get(of(visit), VaultWithLinks),
        visit.api.get(_PROVIDERS, Providers),
        visit.api.get(_CONNECTIONS, Connections),
        visit.api.get(of(visit, "permissions", "effective"), Effective),
    )
    connected = [one for one, accounts in models.accounts(providers.providers, found) if accounts]
    reached = await asyncio.gather(*(_projects(visit, one) for one in connected))
    groups = list(zip(connected, reached, strict=True))
    readable = [one for one in vault.environmentDetails if one.name in rights.permissions]
    readable = [one for one in readable if rights.permissions[one.name].read]
    known = sorted({place for projects in reached for one in projects for place in one.environments} | {"production"})
    return visit.page("syncs/new", vault=vault, groups=groups, environments=readable, known=known)


async def link(visit: Visit) -> Response:
    """Remembers what belongs together; on to what a first sync would do."""
    form = await visit.form()
    project, environment, place = (str(form.get(name, "")) for name in ("project", "environment", "place"))
    body = models.link_body(project, environment, place.strip())
    try:
        made = await visit.api.post(_below(visit, "link"), LinkMade, body)
    except Invalid as error:
        said = "Choose a project, and name an environment there." if error.fields else error.detail
        return visit.part("syncs/outcome", problem=said)
    return visit.go(url(visit, "syncs", made.link.id))


async def preview(visit: Visit) -> Response:
    """What a sync would do, in names. What keeps it from being told is said in its place."""
    vault, one = await _link(visit)
    way = models.way(visit.query("direction"), visit.query("delete"))
    plan, trouble = await _plan(visit, one, way)
    provider = await _provider(visit, one.provider)
    return visit.page(
        "syncs/preview",
        vault=vault,
        link=one,
        provider=provider,
        way=way,
        plan=plan,
        trouble=trouble,
    )


async def run(visit: Visit) -> Response:
    """Copies."""
    form = await visit.form()
    _, one = await _link(visit)
    way = models.way(str(form.get("direction", "")), str(form.get("delete", "")))
    done = await visit.api.post(_below(visit), Synced, one.target | way.body)
    return visit.go(url(visit, "syncs"), done.words, "good" if done.status == "success" else "bad")


# how ---------------------------------------------------------------------------------------------------------------


def _below(visit: Visit, *rest: str) -> str:
    return path("integrations", "vaults", visit.step("owner"), visit.step("name"), "sync", *rest)


async def _provider(visit: Visit, name: str) -> Provider:
    """The provider of this name. Raises Missing."""
    told = await visit.api.get(_PROVIDERS, Providers)
    for one in told.providers:
        if one.name == name:
            return one
    raise Missing(404, "", slug="not-found")


async def _projects(visit: Visit, provider: Provider) -> list[Project]:
    reached = await visit.api.get(path("integrations", "providers", provider.name, "all-projects"), Reached)
    return sorted(reached.projects, key=lambda one: one.label.lower())


async def _link(visit: Visit) -> tuple[VaultWithLinks, Link]:
    """The vault, and the link of the address, which must go over an account of the caller's. Raises Missing."""
    vault, found = await asyncio.gather(
        visit.api.get(of(visit), VaultWithLinks), visit.api.get(_CONNECTIONS, Connections)
    )
    own = {one.id for one in found.connections}
    for one in vault.syncs:
        if one.id == visit.step("id") and one.connectionId in own:
            return vault, one
    raise Missing(404, "", slug="not-found")


async def _plan(visit: Visit, one: Link, way: Way) -> tuple[Plan | None, str]:
    try:
        return await visit.api.get(_below(visit, "preview"), Plan, **one.target, **way.query), ""
    except SignedOut:
        raise
    except BackendError as error:
        return None, error.detail or explain(error).text


ROUTES = [
    get(_PAGE, show),
    get(f"{_PAGE}/connect", token_form),
    post(f"{_PAGE}/connect", connect),
    post(f"{_PAGE}/accounts/{{id}}/disconnect", disconnect),
    get(f"{_PAGE}/new", choose),
    post(f"{_PAGE}/new", link),
    get(f"{_PAGE}/{{id}}", preview),
    post(f"{_PAGE}/{{id}}/run", run),
]
