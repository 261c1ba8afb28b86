"""The values that a secret had: listed, shown on demand, restored, deleted for good."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Missing
from keyway_dashboard.features.secrets.models import Value
from keyway_dashboard.features.vaults.place import PAGE, gone, of, opened, secret, url
from keyway_dashboard.features.versions.models import Restored, Versions
from keyway_dashboard.visits import Visit, get, post

_GONE = "That version is gone for good. Here are those that are left."


async def show(visit: Visit) -> Response:
    """The live value and those before it, by number, person and time."""
    place, found, kept = await asyncio.gather(
        opened(visit), secret(visit, visit.step("id")), visit.api.get(_of(visit), Versions)
    )
    column = place.column(found.environment)
    return visit.page("versions/list", vault=place.vault, column=column, secret=found, versions=kept.versions)


async def reveal(visit: Visit) -> Response:
    """One value that it had, for somebody who asked for this one."""
    told = await visit.api.get(_of(visit, visit.step("version"), "value"), Value)
    return visit.part("secrets/revealed", value=told.value)


async def restore(visit: Visit) -> Response:
    """Makes a version the live value, unless the live one is another than the one that was looked at."""
    seen = str((await visit.form()).get("seen", ""))
    now = await secret(visit, visit.step("id"))
    if now.updatedAt != seen:
        who = now.lastModifiedBy.username if now.lastModifiedBy else "Somebody"
        return visit.go(_page(visit), f"{who} saved {now.key} first. Nothing was restored; look again.", "bad")
    try:
        done = await visit.api.post(_of(visit, visit.step("version"), "restore"), Restored)
    except Missing:
        return await gone(visit, _page(visit), _GONE)
    return visit.go(_page(visit), f"Version {done.versionNumber} of {now.key} is the live value again.")


async def purge(visit: Visit) -> Response:
    """Forgets a version for good."""
    try:
        await visit.api.delete(_of(visit, visit.step("version")))
    except Missing:
        return await gone(visit, _page(visit), "That version was gone already.")
    except Conflict as error:
        return visit.go(_page(visit), error.detail, "bad")
    return visit.go(_page(visit), "The version is deleted for good.")


# how ---------------------------------------------------------------------------------------------------------------


def _of(visit: Visit, *rest: str) -> str:
    return of(visit, "secrets", visit.step("id"), "versions", *rest)


def _page(visit: Visit) -> str:
    return url(visit, "secrets", visit.step("id"), "versions")


_LIST = f"{PAGE}/secrets/{{id}}/versions"
ROUTES = [
    get(_LIST, show),
    post(f"{_LIST}/{{version}}/reveal", reveal),
    post(f"{_LIST}/{{version}}/restore", restore),
    post(f"{_LIST}/{{version}}/purge", purge),
]
