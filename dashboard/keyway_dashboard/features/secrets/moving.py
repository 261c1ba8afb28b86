"""A secret under another name, or in another environment. Values move inside the backend; none passes through here."""

from __future__ import annotations

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Invalid, Missing, Refused
from keyway_dashboard.features.secrets.models import Copied, Secret
from keyway_dashboard.features.secrets.saving import words, write_as_seen
from keyway_dashboard.features.vaults.place import by_id, every_secret, of, url
from keyway_dashboard.visits import Visit


async def rename(visit: Visit) -> Response:
    """Another name, here and in the environments that were ticked; the value and its versions stay."""
    form = await visit.form()
    key, name = str(form.get("key", "")), str(form.get("new_name", "")).strip()
    secrets = await every_secret(visit)
    first = by_id(secrets, visit.step("id"))
    if first.key != key:
        return _problem(visit, f"Somebody renamed it to {first.key} meanwhile. Nothing was changed; reload the page.")
    ticked = {str(one) for one in form.getlist("also")}
    others = [one for one in secrets if one.key == key and one.id != first.id and one.environment in ticked]
    try:
        await _rename(visit, first, name)
    except (Invalid, Conflict) as error:
        return _problem(visit, words(error))
    left = [one.environment for one in others if not await _renamed(visit, one, name)]
    if left:
        return visit.go(url(visit), f"{key} is {name} now, but not in {', '.join(left)}: that was refused.", "bad")
    return visit.go(url(visit), f"{key} is {name} now.")


async def copy(visit: Visit) -> Response:
    """The value of a secret into another environment. What is there already is shown before it is replaced."""
    form = await visit.form()
    target, seen = str(form.get("target", "")), str(form.get("seen", ""))
    id_ = visit.step("id")
    secret = by_id(await every_secret(visit), id_)

    async def write(revision: str) -> None:
        await visit.api.post(of(visit, "secrets", id_, "copy"), Copied, {"target": target}, if_match=revision)

    try:
        found = await write_as_seen(visit, (secret.key or "", target), seen, write)
    except Invalid as error:
        return _problem(visit, words(error))
    if found is not None:
        return visit.part("secrets/in_the_way", found=found, target=target)
    return visit.go(url(visit), f"{secret.key} was copied from {secret.environment} to {target}.")


def _problem(visit: Visit, text: str) -> Response:
    return visit.part("secrets/problem", problem=text)


async def _rename(visit: Visit, secret: Secret, name: str) -> None:
    await visit.api.patch(of(visit, "secrets", secret.id), Secret, {"name": name})


async def _renamed(visit: Visit, secret: Secret, name: str) -> bool:
    try:
        await _rename(visit, secret, name)
    except (Invalid, Conflict, Missing, Refused):
        return False
    return True
