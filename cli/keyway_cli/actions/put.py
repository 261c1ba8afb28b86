"""One value under one name, without reading what is there: for values that a person typed or that were made up."""

from __future__ import annotations

from keyway_core.limits import VALUE_BYTES
from keyway_core.names import is_key, is_refused_key, is_warned_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli import vaults
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import remember
from keyway_cli.api import Api, Moved, Place, Revision
from keyway_cli.errors import Conflict, KeywayError, UsageProblem


def storable_key(context: Context, key: str) -> str:
    """The key, if values may be stored under it. Raises UsageProblem."""
    if not is_key(key):
        raise UsageProblem("that is no name for a key", "letters, digits and _, no digit first, at most 256 characters")
    if is_refused_key(key):
        raise UsageProblem(f"{key} changes how programs start and is not stored", "use another name")
    if is_warned_key(key):
        context.terminal.warn(f"{key} changes how an interpreter starts, for everyone who uses this environment")
    return key


def is_there(api: Api, place: Place, key: str) -> bool:
    """Whether an environment has a key. No value is read."""
    return any(
        secret.get("key") == key and secret.get("environment") == place.environment
        for secret in vaults.secrets(api, place.repository)
    )


def request(context: Context, *, key: str) -> None:
    """Asks the person for a value and stores it. One that is there is replaced: they are told so beforehand."""
    place, api = context.place(), context.api()
    head = vaults.head(api, place)
    exists = is_there(api, place, storable_key(context, key))
    what = f"new value of {key} in {place}, which replaces the present one" if exists else f"value of {key} in {place}"
    value = Sensitive(context.terminal.ask_secret(what))
    put(context, api, place, head, key, value)
    report(context, place, key, replaced=exists)


def put(context: Context, api: Api, place: Place, head: Revision, key: str, value: Sensitive) -> None:
    """Stores a value. Raises Conflict when the environment changed since `head` was read."""
    text = value.reveal()
    if (why := unstorable(text)) is not None:
        raise KeywayError(f"the value of {key} contains {why}, which cannot be stored")
    if not text or (size := len(text.encode())) > VALUE_BYTES:
        raise KeywayError(f"the value of {key} is empty" if not text else f"the value of {key} has {size} bytes")
    try:
        pushed = api.merge(place, {key: value}, head)
    except Moved as moved:
        raise Conflict(
            f"{place} moved to revision {moved.current.number} meanwhile; nothing was stored", "try again"
        ) from None
    remember(context, place, pushed.revision)


def report(context: Context, place: Place, key: str, *, replaced: bool, **more: object) -> None:
    """Prints what was done."""
    done = "updated" if replaced else "created"
    told = {"success": True, "name": key, "environment": place.environment, "action": done}
    context.terminal.result(told | {"repository": place.repository, **more}, f"{key} {done} in {place}")
