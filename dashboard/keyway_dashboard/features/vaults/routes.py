"""Vaults: the list, and a new one."""

from __future__ import annotations

import asyncio
from itertools import groupby
from urllib.parse import urlencode

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Page, path
from keyway_dashboard.features.vaults.models import Installations, NewVault, Repository, Vault
from keyway_dashboard.visits import Visit, get, here, post

_MOST_SHOWN = 60
_MOST_REPOSITORIES = 2_000
# GitHub is asked for all of them whatever part of the list is wanted.
_REPOSITORIES_AT_ONCE = 500
_ON_A_PAGE = 50
_PLACES = 50
_NAMES = 500
_LONGEST_SEARCH = 200


async def overview(visit: Visit) -> Response:
    """The vaults of this person by owner and name, a page at a time; `q` looks in names and environments."""
    q = visit.query("q")
    page = await _page(visit, q, _ON_A_PAGE, visit.offset)
    if visit.offset and not page.items:
        # The list became shorter since the link was made.
        page = await _page(visit, q, _ON_A_PAGE)
    groups = [(owner, list(items)) for owner, items in groupby(page.items, key=lambda vault: vault.repoOwner)]
    return visit.page("vaults/list", groups=groups, page=page, q=q, base=f"/?{urlencode({'q': q} if q else {})}")


async def choose(visit: Visit) -> Response:
    """The repositories on which a vault can be made."""
    repositories, installed = await asyncio.gather(
        visit.api.all(path("github", "repositories"), Repository, most=_MOST_REPOSITORIES, step=_REPOSITORIES_AT_ONCE),
        visit.api.get(path("github", "installations"), Installations),
    )
    words = visit.query("q").lower().split()
    found = [one for one in repositories if all(word in one.fullName.lower() for word in words)]
    found.sort(key=lambda one: (one.hasVault, one.role != "admin", one.fullName.lower()))
    return visit.page(
        "vaults/new",
        repositories=found[:_MOST_SHOWN],
        more=max(0, len(found) - _MOST_SHOWN),
        total=len(repositories),
        install_url=installed.installUrl,
        q=visit.query("q"),
    )


async def create(visit: Visit) -> Response:
    """Makes a vault; on to its page, also when somebody made it meanwhile."""
    name = str((await visit.form()).get("repository", ""))
    try:
        made = await visit.api.post(path("vaults"), NewVault, {"repoFullName": name})
    except Conflict:
        return visit.go(f"/vaults/{name}", "This repository has a vault already.")
    return visit.go(f"/vaults/{made.repoFullName}", f"The vault for {made.repoFullName} is ready.")


async def places(visit: Visit) -> Response:
    """Vaults for the switcher, the command palette, and fields that name one. Of many these are the first; what
    somebody types into the palette is looked for in all of them."""
    wanted, q = visit.query("as"), visit.query("q")
    page = await _page(visit, q, _NAMES if wanted == "names" else _PLACES)
    template = f"parts/{wanted if wanted in {'switcher', 'names'} else 'palette'}"
    return visit.part(
        template, vaults=page.items, more=page.total - len(page.items), q=q, at=_vault_of(here(visit.request))
    )


async def _page(visit: Visit, q: str, limit: int, offset: int = 0) -> Page[Vault]:
    return await visit.api.page(path("vaults"), Vault, limit=limit, offset=offset, q=q[:_LONGEST_SEARCH], sort="name")


def _vault_of(target: str) -> str:
    """owner/name of the vault whose page this is; empty for another page."""
    steps = target.partition("?")[0].split("/")
    return "/".join(steps[2:4]) if len(steps) > 3 and steps[1] == "vaults" else ""


ROUTES = [
    get("/vaults/new", choose),
    post("/vaults/new", create),
    get("/parts/places", places),
]
