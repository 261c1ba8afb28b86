"""An environment and a project of another provider, made alike."""

from __future__ import annotations

from typing import Any, NamedTuple

from keyway_cli import vaults
from keyway_cli.actions.consent import agreed
from keyway_cli.actions.context import Context
from keyway_cli.api import Api, Json
from keyway_cli.changes import Changes
from keyway_cli.errors import KeywayError, NotFound, UsageProblem


class Wish(NamedTuple):
    """What was asked for on the command line."""

    provider: str
    project: str | None
    service: str | None
    provider_environment: str | None
    pull: bool
    allow_delete: bool


def sync(context: Context, wish: Wish) -> None:
    """Shows by name what would change, asks, and copies. Raises KeywayError when the provider failed."""
    if wish.pull and wish.allow_delete:
        raise UsageProblem("--allow-delete goes with a push only", "a pull never removes a key")
    place, api = context.place(), context.api()
    project = _project(context, api, wish)
    wanted: Json = {
        "connectionId": str(project.get("connectionId")),
        "projectId": str(project.get("id")),
        "keywayEnvironment": place.environment,
        "providerEnvironment": wish.provider_environment or place.environment,
    }
    if project.get("serviceId"):
        wanted["serviceId"] = str(project["serviceId"])
    direction: Json = {"direction": "pull" if wish.pull else "push", "allowDelete": wish.allow_delete}
    try:
        preview = vaults.sync_preview(api, place.repository, wanted | direction)
    except KeywayError as error:
        if names := ", ".join(map(str, project.get("environments") or [])):
            error.hint = error.hint or f"{project.get('name')} has {names}: name one with --provider-env"
        raise
    there = f"{wanted['providerEnvironment']} of {project.get('name')} at {wish.provider}"
    source, target = (there, str(place)) if wish.pull else (str(place), there)
    changes = _changes(preview)
    if not changes:
        context.terminal.result(_result(wanted, {}, changes), f"{target} has everything of {source} already")
        return
    context.terminal.changes(changes, f"{target}, from {source}")
    if not agreed(context, f"Make these changes to {target}?", f"this would change {target}"):
        context.terminal.result(_result(wanted, {}, changes), "nothing was changed")
        return
    vaults.link(api, place.repository, wanted)
    done = vaults.sync(api, place.repository, wanted | direction)
    _report(context, done, _result(wanted, done, changes), target)


def _project(context: Context, api: Api, wish: Wish) -> Json:
    """The project that is meant: named, the only one, the one linked to this repository, or a person's choice."""
    try:
        reached = vaults.projects(api, wish.provider)
    except NotFound as unknown:
        raise NotFound(
            f"this server knows no provider {wish.provider}", "keyway connections shows which it knows"
        ) from unknown
    if not reached:
        raise _unreached(api, wish.provider)
    found = [p for p in reached if wish.project is None or wish.project in {p.get("id"), p.get("name")}]
    found = [p for p in found if wish.service is None or wish.service in {p.get("serviceId"), p.get("serviceName")}]
    if wish.project is None and len(found) > 1:
        own = [p for p in found if str(p.get("linkedRepo") or "").lower() == context.repository().lower()]
        found = own or found
    if len(found) == 1:
        return found[0]
    names = [_label(project) for project in found or reached]
    if not found:
        raise NotFound(f"no such project at {wish.provider}", f"there are {', '.join(names)}")
    if not context.terminal.interactive:
        raise UsageProblem(f"there are several projects: {', '.join(names)}", "name one with --project and --service")
    return found[names.index(context.terminal.choose("which project", names))]


def _unreached(api: Api, provider: str) -> NotFound:
    """Why no project is known. Raises KeywayError when the provider itself says why."""
    connections = [one for one in vaults.connections(api) if one.get("provider") == provider]
    if not connections:
        return NotFound(f"you have no connection to {provider}", f"keyway connect {provider}")
    for connection in connections:
        vaults.projects_of(api, str(connection.get("id")))
    return NotFound(f"your account at {provider} has no project", f"make one there, or keyway connect {provider} anew")


def _label(project: Json) -> str:
    parts = [str(project.get(name)) for name in ("name", "serviceName", "id") if project.get(name)]
    return " / ".join(parts)


def _changes(preview: Json) -> Changes:
    names = {word: sorted(map(str, preview.get(word) or [])) for word in ("toCreate", "toUpdate", "toDelete", "toSkip")}
    return Changes(names["toCreate"], names["toUpdate"], names["toDelete"], names["toSkip"])


def _result(wanted: Json, done: Json, changes: Changes) -> dict[str, Any]:
    stats = done.get("stats")
    counts = {name: stats.get(name) for name in ("created", "updated", "deleted", "skipped")} if stats else None
    return {
        "synced": bool(done.get("success")),
        **wanted,
        **changes.as_json(),
        "skipped": changes.unchanged,
        "stats": counts,
    }


def _report(context: Context, done: Json, result: dict[str, Any], target: str) -> None:
    if not done.get("success"):
        raise KeywayError(
            f"the sync failed: {done.get('error') or 'the provider did not say why'}",
            "what was done before that stays; run it again",
        )
    stats = result["stats"] or {}
    counts = ", ".join(f"{stats[name]} {name}" for name in ("created", "updated", "deleted") if stats.get(name))
    context.terminal.result(result, f"synced {target}: {counts or 'nothing was left to do'}")
