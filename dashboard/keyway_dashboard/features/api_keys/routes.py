"""API keys: the list, one key, a new one whose text is shown this once, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Conflict, Invalid, Missing, Refused, path
from keyway_dashboard.features.api_keys import models
from keyway_dashboard.features.api_keys.models import (
    BoundVault,
    Choice,
    KeyDetail,
    Keys,
    Minted,
    Reached,
    Wanted,
)
from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.visits import Visit, get, post

_PAGE = "/api-keys"
_OFFERED = 30
_MOST_CHOSEN = 50
# What the backend calls a field, and what the form does.
_FIELDS = {
    "name": "name", "scopes": "scope", "expiresInDays": "days", "allowedIps": "addresses", "vaultIds": "vault",
    "environmentIds": "vault",
}  # fmt: skip


async def every(visit: Visit) -> Response:
    """The person's keys: those that work, then those that ended."""
    found = (await visit.api.get(path("api-keys"), Keys)).keys
    active = [key for key in found if key.isActive]
    ended = [key for key in found if not key.isActive]
    labels = {scope: label for scope, label, _ in models.SCOPES}
    return visit.page("api_keys/list", active=active, ended=ended, labels=labels)


async def show(visit: Visit) -> Response:
    """One key: what it may do, where, from where, and until when. Another id than a key's is nobody's key."""
    try:
        key = await visit.api.get(path("api-keys", visit.step("id")), KeyDetail)
    except Invalid:
        raise Missing(404, "", slug="not-found") from None
    return visit.page("api_keys/show", key=key, reached=await _reached(visit, key), scopes=models.SCOPES)


async def blank(visit: Visit) -> Response:
    """The form for a new key; `vault` in the address chooses it beforehand."""
    chosen = tuple(visit.request.query_params.getlist("vault"))[:_MOST_CHOSEN]
    return await _form(visit, Wanted(only=bool(chosen), vaults=chosen), {})


async def offer(visit: Visit) -> Response:
    """The vaults for the form: those that are ticked already, and what `q` finds."""
    chosen = visit.request.query_params.getlist("vault")[:_MOST_CHOSEN]
    wanted = Wanted(environments=tuple(visit.request.query_params.getlist("environment")))
    found = await _choice(visit, chosen, visit.query("q"))
    return visit.part("api_keys/vaults", choice=found, wanted=wanted)


async def create(visit: Visit) -> Response:
    """A new key. Its text stands in this one answer, which no cache keeps and no address leads to."""
    wanted = Wanted.of(await visit.form())
    faults = wanted.faults()
    if faults:
        return await _form(visit, wanted, faults)
    try:
        bound = await asyncio.gather(*(_bound(visit, name) for name in wanted.vaults))
        made = await visit.api.post(path("api-keys"), Minted, wanted.body(bound))
    except (Missing, Refused):
        return await _form(visit, wanted, {"vault": "You do not reach all of these vaults any more."})
    except Invalid as error:
        told = {_FIELDS.get(one.field.partition(".")[0], "name"): one.message for one in error.fields}
        return await _form(visit, wanted, told or {"name": error.detail})
    facts: dict[str, Any] = {"key": made, "vaults": wanted.vaults, "api_url": visit.services.settings.api_url}
    return visit.part("api_keys/made", **facts) if visit.by_htmx else visit.page("api_keys/made_page", **facts)


async def revoke(visit: Visit) -> Response:
    """Ends a key; one that ended meanwhile is ended all the same."""
    try:
        await visit.api.delete(path("api-keys", visit.step("id")))
    except (Invalid, Conflict):
        return visit.go(_PAGE, "That key had ended already.")
    return visit.go(_PAGE, "The key was revoked. Whatever uses it is refused from now on.")


# how ---------------------------------------------------------------------------------------------------------------


async def _form(visit: Visit, wanted: Wanted, faults: Mapping[str, str]) -> Response:
    facts: dict[str, Any] = {
        "wanted": wanted,
        "faults": dict(faults),
        "choice": await _choice(visit, wanted.vaults, ""),
        "scopes": models.SCOPES,
        "days": models.DAYS,
    }
    return visit.part("api_keys/form", **facts) if visit.by_htmx else visit.page("api_keys/new", **facts)


async def _choice(visit: Visit, chosen: Sequence[str], q: str) -> Choice:
    """The chosen vaults as far as they are there, and the first that hold the words."""
    page, known = await asyncio.gather(
        visit.api.page(path("vaults"), Vault, limit=_OFFERED, q=q, sort="name"),
        asyncio.gather(*(_known(visit, name) for name in chosen)),
    )
    there = [vault for vault in known if vault is not None]
    return models.choice(chosen, there, page.items, page.total, q)


async def _known(visit: Visit, full_name: str) -> Vault | None:
    try:
        return await visit.api.get(path("vaults", *_named(full_name)), Vault)
    except (Missing, Refused):
        return None


async def _bound(visit: Visit, full_name: str) -> BoundVault:
    return await visit.api.get(path("vaults", *_named(full_name)), BoundVault)


def _named(full_name: str) -> tuple[str, str]:
    owner, _, name = full_name.partition("/")
    return owner, name


async def _reached(visit: Visit, key: KeyDetail) -> list[Reached]:
    """The vaults of a bound key by name; what its owner does not see any more has none."""
    if not key.vaultIds:
        return []
    try:
        every_ = {one.id: one for one in await visit.api.all(path("vaults"), BoundVault, most=100_000)}
    except BackendError as error:
        if error.status < 500:
            raise
        every_ = {}
    return [_reach(every_.get(id_), key) for id_ in key.vaultIds]


def _reach(vault: BoundVault | None, key: KeyDetail) -> Reached:
    if vault is None:
        return Reached("", [])
    return Reached(vault.full_name, [one.name for one in vault.environmentDetails if one.id in key.environmentIds])


ROUTES = [
    get(_PAGE, every),
    get(f"{_PAGE}/new", blank),
    post(f"{_PAGE}/new", create),
    get(f"{_PAGE}/vaults", offer),
    get(f"{_PAGE}/{{id}}", show),
    post(f"{_PAGE}/{{id}}/revoke", revoke),
]
