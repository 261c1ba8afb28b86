"""From the export file of another program into an environment: first what would happen, then that, if it is meant."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from keyway_core.limits import KEYS_PER_ENVIRONMENT, PLAINTEXT_BYTES_PER_ENVIRONMENT, REQUEST_BODY_BYTES, VALUE_BYTES
from keyway_core.names import is_key, is_refused_key, is_warned_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli import envfiles
from keyway_cli.actions import publish
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch_or_empty, remember
from keyway_cli.api import Place, Revision
from keyway_cli.changes import Changes, compare
from keyway_cli.errors import ExitCode, KeywayError, UsageProblem
from keyway_cli.files import reason
from keyway_cli.formats.providers import PLAIN, Entry, Found, read
from keyway_cli.formats.reading import SYNTAXES, Unreadable, decoded, shown, syntax_of
from keyway_cli.running.choosing import chosen

STDIN: Final = "-"


class Wanted(NamedTuple):
    """What was said on the command line."""

    file: str
    source: str | None = None
    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    apply: bool = False


class Plan(NamedTuple):
    """What an import comes to: values to send, what they change, and the entries that are not sent."""

    found: Found
    values: dict[str, Sensitive]
    changes: Changes
    refused: list[Entry]
    left_out: list[Entry]


def import_file(context: Context, wanted: Wanted) -> ExitCode:
    """Reports key by key what a file would change, and changes that when it was said, or when a person agrees.

    Only keys of the file are touched. With a refused key nothing is sent, and the exit code is 1.
    """
    found = _read(wanted)
    if found.provider != PLAIN:
        context.terminal.say(f"{_called(wanted)} is read as an export of {found.provider}")
    place = context.place()
    api = context.api()
    base = fetch_or_empty(context, api, place)
    plan = _planned(found, base.values, wanted)
    for key in filter(is_warned_key, plan.values):
        context.terminal.warn(f"{key} changes how an interpreter starts, for everyone who uses this environment")
    said = not plan.refused and bool(plan.changes) and _said(context, wanted, plan)
    asks = not (said or plan.refused) and bool(plan.changes) and _can_ask(context, wanted)
    if not said and not (asks and _agreed(context, place, wanted, plan)):
        _report(context, place, wanted, plan, base.revision, applied=False, asked=asks)
        return _verdict(context, place, plan, asked=asks)
    pushed = publish.merge(api, place, base, plan.values)
    remember(context, place, pushed.revision)
    _report(context, place, wanted, plan, pushed.revision, applied=True, asked=asks)
    context.terminal.say(f"imported into {place}; {_called(wanted)} still holds these values: remove it")
    return ExitCode.OK


def _read(wanted: Wanted) -> Found:
    """What the file holds. Raises KeywayError with the file's name and the line."""
    try:
        text = decoded(_bytes(wanted.file))
        syntax = wanted.source if wanted.source in SYNTAXES else syntax_of(wanted.file, text)
        return read(text, str(syntax), PLAIN if wanted.source in SYNTAXES else wanted.source)
    except Unreadable as error:
        place = f"{_called(wanted)}:{error.line}" if error.line else _called(wanted)
        raise KeywayError(f"{place}: {error.reason}", error.hint or "nothing was sent") from None


def _called(wanted: Wanted) -> str:
    return "stdin" if wanted.file == STDIN else wanted.file


def _bytes(name: str) -> bytes:
    """At most as much as a push may hold; a larger file is refused before it is read."""
    if name == STDIN:
        data = sys.stdin.buffer.read(REQUEST_BODY_BYTES + 1)
    else:
        path = envfiles.real_source(Path(name))
        if not path.is_file():
            raise KeywayError(f"{name} {'is no file' if path.exists() else 'does not exist'}", "- reads from stdin")
        try:
            with path.open("rb") as file:
                data = file.read(REQUEST_BODY_BYTES + 1)
        except OSError as error:
            raise KeywayError(f"cannot read {name}: {reason(error)}") from None
    if len(data) > REQUEST_BODY_BYTES:
        raise KeywayError(f"{name} is larger than {envfiles.LARGEST}", "import it in parts")
    return data


def _planned(found: Found, before: dict[str, Sensitive], wanted: Wanted) -> Plan:
    names = {entry.name: Sensitive("") for entry in found.entries}
    kept = chosen(names, only=wanted.only, excluded=wanted.excluded, prefix="")
    entries = _alone([entry if entry.left_out else _judged(entry) for entry in found.entries if entry.name in kept])
    values = {one.name: one.value for one in entries if one.value is not None and not (one.refused or one.left_out)}
    _refuse_too_much(before | values)
    refused = [entry for entry in entries if entry.refused and not entry.left_out]
    return Plan(found, values, compare(before, values), refused, [entry for entry in entries if entry.left_out])


