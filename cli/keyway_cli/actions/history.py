"""Who changed an environment, when, and which names; and making it hold again what it held."""

from __future__ import annotations

from typing import Any

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import remember
from keyway_cli.api import Api, Json, Moved, Place, revision_of
from keyway_cli.changes import Changes
from keyway_cli.errors import Conflict, NotFound, UsageProblem
from keyway_cli.terminal import minute


def history(context: Context, *, limit: int) -> None:
    """Prints the newest revisions of an environment."""
    place = context.place()
    found = [_entry(revision) for revision in vaults.revisions(context.api(), place, limit)]
    rows = [
        (
            str(entry["number"]),
            minute(entry["createdAt"]),
            entry["author"] or "",
            _counted(entry),
            entry["message"] or "",
        )
        for entry in found
    ]
    context.terminal.table(
        {"repository": place.repository, "environment": place.environment, "revisions": found},
        ("REVISION", "WHEN (UTC)", "WHO", "CHANGES", "MESSAGE"),
        rows,
        f"{place} has no revision yet",
    )


def show_revision(context: Context, *, named: str) -> None:
    """Prints one revision with the names that it changed."""
    place = context.place()
    try:
        found = vaults.revision(context.api(), place, named)
    except NotFound as missing:
        raise _unknown(missing, place, named) from None
    entry, keys = _entry(found), _keys(found)
    context.terminal.say(
        f"revision {entry['number']} of {place}, {minute(entry['createdAt'])} UTC, by {entry['author'] or '-'}"
    )
    if entry["message"]:
        context.terminal.say(str(entry["message"]))
    lines = [f"+ {key}" for key in keys["created"]] + [f"~ {key}" for key in keys["updated"]]
    lines += [f"- {key}" for key in keys["deleted"]]
    data = {"repository": place.repository, "environment": place.environment, **entry, "keys": keys}
    context.terminal.lines(data, lines)


def rollback(context: Context, *, named: str, message: str | None, skip_purged: bool) -> None:
    """Makes an environment hold what it held at a revision. That is a new revision; nothing of history is lost.

    Raises Conflict when it changed between what was shown and what would be done.
    """
    place, api = context.place(), context.api()
    changes, base = _planned(api, place, named)
    if not changes:
        context.terminal.result(
            {"rolledBack": False, "revision": base.number}, f"{place} holds what it held at revision {named} already"
        )
        return
    context.terminal.changes(changes, f"{place}, back to revision {named}")
    question = f"Roll {place} back to revision {named}?"
    if not agreed(context, question, f"this would roll {place} back to revision {named}"):
        context.terminal.result({"rolledBack": False, "revision": base.number}, "nothing was changed")
        return
    body: Json = ({"message": message} if message else {}) | ({"skipPurged": True} if skip_purged else {})
    try:
        answer = vaults.roll_back(api, place, named, body, base)
    except Moved as moved:
        raise Conflict(
            f"{place} moved from revision {base.number} to {moved.current.number} while you were looking; "
            "nothing was changed",
            "look again: keyway rollback shows what would change",
        ) from None
    except Conflict as purged:
        purged.hint = "--skip-purged leaves out what was purged for good"
        raise
    made = revision_of(answer.get("revision"))
    remember(context, place, made)
    skipped = [str(key) for key in answer.get("skipped") or []]
    if skipped:
        context.terminal.warn(f"purged for good, and left as they are: {', '.join(skipped)}")
    context.terminal.result(
        {
            "rolledBack": True,
            "repository": place.repository,
            "environment": place.environment,
            "to": named,
            "revision": made.number if made else None,
            **changes.as_json(),
            "skipped": skipped,
        },
        f"{place} holds what it held at revision {named}" + (f" (revision {made.number})" if made else ""),
    )


def _planned(api: Api, place: Place, named: str) -> tuple[Changes, Any]:
    if not named.replace("-", "").isalnum():
        raise UsageProblem("a revision is named by its number", "keyway history shows them")
    base = vaults.head(api, place)
    try:
        found = vaults.revision_diff(api, place, named, str(base.number))
    except NotFound as missing:
        raise _unknown(missing, place, named) from None
    names = {word: sorted(map(str, found.get(word) or [])) for word in ("added", "changed", "removed")}
    return Changes(names["added"], names["changed"], names["removed"], []), base


def _unknown(missing: NotFound, place: Place, named: str) -> NotFound:
    """With the server's own hint where it is the vault that is missing."""
    if missing.hint:
        return missing
    return NotFound(f"{place} has no revision {named}, or you may not see it", "keyway history shows them")


def _entry(revision: Json) -> dict[str, Any]:
    author, counts = revision.get("author"), revision.get("counts")
    return {
        "number": revision.get("number"),
        "id": revision.get("id"),
        "createdAt": str(revision.get("createdAt") or ""),
        "author": str(author.get("username") or "") if isinstance(author, dict) else None,
        "source": revision.get("source"),
        "message": str(revision["message"]) if revision.get("message") else None,
        "counts": counts if isinstance(counts, dict) else {},
    }


def _counted(entry: dict[str, Any]) -> str:
    signs = (("+", "created"), ("~", "updated"), ("-", "deleted"))
    return " ".join(f"{sign}{entry['counts'][name]}" for sign, name in signs if entry["counts"].get(name))


def _keys(revision: Json) -> dict[str, list[str]]:
    found = revision.get("keys")
    keys = found if isinstance(found, dict) else {}
    return {word: sorted(map(str, keys.get(word) or [])) for word in ("created", "updated", "deleted")}
