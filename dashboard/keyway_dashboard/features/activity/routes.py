"""Activity: one's own everywhere, or that of a vault; and the same as a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from keyway_dashboard.backend import Invalid, Limited, Missing, Page, path
from keyway_dashboard.downloads import download
from keyway_dashboard.features.activity import words
from keyway_dashboard.features.activity.models import COLUMNS, Filters, Item, by_day
from keyway_dashboard.visits import Visit, get

_SHOWN = 50
_AT_ONCE = 500


async def show(visit: Visit) -> Response:
    """What happened, newest first, by day."""
    filters = Filters.of(visit.request.query_params)
    page, trouble = await _found(visit, filters)
    return visit.page(
        "activity/list",
        filters=filters,
        page=page,
        days=by_day(page.items),
        trouble=trouble,
        groups=words.GROUPS,
        sources=words.SOURCES,
        base=f"/activity?{filters.query}",
    )


async def export(visit: Visit) -> Response:
    """Everything that the filters leave, however much that is, as csv or json."""
    filters = Filters.of(visit.request.query_params)
    return await download("keyway-activity", visit.query("format"), COLUMNS, _rows(visit, filters))


async def _found(visit: Visit, filters: Filters) -> tuple[Page[Item], str]:
    """A page, and what was wrong with the question."""
    nothing: Page[Item] = Page([], 0, _SHOWN, 0)
    try:
        return await _page(visit, filters, filters.asked, visit.offset, _SHOWN), ""
    except Missing:
        return nothing, f"There is no vault {filters.vault}, or GitHub does not let you see it."
    except Invalid as error:
        wrong = " and ".join(one.field for one in error.fields) or "the question"
        return nothing, f"Keyway cannot look for this: {wrong} is not written as it should be."


async def _page(visit: Visit, filters: Filters, asked: Mapping[str, str], offset: int, limit: int) -> Page[Item]:
    owner, _, name = filters.vault.partition("/")
    where = path("vaults", owner, name, "activity") if filters.vault else path("activity")
    return await visit.api.page(where, Item, limit=limit, offset=offset, **asked)


async def _rows(visit: Visit, filters: Filters) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """Page after page, as of the first: what happens meanwhile would move the others."""
    page = await _page(visit, filters, filters.asked, 0, _AT_ONCE)
    yield [item.row for item in page.items]
    if page.items:
        newest = datetime.fromisoformat(page.items[0].timestamp) + timedelta(milliseconds=1)
        asked = filters.asked | {"until": newest.isoformat()}
        for offset in range(_AT_ONCE, page.total, _AT_ONCE):
            yield [item.row for item in (await _patiently(visit, filters, asked, offset)).items]


async def _patiently(visit: Visit, filters: Filters, asked: Mapping[str, str], offset: int) -> Page[Item]:
    """A further page; of a long list there may be more of them than may be asked for in a minute."""
    try:
        return await _page(visit, filters, asked, offset, _AT_ONCE)
    except Limited as error:
        await asyncio.sleep(error.retry_after or 60)
        return await _page(visit, filters, asked, offset, _AT_ONCE)


ROUTES = [get("/activity", show), get("/activity/export", export)]
