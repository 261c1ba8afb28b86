"""One value to another environment or under another key. It is sealed anew on the server; nothing comes here."""

from __future__ import annotations

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import remember
from keyway_cli.actions.names import checked_key
from keyway_cli.actions.put import is_there, report, storable_key
from keyway_cli.api import Json, revision_of
from keyway_cli.errors import NotFound


def copy(context: Context, *, key: str, source: str, target: str, new_key: str | None) -> None:
    """Copies a value. One that is there under that key is replaced, after a question. Raises NotFound, Conflict."""
    origin, place, api = context.place(source), context.place(target), context.api()
    into = storable_key(context, new_key or key)
    found = [
        secret
        for secret in vaults.secrets(api, origin.repository)
        if secret.get("key") == checked_key(key) and secret.get("environment") == origin.environment
    ]
    if not found:
        raise NotFound(f"{key} is not in {origin}, or you may not read it", "keyway list shows what there is")
    head = vaults.head(api, place)
    exists = is_there(api, place, into)
    if exists and not agreed(context, f"Replace {into} of {place}?", f"this would replace {into} of {place}"):
        context.terminal.result({"success": False}, "nothing was changed")
        return
    wanted: Json = {"target": place.environment} | ({"key": into} if into != key else {})
    answer = vaults.copy_secret(api, place.repository, str(found[0].get("id")), wanted, head)
    revision = revision_of(answer.get("revision"))
    remember(context, place, revision)
    came_from = {"name": key, "environment": origin.environment}
    number = revision.number if revision else None
    report(context, place, into, replaced=exists, **{"from": came_from, "revision": number})
