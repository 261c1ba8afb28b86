"""Vaults: the list, and a new one."""

from __future__ import annotations

import asyncio
from itertools import groupby

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, path
from keyway_dashboard.features.vaults.models import Installations, NewVault, Repository, Vault
from keyway_dashboard.visits import Visit, get, post

_MOST_SHOWN = 60


async def overview(visit: Visit) -> Response:
    """Every vault that this person can reach, grouped by owner; `q` looks for words in names and environments."""
    vaults = await visit.api.all(path("vaults"), Vault)
    words = visit.query("q").lower().split()
    found = [vault for vault in vaults if all(word in _text(vault) for word in words)]
    found.sort(key=lambda vault: (vault.repoOwner.lower(), vault.repoName.lower()))
    groups = [(owner, list(items)) for owner, items in groupby(found, key=lambda vault: vault.repoOwner)]
    return visit.page("vaults/list", groups=groups, found=len(found), total=len(vaults), q=visit.query("q"))


async def choose(visit: Visit) -> Response:
    """The repositories on which a vault can be made."""
    repositories, installed = await asyncio.gather(
        visit.api.all(path("github", "repositories"), Repository, most=500),
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
    """The vaults for the switcher, the command palette, and fields that name one."""
    vaults = await visit.api.all(path("vaults"), Vault)
    vaults.sort(key=lambda vault: vault.full_name.lower())
    wanted = visit.query("as")
    return visit.part(f"parts/{wanted if wanted in {'switcher', 'names'} else 'palette'}", vaults=vaults)


def _text(vault: Vault) -> str:
    return " ".join([vault.full_name, *(one.name for one in vault.environmentDetails)]).lower()


ROUTES = [
    get("/vaults/new", choose),
    post("/vaults/new", create),
    get("/parts/places", places),
]
