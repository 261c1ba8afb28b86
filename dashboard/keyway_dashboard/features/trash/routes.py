"""What was deleted: listed for 30 days, restored, or deleted for good."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Missing, Page, Refused
from keyway_dashboard.features.trash.models import Emptied, Item, Restored
from keyway_dashboard.features.vaults.place import PAGE, gone, of, opened, url
from keyway_dashboard.visits import Visit, get, post

_SHOWN = 50
_GONE = "It is not in the trash any more."


async def show(visit: Visit) -> Response:
    """What was deleted in the environments that the caller may read, last deleted first."""
    place, page = await asyncio.gather(opened(visit), _page(visit, visit.offset))
    rows = [(item, place.writes(item.environment)) for item in page.items]
    return visit.page(
        "trash/list",
        vault=place.vault,
        rows=rows,
        page=page,
        may_empty=place.administered,
        base=f"{url(visit, 'trash')}?",
    )


async def restore(visit: Visit) -> Response:
    """Brings a secret back under its name, with its versions; unless there is another of this name by now."""
    try:
        back = await visit.api.post(of(visit, "trash", visit.step("id"), "restore"), Restored)
    except Missing:
        return await gone(visit, url(visit, "trash"), _GONE)
    except Conflict as error:
        return visit.go(url(visit, "trash"), error.detail, "bad")
    return visit.go(url(visit, "trash"), f"{back.key or 'The secret'} is back in {back.environment}.")


async def purge(visit: Visit) -> Response:
    """Forgets a secret and its versions for good."""
    try:
        await visit.api.delete(of(visit, "trash", visit.step("id")))
    except Missing:
        return await gone(visit, url(visit, "trash"), _GONE)
    return visit.go(url(visit, "trash"), "The secret and its versions are deleted for good.")


async def empty(visit: Visit) -> Response:
    """Forgets all of it, if it is still as much as was looked at."""
    seen = str((await visit.form()).get("seen", ""))
    place, now = await asyncio.gather(opened(visit), _page(visit, 0, limit=1))
    if not place.administered:
        raise Refused(403, "Only admins of the repository empty its trash.")
    if seen != str(now.total):
        said = f"The trash holds {now.total} secret{'s' * (now.total != 1)} now. Nothing was deleted; look again."
        return visit.go(url(visit, "trash"), said, "bad")
    answer = await visit.api.send("DELETE", of(visit, "trash"))
    count = Emptied.model_validate(answer.json()["data"]).deleted
    return visit.go(url(visit, "trash"), f"{count} secret{'s' * (count != 1)} deleted for good.")


# how ---------------------------------------------------------------------------------------------------------------


async def _page(visit: Visit, offset: int, *, limit: int = _SHOWN) -> Page[Item]:
    return await visit.api.page(of(visit, "trash"), Item, limit=limit, offset=offset)


ROUTES = [
    get(f"{PAGE}/trash", show),
    post(f"{PAGE}/trash/empty", empty),
    post(f"{PAGE}/trash/{{id}}/restore", restore),
    post(f"{PAGE}/trash/{{id}}/purge", purge),
]
