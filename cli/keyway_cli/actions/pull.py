"""From the server to a `.env` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from keyway_core import dotenv
from keyway_core.names import is_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli import envfiles
from keyway_cli.actions import gitignore
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch
from keyway_cli.api import Place, Pulled
from keyway_cli.changes import Changes, compare
from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.files import is_private
from keyway_cli.refused import is_refused
from keyway_cli.terminal import Terminal, one_line


def pull(context: Context, *, file: str, force: bool) -> None:
    """Writes the values of an environment into a file: into its lines, or with `force` instead of them.

    Raises UsageProblem when something would be overwritten and there is nobody to ask and no --yes.
    """
    yes, path = context.chosen.yes, Path(file)
    place = context.place()
    target = envfiles.real_target(path)
    if (implied := envfiles.environment_of(path.name)) != place.environment and path.name != ".env":
        context.terminal.warn(f"{path.name} is named after {implied}; it gets the values of {place.environment}")
    pulled = fetch(context, context.api(), place)
    values = usable(context.terminal, pulled.values)
    before, text = _planned(target, values, force=force)
    changes = compare(before, values, prune=force)
    if changes and not _agreed(context, path, changes, yes=yes):
        context.terminal.result({"pulled": False}, "nothing was written")
        return
    if changes or not target.exists() or not is_private(target):
        envfiles.write(target, text)
    gitignore.guard(context, target, ask=not yes)
    _report(context, place, path, changes, pulled)


def usable(terminal: Terminal, values: Mapping[str, Sensitive]) -> dict[str, Sensitive]:
    """The values whose names no file and no process has to fear; the others are named and left out."""
    refused = sorted(key for key in values if not is_key(key) or is_refused(key))
    if refused:
        terminal.warn(
            f"left out, because these names change how programs start or are no names: {one_line(', '.join(refused))}"
        )
    unwritable = [key for key, value in values.items() if key not in refused and unstorable(value.reveal())]
    if unwritable:
        raise KeywayError(f"the server sent what no file can hold, in {', '.join(unwritable)}", "nothing was written")
    return {key: value for key, value in values.items() if key not in refused}


def _planned(target: Path, values: Mapping[str, Sensitive], *, force: bool) -> tuple[Mapping[str, Sensitive], str]:
    """What the file holds now, and the text that it is to have."""
    if not target.exists():
        return {}, dotenv.render(values)
    if not force:
        text = envfiles.read_text(target)
        merged = envfiles.merged(target, text, values)
        return dotenv.parse(text), merged
    try:
        return dotenv.parse(dotenv.decode(target.read_bytes())), dotenv.render(values)
    except dotenv.DotenvError:
        return {}, dotenv.render(values)


def _agreed(context: Context, path: Path, changes: Changes, *, yes: bool) -> bool:
    """Whether lines that are there may be overwritten; only then is there something to ask."""
    if not changes.overwrites:
        return True
    context.terminal.changes(changes, str(path))
    if yes:
        return True
    if context.terminal.interactive:
        return context.terminal.confirm(f"Write these changes to {path}?")
    raise UsageProblem(f"{path} has other values, and there is nobody to ask", "add --yes to overwrite them")


def _report(context: Context, place: Place, path: Path, changes: Changes, pulled: Pulled) -> None:
    count = len(changes.added) + len(changes.changed) + len(changes.unchanged)
    values = f"{count} secret{'' if count == 1 else 's'} of {place}"
    context.terminal.result(
        {
            "pulled": True,
            "repository": place.repository,
            "environment": place.environment,
            "file": str(path),
            "secrets": count,
            **changes.as_json(),
            "revision": pulled.revision.number if pulled.revision else None,
        },
        f"wrote {values} to {path}" if changes else f"{path} is up to date with {values}",
    )
