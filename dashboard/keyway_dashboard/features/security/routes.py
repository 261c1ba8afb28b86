"""The security pages: an overview with charts, alerts, and the access log."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from keyway_dashboard.backend import Missing, Page, path
from keyway_dashboard.features.activity import words
from keyway_dashboard.features.activity.models import Filters
from keyway_dashboard.features.security import models
from keyway_dashboard.features.security.models import AccessLog, Alert, Identified, Overview, Read
from keyway_dashboard.visits import Visit, get

_SHOWN = 50


async def overview(visit: Visit) -> Response:
    """The vaults that this person manages: pulls over time, by source, by person and by vault."""
    told = await visit.api.get(path("users", "me", "security", "overview"), Overview)
    labelled = words.SOURCE_LABELS
    return visit.page(
        "security/overview",
        told=told,
        days=models.by_day(told.access.pullsByDay),
        sources=models.shares([(labelled.get(one.source, one.source), one.pullCount, "")
                               for one in told.access.pullsBySource]),
        people=models.shares([(one.username, one.pullCount, f"/security/exposure/{quote(one.username, safe='')}")
                              for one in told.access.topUsers]),
        vaults=models.shares([(one.repoFullName, one.pullCount, f"/activity?vault={quote(one.repoFullName)}")
                              for one in told.access.topVaults]),
    )  # fmt: skip


async def alerts(visit: Visit) -> Response:
    """Alerts of the own reads; of a vault, everybody's for those who manage it."""
    filters, trouble = Filters.of(visit.request.query_params), ""
    found: list[Alert] = []
    try:
        where = (
            _vault(filters.vault, "security", "alerts") if filters.vault else path("users", "me", "security", "alerts")
        )
        # One more than is shown says whether there is a next page.
        found = await visit.api.get(where, list[Alert], limit=_SHOWN + 1, offset=visit.offset)
    except Missing:
        trouble = _unknown(filters.vault)
    return visit.page(
        "security/alerts",
        filters=filters,
        alerts=found[:_SHOWN],
        more=len(found) > _SHOWN,
        offset=visit.offset,
        limit=_SHOWN,
        trouble=trouble,
    )


async def access_log(visit: Visit) -> Response:
    """Who read what in the vaults that this person manages."""
    filters, trouble = Filters.of(visit.request.query_params), ""
    page: Page[Read] = Page([], 0, _SHOWN, 0)
    try:
        only = (await visit.api.get(_vault(filters.vault), Identified)).id if filters.vault else ""
        where = path("users", "me", "security", "access-log")
        told = await visit.api.get(where, AccessLog, limit=_SHOWN, offset=visit.offset, vaultId=only)
        page = Page(told.events, told.total, _SHOWN, visit.offset)
    except Missing:
        trouble = _unknown(filters.vault)
    return visit.page("security/log", filters=filters, page=page, trouble=trouble)


def _vault(name: str, *rest: str) -> str:
    owner, _, repository = name.partition("/")
    return path("vaults", owner, repository, *rest)


def _unknown(vault: str) -> str:
    return f"There is no vault {vault}, or GitHub does not let you see it."


ROUTES = [
    get("/security", overview),
    get("/security/alerts", alerts),
    get("/security/access-log", access_log),
]
