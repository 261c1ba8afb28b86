"""Access: the matrix of roles and environments, overrides, one person's rights, collaborators."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Conflict, Invalid, Missing
from keyway_dashboard.failures import explain
from keyway_dashboard.features.permissions import models
from keyway_dashboard.features.permissions.models import (
    CHOICES,
    Collaborator,
    Collaborators,
    Effective,
    Override,
    Overrides,
    Reset,
)
from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.features.vaults.place import of, url
from keyway_dashboard.visits import Visit, get, post

_PAGE = "/vaults/{owner}/{name}/access"
_NOBODY = "Nobody of this name has signed in to Keyway, so there are no rights yet to look at."


async def show(visit: Visit) -> Response:
    """Who may do what. `person` asks about somebody; those who manage the vault are told."""
    vault, told, own = await asyncio.gather(
        visit.api.get(of(visit), Vault),
        visit.api.get(of(visit, "permissions", "overrides"), Overrides),
        visit.api.get(of(visit, "permissions", "effective"), Effective),
    )
    (people, trouble), (person, unknown) = await asyncio.gather(_people(visit, vault), _person(visit, vault))
    return visit.page(
        "permissions/page",
        vault=vault,
        manages=_manages(vault),
        matrix=models.matrix(vault.environmentDetails, told),
        overrides=told.overrides,
        own=own,
        people=people,
        trouble=trouble,
        asked_for=visit.query("person"),
        person=person,
        unknown=unknown,
        roles=models.ROLES,
        choices=CHOICES,
    )


async def create(visit: Visit) -> Response:
    """An override for a role or a person."""
    form = await _form(visit)
    try:
        made = await visit.api.post(of(visit, "permissions", "overrides"), Override, models.body(form))
    except Conflict:
        return visit.go(url(visit, "access"), "There is an override for that already; change it instead.", "bad")
    except Invalid as error:
        said = "; ".join(one.message for one in error.fields) or error.detail
        return visit.go(url(visit, "access"), said, "bad")
    return visit.go(url(visit, "access"), f"{made.target} in {made.place}: {made.access.words}.")


async def change(visit: Visit) -> Response:
    """What an override allows."""
    form = await _form(visit)
    made = await visit.api.put(_override(visit), Override, models.verbs(form))
    return visit.go(url(visit, "access"), f"{made.target} in {made.place}: {made.access.words}.")


async def remove(visit: Visit) -> Response:
    """Takes an override away; one that went meanwhile is gone all the same."""
    try:
        await visit.api.delete(_override(visit))
    except Missing:
        return visit.go(url(visit, "access"), "It had been removed already.")
    return visit.go(url(visit, "access"), "The override was removed; what stands below it holds again.")


async def reset(visit: Visit) -> Response:
    """Takes all overrides away."""
    answer = await visit.api.send("DELETE", of(visit, "permissions", "reset"))
    Reset.model_validate(answer.json()["data"])
    return visit.go(url(visit, "access"), "All overrides were removed.")


# how ---------------------------------------------------------------------------------------------------------------


def _manages(vault: Vault) -> bool:
    """Whether to offer what the backend allows to those who manage."""
    return vault.permission == "admin"


def _override(visit: Visit) -> str:
    return of(visit, "permissions", "overrides", visit.step("id"))


async def _form(visit: Visit) -> dict[str, str]:
    return {name: value for name, value in (await visit.form()).items() if isinstance(value, str)}


async def _people(visit: Visit, vault: Vault) -> tuple[list[Collaborator], str]:
    """Everybody with a role, and what to say when GitHub could not be asked: the rest of the page stands without."""
    if not _manages(vault):
        return [], ""
    try:
        found = await visit.api.get(of(visit, "collaborators"), Collaborators)
    except BackendError as error:
        if error.status < 500:
            raise
        return [], explain(error).text
    return models.by_role(found.collaborators), ""


async def _person(visit: Visit, vault: Vault) -> tuple[Effective | None, str]:
    """The rights of the person that was asked for, and what to say when there is none."""
    name = visit.query("person").strip()
    if not name or not _manages(vault):
        return None, ""
    try:
        return await visit.api.get(of(visit, "permissions", "effective"), Effective, user=name), ""
    except (Missing, Invalid):
        return None, _NOBODY


ROUTES = [
    get(_PAGE, show),
    post(f"{_PAGE}/overrides", create),
    post(f"{_PAGE}/overrides/reset", reset),
    post(f"{_PAGE}/overrides/{{id}}", change),
    post(f"{_PAGE}/overrides/{{id}}/remove", remove),
]
