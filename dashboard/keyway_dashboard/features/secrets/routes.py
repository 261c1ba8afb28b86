"""A vault's matrix, one value on demand, and the forms that add, change and delete a secret."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Conflict, Invalid, Limited, Missing, Refused, path
from keyway_dashboard.features.secrets import models
from keyway_dashboard.features.secrets.models import Column, Comparison, Effective, Found, Head, Pushed, Secret, Value
from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.visits import Visit, get, post

_MOST = 20_000
_TRIES = 3
_PAGE = "/vaults/{owner}/{name}"


async def show(visit: Visit) -> Response:
    """A vault: which key is where, since when and by whom. `compare` names the environment to compare values with."""
    vault, secrets, rights = await asyncio.gather(
        visit.api.get(_of(visit), Vault),
        visit.api.all(_of(visit, "secrets"), Secret, most=_MOST),
        visit.api.get(_of(visit, "permissions", "effective"), Effective),
    )
    places = models.columns(vault.environmentDetails, rights, secrets)
    compared, trouble = await _compared(visit, places, visit.query("compare"))
    wanted = models.Filter(visit.query("q").lower().split(), visit.query("show"))
    rows = models.matrix(places, secrets, compared, wanted)
    return visit.page(
        "vaults/show",
        vault=vault,
        columns=places,
        rows=rows,
        q=visit.query("q"),
        only=visit.query("show"),
        compare=visit.query("compare"),
        trouble=trouble,
        api_url=visit.services.settings.api_url,
    )


async def reveal(visit: Visit) -> Response:
    """One value, for somebody who asked for this one. A POST: it leaves a trace, and no cache keeps it."""
    told = await visit.api.get(_of(visit, "secrets", visit.step("id"), "value"), Value)
    return visit.part("secrets/revealed", value=told.value)


async def add(visit: Visit) -> Response:
    """The form for a new secret; key and environment may be given in the address."""
    vault, places = await _writable(visit)
    return visit.page(
        "secrets/add", vault=vault, columns=places, key=visit.query("key"), environment=visit.query("environment")
    )


async def edit(visit: Visit) -> Response:
    """The form for another value. The present one is not in it."""
    (vault, places), secret = await asyncio.gather(_writable(visit), _secret(visit, visit.step("id")))
    may_write = any(place.environment.name == secret.environment for place in places)
    return visit.page("secrets/edit", vault=vault, secret=secret, may_write=may_write)


async def save(visit: Visit) -> Response:
    """A value from one of the two forms. Who saved first is shown, and nothing of theirs is overwritten unseen."""
    form = await visit.form()
    key, environment, value, seen = (str(form.get(name, "")) for name in ("key", "environment", "value", "seen"))
    try:
        # Browsers send the line ends of a form as CR LF, whatever they were.
        found = await _save(visit, (key, environment), value.replace("\r\n", "\n"), seen)
    except Invalid as error:
        problem = "; ".join(one.message for one in error.fields) or error.detail
        return visit.part("secrets/outcome", problem=problem, seen=seen, found=None)
    if found is not None:
        return visit.part("secrets/outcome", problem="", seen=found.mark, found=found)
    return visit.go(_page(visit), f"{key} was saved in {environment}.")


async def delete(visit: Visit) -> Response:
    """To the trash; one that is there already is there all the same."""
    try:
        await visit.api.delete(_of(visit, "secrets", visit.step("id")))
    except Missing:
        return visit.go(_page(visit), "It had been deleted already.")
    return visit.go(_page(visit), "The secret is in the trash for 30 days.")


# how ---------------------------------------------------------------------------------------------------------------


def _of(visit: Visit, *rest: str) -> str:
    return path("vaults", visit.step("owner"), visit.step("name"), *rest)


def _page(visit: Visit) -> str:
    return f"/vaults/{visit.step('owner')}/{visit.step('name')}"


async def _writable(visit: Visit) -> tuple[Vault, list[Column]]:
    """The vault, and the environments that this person may write to."""
    vault, rights = await asyncio.gather(
        visit.api.get(_of(visit), Vault), visit.api.get(_of(visit, "permissions", "effective"), Effective)
    )
    return vault, [one for one in models.columns(vault.environmentDetails, rights) if one.access.write]


async def _secret(visit: Visit, id_: str) -> Secret:
    """The secret of this id. Raises Missing."""
    found = await visit.api.all(_of(visit, "secrets"), Secret, most=_MOST)
    for one in found:
        if one.id == id_ and one.key:
            return one
    raise Missing(404, "", slug="not-found")


async def _save(visit: Visit, target: tuple[str, str], value: str, seen: str) -> Found | None:
    """Writes the value if the secret is as it was `seen` (empty: not there); else returns what was found instead.

    The push holds for the revision that was looked at, so that nobody can come between the look and the write; when
    somebody changed another key meanwhile, both are done again.
    """
    key, environment = target
    body = {"repoFullName": _page(visit).removeprefix("/vaults/"), "environment": environment}
    body |= {"mode": "merge", "secrets": {key: value}}  # type: ignore[dict-item]
    for left in reversed(range(_TRIES)):
        try:
            head = await visit.api.get(_of(visit, "environments", environment, "revision"), Head)
        except Refused:
            # Who may write but not read there is not told what is there, so there is nothing to compare with.
            await visit.api.post(path("secrets", "push"), Pushed, body)
            return None
        found = Found(await _named(visit, key, environment))
        if found.mark != seen:
            return found
        try:
            await visit.api.post(path("secrets", "push"), Pushed, body, if_match=f'"{head.revision.id}"')
        except Conflict:
            if not left:
                raise
        else:
            return None
    return None


async def _named(visit: Visit, key: str, environment: str) -> Secret | None:
    found = await visit.api.all(_of(visit, "secrets"), Secret, most=_MOST)
    return next((one for one in found if (one.key, one.environment) == (key, environment)), None)


async def _compared(visit: Visit, places: list[Column], base: str) -> tuple[dict[str, Comparison], str]:
    """Every other readable environment compared with `base`, and what to say when it could not be done."""
    readable = [place.environment.name for place in places if place.access.read]
    others = [name for name in readable if name != base]
    if base not in readable:
        return {}, ""
    asked = (visit.api.get(_of(visit, "compare"), Comparison, left=base, right=other) for other in others)
    try:
        return dict(zip(others, await asyncio.gather(*asked), strict=True)), ""
    except Limited as error:
        return {}, f"Values were compared too often. Wait {error.retry_after or 60} seconds, then reload."
    except BackendError as error:
        if error.status < 500:
            raise
        return {}, "The values could not be compared just now. Reload to try again."


ROUTES = [
    get(f"{_PAGE}/secrets/new", add),
    post(f"{_PAGE}/secrets/save", save),
    get(f"{_PAGE}/secrets/{{id}}", edit),
    post(f"{_PAGE}/secrets/{{id}}/reveal", reveal),
    post(f"{_PAGE}/secrets/{{id}}/delete", delete),
    get(_PAGE, show),
]
