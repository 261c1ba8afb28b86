"""A vault's matrix, one value on demand, and the forms that add, change and delete a secret."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Invalid, Limited, Missing, path
from keyway_dashboard.features.secrets import files, models, moving
from keyway_dashboard.features.secrets.models import Column, Comparison, Pushed, Value
from keyway_dashboard.features.secrets.saving import words, write_as_seen
from keyway_dashboard.features.vaults.onboarding import has_terminal
from keyway_dashboard.features.vaults.place import PAGE, by_id, every_secret, gone, of, opened, url
from keyway_dashboard.visits import Visit, get, post


async def show(visit: Visit) -> Response:
    """A vault: which key is where, since when and by whom. `compare` names the environment to compare values with."""
    place, secrets = await asyncio.gather(opened(visit), every_secret(visit))
    compared, trouble = await _compared(visit, place.columns, visit.query("compare"))
    wanted = models.Filter(visit.query("q").lower().split(), visit.query("show"))
    return visit.page(
        "vaults/show",
        vault=place.vault,
        terminal=not place.vault.secretCount and await has_terminal(visit),
        columns=models.counted(place.columns, secrets),
        rows=models.matrix(place.columns, secrets, compared, wanted),
        q=visit.query("q"),
        only=visit.query("show"),
        compare=visit.query("compare"),
        trouble=trouble,
        api_url=visit.services.settings.api_url,
    )


async def reveal(visit: Visit) -> Response:
    """One value, for somebody who asked for this one. A POST: it leaves a trace, and no cache keeps it."""
    told = await visit.api.get(of(visit, "secrets", visit.step("id"), "value"), Value)
    return visit.part("secrets/revealed", value=told.value)


async def add(visit: Visit) -> Response:
    """The form for a new secret; the address may say which and where. One that is elsewhere can be copied."""
    place, secrets = await asyncio.gather(opened(visit), every_secret(visit))
    key, environment = visit.query("key"), visit.query("environment")
    there = {one.environment: one for one in secrets if one.key == key}
    columns = [one for one in place.columns if one.access.write]
    lacks_it = environment not in there and environment in {one.environment.name for one in columns}
    return visit.page(
        "secrets/add",
        vault=place.vault,
        columns=columns,
        key=key,
        environment=environment,
        sources=list(there.values()) if lacks_it else [],
    )


async def edit(visit: Visit) -> Response:
    """One secret: another value, another name, copies, the trash. The present value is not in it."""
    place, secrets = await asyncio.gather(opened(visit), every_secret(visit))
    secret = by_id(secrets, visit.step("id"))
    there = {one.environment: one for one in secrets if one.key == secret.key}
    writable = [one.environment.name for one in place.columns if one.access.write]
    return visit.page(
        "secrets/edit",
        vault=place.vault,
        secret=secret,
        may_write=secret.environment in writable,
        targets=[(name, there.get(name)) for name in writable if name != secret.environment],
    )


async def save(visit: Visit) -> Response:
    """A value from one of the two forms. Who saved first is shown, and nothing of theirs is overwritten unseen."""
    form = await visit.form()
    key, environment, value, seen = (str(form.get(name, "")) for name in ("key", "environment", "value", "seen"))
    body = {"repoFullName": url(visit).removeprefix("/vaults/"), "environment": environment, "mode": "merge"}

    async def write(revision: str) -> None:
        # Browsers send the line ends of a form as CR LF, whatever they were.
        secrets = {key: value.replace("\r\n", "\n")}
        await visit.api.post(path("secrets", "push"), Pushed, body | {"secrets": secrets}, if_match=revision)

    try:
        found = await write_as_seen(visit, (key, environment), seen, write)
    except Invalid as error:
        return visit.part("secrets/outcome", problem=words(error), seen=seen, found=None)
    if found is not None:
        return visit.part("secrets/outcome", problem="", seen=found.mark, found=found)
    return visit.go(url(visit), f"{key} was saved in {environment}.")


async def delete(visit: Visit) -> Response:
    """To the trash; one that is there already is there all the same."""
    try:
        await visit.api.delete(of(visit, "secrets", visit.step("id")))
    except Missing:
        return await gone(visit, url(visit), "It had been deleted already.")
    return visit.go(url(visit), "The secret is in the trash for 30 days.")


async def _compared(visit: Visit, places: list[Column], base: str) -> tuple[dict[str, Comparison], str]:
    """Every other readable environment compared with `base`, and what to say when it could not be done."""
    readable = [place.environment.name for place in places if place.access.read]
    others = [name for name in readable if name != base]
    if base not in readable:
        return {}, ""
    asked = (visit.api.get(of(visit, "compare"), Comparison, left=base, right=other) for other in others)
    try:
        return dict(zip(others, await asyncio.gather(*asked), strict=True)), ""
    except Limited as error:
        return {}, f"Values were compared too often. Wait {error.retry_after or 60} seconds, then reload."
    except BackendError as error:
        if error.status < 500:
            raise
        return {}, "The values could not be compared just now. Reload to try again."


ROUTES = [
    get(f"{PAGE}/import", files.choose),
    post(f"{PAGE}/import", files.take),
    post(f"{PAGE}/import/preview", files.preview),
    post(f"{PAGE}/download", files.download),
    get(f"{PAGE}/secrets/new", add),
    post(f"{PAGE}/secrets/save", save),
    get(f"{PAGE}/secrets/{{id}}", edit),
    post(f"{PAGE}/secrets/{{id}}/reveal", reveal),
    post(f"{PAGE}/secrets/{{id}}/rename", moving.rename),
    post(f"{PAGE}/secrets/{{id}}/copy", moving.copy),
    post(f"{PAGE}/secrets/{{id}}/delete", delete),
    get(PAGE, show),
]
