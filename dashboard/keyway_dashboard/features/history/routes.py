"""The revisions of an environment: the list, one of them, the difference of two, and the way back to one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Invalid
from keyway_dashboard.features.history.models import Difference, Revision, RolledBack
from keyway_dashboard.features.vaults.place import PAGE, of, opened, url
from keyway_dashboard.visits import Visit, get, post

_SHOWN = 25
_OFFERED = 100


async def show(visit: Visit) -> Response:
    """The revisions of an environment, newest first; without one in the address, of the first that may be read."""
    place = await opened(visit)
    wanted = visit.request.path_params.get("environment")
    column = place.column(wanted) if wanted else next((one for one in place.columns if one.access.read), None)
    facts: dict[str, Any] = {"vault": place.vault, "columns": place.columns, "column": column}
    if column is None or not column.access.read:
        return visit.page("history/list", page=None, **facts)
    name = column.environment.name
    page = await visit.api.page(_of(visit, name), Revision, limit=_SHOWN, offset=visit.offset)
    return visit.page("history/list", page=page, base=f"{url(visit, 'history', name)}?", **facts)


async def one(visit: Visit) -> Response:
    """A revision: who, when, why, and the keys that are different from the one before, or from `against`."""
    environment, number = visit.step("environment"), visit.step("revision")
    against = visit.query("against")
    if visit.query("as") == "keys":
        named = await visit.api.get(_of(visit, environment, number, "diff"), Difference)
        return visit.part("history/keys", difference=named)
    place, revision, difference, newest = await asyncio.gather(
        opened(visit),
        visit.api.get(_of(visit, environment, number), Revision),
        visit.api.get(_of(visit, environment, number, "diff"), Difference, against=against),
        visit.api.page(_of(visit, environment), Revision, limit=_OFFERED),
    )
    return visit.page(
        "history/revision",
        vault=place.vault,
        column=place.column(environment),
        revision=revision,
        difference=difference,
        others=[other for other in newest.items if other.number != revision.number],
        head=newest.items[0].number,
    )


async def ask(visit: Visit) -> Response:
    """What a rollback would do, before it is done."""
    return await _question(visit)


async def roll_back(visit: Visit) -> Response:
    """The environment as it was, if it is still as it was when the question was asked."""
    environment, number = visit.step("environment"), visit.step("revision")
    form = await visit.form()
    seen, message, skip = (str(form.get(name, "")) for name in ("seen", "message", "skip"))
    body = {"message": message} if message else {}
    try:
        done = await visit.api.post(
            _of(visit, environment, number, "rollback"),
            RolledBack,
            body | ({"skipPurged": True} if skip else {}),
            if_match=f'"{_uuid(seen)}"',
        )
    except Conflict as error:
        return await _question(visit, message=message, conflict=error)
    if done.revision is None or (done.stats is not None and done.stats.total == 0):
        return visit.go(url(visit, "history", environment), f"{environment} holds what it held at revision {number}.")
    said = f"{environment} holds again what it held at revision {number}"
    left = f", except {len(done.skipped)} purged key{'s' * (len(done.skipped) != 1)}" if done.skipped else ""
    return visit.go(url(visit, "history", environment, str(done.revision.number)), f"{said}{left}.")


# how ---------------------------------------------------------------------------------------------------------------


def _of(visit: Visit, environment: str, *rest: str) -> str:
    return of(visit, "environments", environment, "revisions", *rest)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(400, "The form does not say which revision you looked at. Open the page again.") from None


async def _question(visit: Visit, *, message: str = "", conflict: Conflict | None = None) -> Response:
    """The form of a rollback. With a `conflict`, why the last one was not done, and the state of now."""
    environment, number = visit.step("environment"), visit.step("revision")
    place, revision, newest = await asyncio.gather(
        opened(visit),
        visit.api.get(_of(visit, environment, number), Revision),
        visit.api.page(_of(visit, environment), Revision, limit=1),
    )
    head, purged = newest.items[0], _purged(conflict)
    difference = await visit.api.get(_of(visit, environment, number, "diff"), Difference, against=str(head.number))
    return visit.page(
        "history/rollback",
        status=409 if conflict else 200,
        vault=place.vault,
        column=place.column(environment),
        revision=revision,
        head=head,
        difference=difference.without(purged),
        message=message,
        moved=conflict is not None and "currentRevision" in conflict.told,
        purged=purged,
        problem=conflict.detail if conflict else "",
    )


def _purged(conflict: Conflict | None) -> Sequence[str]:
    keys = conflict.told.get("purgedKeys") if conflict else None
    return [str(key) for key in keys] if isinstance(keys, list) else []


_ONE = f"{PAGE}/history/{{environment}}/{{revision}}"
ROUTES = [
    get(f"{PAGE}/history", show),
    get(f"{PAGE}/history/{{environment}}", show),
    get(_ONE, one),
    get(f"{_ONE}/rollback", ask),
    post(f"{_ONE}/rollback", roll_back),
]