def _refuse_too_much(values: dict[str, Sensitive]) -> None:
    """What an environment may hold, told before anything is sent."""
    size = sum(len(value.reveal().encode()) for value in values.values())
    for count, limit, what in (
        (len(values), KEYS_PER_ENVIRONMENT, "keys"),
        (size, PLAINTEXT_BYTES_PER_ENVIRONMENT, "bytes of values"),
    ):
        if count > limit:
            raise KeywayError(f"the environment would have {count} {what}; it may have {limit}", "choose with --only")


def _judged(entry: Entry) -> Entry:
    """What the server would refuse, found here, where the place in the file is known."""
    why = entry.refused
    if not is_key(entry.name):
        why = "is no name for a key: letters, digits and _, no digit first, at most 256 characters"
    elif is_refused_key(entry.name):
        why = "changes how programs start and is not stored"
    elif entry.value is not None and not why:
        plain = entry.value.reveal()
        size = len(plain.encode(errors="surrogatepass"))
        if (bad := unstorable(plain)) is not None:
            why = f"contains {bad}, which cannot be stored"
        elif size > VALUE_BYTES:
            why = f"has {size} bytes; a value may have {VALUE_BYTES}"
    return entry._replace(refused=why)


def _alone(entries: Iterable[Entry]) -> list[Entry]:
    """Every name once: which of two different values is meant, nobody can tell."""
    found: dict[str, Entry] = {}
    others: list[Entry] = []
    for entry in entries:
        first = found.get(entry.name)
        if entry.left_out or first is None or first.refused:
            (others.append(entry) if entry.left_out or first else found.update({entry.name: entry}))
        elif entry.refused or _plain(first) != _plain(entry):
            found[entry.name] = first._replace(refused=f"has another value in {entry.where or 'the same file'}")
    return [*found.values(), *others]


def _plain(entry: Entry) -> str | None:
    return entry.value.reveal() if entry.value else None


def _said(context: Context, wanted: Wanted, plan: Plan) -> bool:
    """--apply is enough for what is new; what overwrites takes a person's yes, or --yes."""
    if context.chosen.yes:
        return True
    if not wanted.apply or (plan.changes.overwrites and context.terminal.interactive):
        return False
    if plan.changes.overwrites:
        raise UsageProblem(
            f"this would overwrite {', '.join(plan.changes.changed)}, and there is nobody to ask",
            "add --yes if that is meant, or leave them out with --except",
        )
    return True


def _can_ask(context: Context, wanted: Wanted) -> bool:
    """Whether there is a person before the terminal. Nobody is asked who only reads from a pipe."""
    return context.terminal.interactive and wanted.file != STDIN


def _agreed(context: Context, place: Place, wanted: Wanted, plan: Plan) -> bool:
    """A person's answer, who sees the names first."""
    context.terminal.changes(plan.changes, f"{place}, from {_called(wanted)}")
    return context.terminal.confirm(f"Import into {place}?")


def _verdict(context: Context, place: Place, plan: Plan, *, asked: bool) -> ExitCode:
    if plan.refused:
        names = ",".join(entry.name for entry in plan.refused if is_key(entry.name))
        context.terminal.warn("nothing was sent" + (f"; without them: --except {names}" if names else ""))
        return ExitCode.ERROR
    if asked:
        context.terminal.say("nothing was sent")
    elif plan.changes:
        context.terminal.say("nothing was sent: this only shows what would be done; --apply does it")
    elif plan.values:
        context.terminal.say(f"{place} has all of it already")
    return ExitCode.OK


def _report(
    context: Context, place: Place, wanted: Wanted, plan: Plan, revision: Revision | None, *, applied: bool, asked: bool
) -> None:
    """Every key of the file with what happens to it, but for what a person has just seen; never a value."""
    changes = plan.changes
    data: dict[str, Any] = {
        "applied": applied,
        "repository": place.repository,
        "environment": place.environment,
        "file": _called(wanted),
        "from": plan.found.syntax if plan.found.provider == PLAIN else plan.found.provider,
        "added": changes.added,
        "changed": changes.changed,
        "unchanged": changes.unchanged,
        "refused": [_told(entry, entry.refused) for entry in plan.refused],
        "leftOut": [_told(entry, entry.left_out) for entry in plan.left_out],
        "revision": revision.number if revision else None,
    }
    seen = asked and sys.stdout.isatty()
    lines = [] if seen else [f"+ {key}  added" for key in changes.added]
    lines += [] if seen else [f"~ {key}  changed" for key in changes.changed]
    lines += [f"= {key}  unchanged" for key in changes.unchanged]
    lines += [f"! {_line(entry, 'refused', entry.refused)}" for entry in plan.refused]
    lines += [f". {_line(entry, 'left out', entry.left_out)}" for entry in plan.left_out]
    context.terminal.lines(data, lines)


def _told(entry: Entry, why: str) -> dict[str, str]:
    return {"key": shown(entry.name), "where": entry.where, "reason": why}


def _line(entry: Entry, what: str, why: str) -> str:
    return f"{shown(entry.name)}  {what}: {why}" + (f" ({entry.where})" if entry.where else "")
