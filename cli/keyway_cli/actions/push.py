"""From a `.env` file to the server."""

from __future__ import annotations

from pathlib import Path

from keyway_cli import envfiles
from keyway_cli.actions import publish
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch_or_empty, remember
from keyway_cli.api import Place, Pushed
from keyway_cli.changes import Changes, compare
from keyway_cli.errors import UsageProblem


def push(context: Context, *, file: str | None, prune: bool, consented: bool = False) -> None:
    """Sends what a file has that the environment has not; with `prune` also removes what the file has not.

    Who has `consented` to sending the file is only asked again when that would overwrite something.
    Raises UsageProblem when something would be overwritten and there is nobody to ask and no --yes.
    """
    path = Path(file) if file else _pick_file(context)
    envfiles.real_source(path)
    wanted = envfiles.read(path)
    for warning in envfiles.check_storable(path, wanted):
        context.terminal.warn(warning)
    place = context.place(_environment_for(context, path))
    api = context.api()
    base = fetch_or_empty(context, api, place)
    changes = compare(base.values, wanted, prune=prune)
    if not changes:
        _report(context, place, path, changes, Pushed(0, 0, 0, base.revision))
        return
    context.terminal.changes(changes, f"{place}, from {path}")
    if not (consented and not changes.overwrites) and not _agreed(context, place, changes):
        context.terminal.result({"pushed": False}, "nothing was sent")
        return
    send = publish.replace if prune else publish.merge
    pushed = send(api, place, base, wanted)
    remember(context, place, pushed.revision)
    _report(context, place, path, changes, pushed)


def _agreed(context: Context, place: Place, changes: Changes) -> bool:
    """A person is always asked; unattended, only what overwrites needs --yes."""
    if context.chosen.yes:
        return True
    if context.terminal.interactive:
        return context.terminal.confirm(f"Push these changes to {place}?", default=not changes.overwrites)
    if changes.overwrites:
        raise UsageProblem(
            "this would overwrite or remove values, and there is nobody to ask", "add --yes if that is meant"
        )
    return True


def _environment_for(context: Context, path: Path) -> str:
    """What was said, else what the file is named after; a plain `.env` is of the environment that is meant."""
    if context.chosen.environment is not None or path.name == ".env":
        return context.environment
    return envfiles.checked_environment_of(path)


def _pick_file(context: Context) -> Path:
    """The one `.env` file that is meant: the only one, the one of the environment, or a person's choice."""
    environment = context.chosen.environment or context.settings.environment
    found = envfiles.candidates(Path.cwd())
    if environment:
        found = [path for path in found if envfiles.environment_of(path.name) == environment] or found
    if not found:
        raise UsageProblem("there is no .env file in this folder", "name one with -f")
    names = [path.name for path in found]
    if len(names) == 1:
        return Path(names[0])
    if context.terminal.interactive:
        return Path(context.terminal.choose("which file", names))
    if ".env" in names:
        return Path(".env")
    raise UsageProblem(f"there are several files: {', '.join(names)}", "name one with -f")


def _report(context: Context, place: Place, path: Path, changes: Changes, pushed: Pushed) -> None:
    number = pushed.revision.number if pushed.revision else None
    done = f"{pushed.created} created, {pushed.updated} updated, {pushed.deleted} deleted"
    words = (
        f"pushed {path} to {place}: {done}" if any(pushed[:3]) else f"{place} has everything that is in {path} already"
    )
    context.terminal.result(
        {
            "pushed": any(pushed[:3]),
            "repository": place.repository,
            "environment": place.environment,
            "file": str(path),
            **changes.as_json(),
            "created": pushed.created,
            "updated": pushed.updated,
            "deleted": pushed.deleted,
            "revision": number,
        },
        words + (f" (revision {number})" if number else ""),
    )
