"""Keys of an environment, to the trash."""

from __future__ import annotations

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import remember
from keyway_cli.actions.names import checked_key
from keyway_cli.api import Moved, revision_of
from keyway_cli.errors import Conflict, NotFound


def unset(context: Context, *, keys: tuple[str, ...]) -> None:
    """Removes keys, all or none. Raises NotFound naming those that are not there, Conflict when others were faster."""
    wanted = [checked_key(key) for key in dict.fromkeys(keys)]
    place, api = context.place(), context.api()
    base = vaults.head(api, place)
    there = {s.get("key") for s in vaults.secrets(api, place.repository) if s.get("environment") == place.environment}
    if missing := [key for key in wanted if key not in there]:
        raise NotFound(f"not in {place}: {', '.join(missing)}; nothing was removed", "keyway list shows what there is")
    names = ", ".join(wanted)
    if not agreed(context, f"Remove {names} from {place}?", f"this would remove {names} from {place}"):
        context.terminal.result({"removed": []}, "nothing was removed")
        return
    try:
        answer = vaults.delete_keys(api, place, wanted, base)
    except Moved as moved:
        raise Conflict(
            f"{place} moved to revision {moved.current.number} while you were working; nothing was removed", "try again"
        ) from None
    revision = revision_of(answer.get("revision"))
    remember(context, place, revision)
    number = revision.number if revision else None
    context.terminal.result(
        {
            "removed": wanted,
            "repository": place.repository,
            "environment": place.environment,
            "revision": number,
        },
        f"removed {names} from {place}" + (f" (revision {number})" if number else ""),
    )
    context.terminal.say(f"for 30 days: keyway trash restore {wanted[0]} -e {place.environment}")
