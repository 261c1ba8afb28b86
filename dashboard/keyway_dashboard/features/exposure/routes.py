"""Exposure: the people who saw something, what one of them saw, and ticking off what was rotated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from keyway_dashboard.backend import Missing, path
from keyway_dashboard.downloads import download
from keyway_dashboard.features.activity.models import Filters
from keyway_dashboard.features.exposure.models import COLUMNS, Organization, People, Report
from keyway_dashboard.visits import Visit, get, offset_of, post

_SHOWN = 50
_ROWS = 100
_PAGE = "/security/exposure"


async def people(visit: Visit) -> Response:
    """Who saw something in the vaults that this person manages, or in those of an organisation that they own."""
    days, org = Filters.of(visit.request.query_params), visit.query("org")
    end = f"{days.until}T23:59:59.999Z" if days.until else ""
    told, organizations = await asyncio.gather(
        visit.api.get(_of(org), People, limit=_SHOWN, offset=visit.offset, startDate=days.since, endDate=end),
        visit.api.get(path("orgs"), list[Organization]),
    )
    query = {"org": org, "from": days.since, "to": days.until}
    return visit.page(
        "exposure/people",
        told=told,
        days=days,
        org=org,
        organizations=[one.login for one in organizations if one.role == "owner"],
        base=f"{_PAGE}?{urlencode({name: value for name, value in query.items() if value})}",
        offset=visit.offset,
        limit=_SHOWN,
    )


async def report(visit: Visit) -> Response:
    """What one person saw, when, at which revisions, and what was rotated since; a page of it."""
    return await _shown(visit, "exposure/person", limit=_ROWS)


async def paper(visit: Visit) -> Response:
    """All of it without buttons, to print or to keep."""
    return await _shown(visit, "exposure/paper", limit=None)


async def _shown(visit: Visit, template: str, *, limit: int | None) -> Response:
    username, org = visit.step("username"), visit.query("org")
    found = await _report(visit, username, org, limit, visit.offset if limit else 0)
    status = 200 if found else 404
    return visit.page(
        template, status=status, made=datetime.now(UTC).isoformat(), **_facts(found, username, org, visit)
    )


def _facts(found: Report | None, username: str, org: str, visit: Visit, offset: int | None = None) -> dict[str, Any]:
    return {
        "report": found,
        "username": username,
        "org": org,
        "focused": "",
        "limit": _ROWS,
        "offset": visit.offset if offset is None else offset,
        "base": f"{_address(username)}?{urlencode({'org': org}) if org else ''}",
    }


async def export(visit: Visit) -> Response:
    """The same as a file."""
    username, org = visit.step("username"), visit.query("org")
    found = await _report(visit, username, org, None)
    if found is None:
        raise Missing(404, "", slug="not-found")

    async def rows(whole: Report) -> AsyncIterator[Sequence[dict[str, Any]]]:
        yield list(whole.rows())

    return await download("keyway-exposure", "csv", COLUMNS, rows(found))


async def tick(visit: Visit) -> Response:
    """Notes that what this person saw of a secret was rotated, or takes that back."""
    form, username = await visit.form(), visit.step("username")
    vault, user, secret, done, org = (str(form.get(name, "")) for name in ("vault", "user", "secret", "done", "org"))
    offset = offset_of(str(form.get("offset", "")))
    owner, _, name = vault.partition("/")
    where = path("vaults", owner, name, "exposure", user, "ticks", secret)
    await visit.api.send("PUT" if done else "DELETE", where)
    if not visit.by_htmx:
        return visit.go(_address(username, org, offset), "Ticked off." if done else "The tick was taken back.")
    found = await _report(visit, username, org, _ROWS, offset)
    facts = _facts(found, username, org, visit, offset) | {"focused": f"tick-{secret}"}
    return visit.part("exposure/report", **facts)


async def _report(visit: Visit, username: str, org: str, limit: int | None, offset: int = 0) -> Report | None:
    """None when nothing is known of that person."""
    try:
        where = _of(org, username)
        return await visit.api.get(where, Report | None, limit=limit, offset=offset)  # type: ignore[arg-type]
    except Missing:
        if not org:
            raise
        return None


def _of(org: str, *rest: str) -> str:
    return path("orgs", org, "exposure", *rest) if org else path("users", "me", "exposure", *rest)


def _address(username: str, org: str = "", offset: int = 0) -> str:
    query = ({"org": org} if org else {}) | ({"offset": str(offset)} if offset else {})
    return f"{_PAGE}/{quote(username, safe='')}" + (f"?{urlencode(query)}" if query else "")


ROUTES = [
    get(_PAGE, people),
    get(f"{_PAGE}/{{username}}", report),
    get(f"{_PAGE}/{{username}}/paper", paper),
    get(f"{_PAGE}/{{username}}/report.csv", export),
    post(f"{_PAGE}/{{username}}/ticks", tick),
]
