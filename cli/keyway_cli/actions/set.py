"""One key of an environment."""

from __future__ import annotations

import sys
from pathlib import Path

from keyway_core import dotenv
from keyway_core.limits import VALUE_BYTES
from keyway_core.names import is_key, is_refused_key, is_warned_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli import envfiles
from keyway_cli.actions import gitignore, publish
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch_or_empty, remember
from keyway_cli.api import Place
from keyway_cli.changes import Changes, compare
from keyway_cli.errors import KeywayError, UsageProblem


def set_key(context: Context, *, key: str, value: str | None, local: bool) -> None:
    """Gives one key a value, on the server and with `local` in the folder's `.env` too. No other key is touched."""
    if value is None and "=" in key:
        key, value = key.split("=", 1)
    _check_name(context, key)
    wanted = {key: _checked_value(key, _asked(context, key, value))}
    place = context.place()
    api = context.api()
    base = fetch_or_empty(context, api, place)
    changes = compare(base.values, wanted)
    if not _agreed(context, key, place, changes):
        context.terminal.result({"set": False}, "nothing was changed")
        return
    pushed = publish.merge(api, place, base, wanted)
    remember(context, place, pushed.revision)
    if local:
        _write_locally(context, wanted)
    _report(context, key, place, changes, pushed.revision.number if pushed.revision else None)


def _check_name(context: Context, key: str) -> None:
    if not is_key(key):
        raise UsageProblem("that is no name for a key", "letters, digits and _, no digit first, at most 256 characters")
    if is_refused_key(key):
        raise UsageProblem(f"{key} changes how programs start and is not stored", "use another name")
    if is_warned_key(key):
        context.terminal.warn(f"{key} changes how an interpreter starts, for everyone who uses this environment")


def _asked(context: Context, key: str, value: str | None) -> str:
    """The value: as given, from stdin for `-`, or typed without being shown."""
    if value == "-":
        return _from_stdin()
    if value is not None:
        return value
    if context.terminal.interactive:
        return context.terminal.ask_secret(f"value of {key}")
    raise UsageProblem(f"there is no value for {key}, and nobody to ask", f"keyway set {key} - reads it from stdin")


def _from_stdin() -> str:
    """All of stdin without its last line end, which `echo` adds."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise KeywayError("stdin is not UTF-8", "encode the value first, for example with base64") from None
    return text.removesuffix("\n").removesuffix("\r")


def _checked_value(key: str, value: str) -> Sensitive:
    """Refuses an empty value: it is far more often a shell variable that is not set than a wish."""
    if not value:
        raise UsageProblem(f"the value of {key} is empty", f"if that is meant, push a file with the line {key}=")
    if (reason := unstorable(value)) is not None:
        raise KeywayError(f"the value of {key} contains {reason}, which cannot be stored")
    if (size := len(value.encode())) > VALUE_BYTES:
        raise KeywayError(f"the value of {key} has {size} bytes; a value may have {VALUE_BYTES}")
    return Sensitive(value)


def _agreed(context: Context, key: str, place: Place, changes: Changes) -> bool:
    if context.chosen.yes or not changes.overwrites:
        return True
    context.terminal.changes(changes, str(place))
    if context.terminal.interactive:
        return context.terminal.confirm(f"Overwrite {key} in {place}?")
    raise UsageProblem(f"{key} has another value in {place}, and there is nobody to ask", "add --yes to overwrite it")


def _write_locally(context: Context, wanted: dict[str, Sensitive]) -> None:
    path = Path(".env")
    target = envfiles.real_target(path)
    text = envfiles.read_text(target) if target.exists() else ""
    envfiles.write(target, envfiles.merged(path, text, wanted) if text else dotenv.render(wanted))
    gitignore.guard(context, target)


def _report(context: Context, key: str, place: Place, changes: Changes, revision: int | None) -> None:
    did = "created" if changes.added else "updated" if changes.changed else "unchanged"
    context.terminal.result(
        {
            "set": bool(changes),
            "key": key,
            "repository": place.repository,
            "environment": place.environment,
            "status": did,
            "revision": revision,
        },
        f"{key} {did} in {place}" + (f" (revision {revision})" if revision else ""),
    )
