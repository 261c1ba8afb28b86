"""The environments of a vault: list, create, rename, change the type, delete."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Invalid, Refused
from keyway_dashboard.features.environments.models import Defaults, Line, New, Renamed, Retyped, types
from keyway_dashboard.features.history.models import Revision
from keyway_dashboard.features.secrets.models import Column
from keyway_dashboard.features.vaults.place import PAGE, of, opened, url
from keyway_dashboard.visits import Visit, get, post

_AT_ONCE = 4


async def show(visit: Visit) -> Response:
    """Every environment with its type, what one may do there, and when it changed last."""
    return await _list(visit)


async def add(visit: Visit) -> Response:
    """One more, empty; its type follows from its name and can be changed on its page."""
    name = str((await visit.form()).get("name", "")).strip()
    try:
        made = (await visit.api.post(of(visit, "environments"), New, {"name": name})).environment
    except (Invalid, Conflict) as error:
        return await _list(visit, wanted=name, problem=_told(error))
    return visit.go(_page(visit, made.name), f"{made.name} was made. Its type is {made.type}.")


async def one(visit: Visit) -> Response:
    """The name, the type and the end of an environment."""
    return await _settings(visit)


async def rename(visit: Visit) -> Response:
    """Another name. What belongs to the environment follows."""
    old, wanted = visit.step("environment"), str((await visit.form()).get("name", "")).strip()
    try:
        done = await visit.api.patch(of(visit, "environments", old), Renamed, {"newName": wanted})
    except (Invalid, Conflict) as error:
        return await _settings(visit, renamed=wanted, rename_problem=_told(error))
    return visit.go(_page(visit, done.newName), f"{old} is called {done.newName} now.")


async def retype(visit: Visit) -> Response:
    """How much it is guarded. Less than it was: only for somebody who said to know what that means."""
    name, form = visit.step("environment"), await visit.form()
    wanted = str(form.get("type", ""))
    if wanted != "protected" and not form.get("sure"):
        column = (await opened(visit)).column(name)
        if column.environment.type == "protected":
            return await _settings(
                visit, chosen=wanted, type_problem="Tick this to let more people in. Nothing was changed."
            )
    done = await visit.api.patch(of(visit, "environments", name, "type"), Retyped, {"type": wanted})
    return visit.go(_page(visit, name), f"{name} was {done.oldType} and is {done.newType} now.")


async def delete(visit: Visit) -> Response:
    """The environment with its values, for somebody who typed its name."""
    name, typed = visit.step("environment"), str((await visit.form()).get("typed", "")).strip()
    if typed != name:
        return await _settings(visit, delete_problem=f"Type {name} to delete it. Nothing was deleted.")
    await visit.api.send("DELETE", of(visit, "environments", name))
    return visit.go(_page(visit), f"{name} was deleted with everything in it.")


# how ---------------------------------------------------------------------------------------------------------------


def _page(visit: Visit, *rest: str) -> str:
    return url(visit, "environments", *rest)


def _told(error: Invalid | Conflict) -> str:
    return "; ".join(one.message for one in error.fields) or error.detail


async def _list(visit: Visit, *, wanted: str = "", problem: str = "") -> Response:
    place, defaults = await asyncio.gather(opened(visit), visit.api.get(of(visit, "permissions", "defaults"), Defaults))
    gate = asyncio.Semaphore(_AT_ONCE)

    async def line(column: Column) -> Line:
        if not column.access.read:
            return Line(column, None, "")
        async with gate:
            where = of(visit, "environments", column.environment.name, "revisions")
            newest = (await visit.api.page(where, Revision, limit=1)).items
        return Line(column, newest[0].createdAt, newest[0].by) if newest else Line(column, None, "")

    return visit.page(
        "environments/list",
        status=400 if problem else 200,
        vault=place.vault,
        lines=await asyncio.gather(*map(line, place.columns)),
        types=types(defaults),
        administered=place.administered,
        wanted=wanted,
        problem=problem,
    )


async def _settings(
    visit: Visit,
    *,
    chosen: str = "",
    type_problem: str = "",
    renamed: str = "",
    rename_problem: str = "",
    delete_problem: str = "",
) -> Response:
    place, defaults = await asyncio.gather(opened(visit), visit.api.get(of(visit, "permissions", "defaults"), Defaults))
    column = place.column(visit.step("environment"))
    if not place.administered:
        raise Refused(403, "Only admins of the repository change environments.")
    return visit.page(
        "environments/settings",
        status=400 if type_problem or rename_problem or delete_problem else 200,
        vault=place.vault,
        column=column,
        last_one=len(place.columns) == 1,
        types=types(defaults),
        chosen=chosen or column.environment.type,
        type_problem=type_problem,
        renamed=renamed,
        rename_problem=rename_problem,
        delete_problem=delete_problem,
    )


_ONE = f"{PAGE}/environments/{{environment}}"
ROUTES = [
    get(f"{PAGE}/environments", show),
    post(f"{PAGE}/environments/add", add),
    get(_ONE, one),
    post(f"{_ONE}/rename", rename),
    post(f"{_ONE}/type", retype),
    post(f"{_ONE}/delete", delete),
]
