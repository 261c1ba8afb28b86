"""Values in the format of another program: printed, or written into a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from keyway_core.sensitive import Sensitive

from keyway_cli import envfiles
from keyway_cli.actions import gitignore
from keyway_cli.actions.consent import agreed, may_show
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch
from keyway_cli.actions.pull import usable
from keyway_cli.errors import KeywayError, UsageProblem
from keyway_cli.files import is_private, reason, write_private
from keyway_cli.formats.writing import is_label, label_of, written
from keyway_cli.running.choosing import chosen


class Wanted(NamedTuple):
    """What was said on the command line."""

    format: str
    output: str | None = None
    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    prefix: str = ""
    name: str | None = None


def export(context: Context, wanted: Wanted) -> None:
    """Reads an environment and hands its text over; nothing is printed or written that the format cannot carry.

    An assistant at the keyboard is shown nothing without a person; a file is like `pull`.
    """
    if wanted.name is not None and not is_label(wanted.name):
        raise UsageProblem("--name: lower case letters, digits, dashes and dots, as Kubernetes wants names")
    place = context.place()
    path = None if wanted.output in {None, "-"} else Path(str(wanted.output))
    target = envfiles.real_target(path) if path else None
    if path is None:
        may_show(context, f"what {place} holds", place.environment)
    pulled = fetch(context, context.api(), place)
    names = {"only": wanted.only, "excluded": wanted.excluded, "prefix": wanted.prefix}
    values = chosen(usable(context.terminal, pulled.values), **names)  # type: ignore[arg-type]
    text = written(wanted.format, values, wanted.name or label_of(place.repository.split("/")[-1], place.environment))
    result = {
        "exported": True,
        "repository": place.repository,
        "environment": place.environment,
        "format": wanted.format,
        "keys": list(values),
        "revision": pulled.revision.number if pulled.revision else None,
    }
    if path is None or target is None:
        _print(context, text, result)
    else:
        _write(context, path, target, text, result)


def _print(context: Context, text: Sensitive, result: dict[str, Any]) -> None:
    if context.terminal.as_json:
        context.terminal.result({**result, "text": text.reveal()}, "")
    else:
        context.terminal.document(text)


def _write(context: Context, path: Path, target: Path, text: Sensitive, result: dict[str, Any]) -> None:
    data = text.reveal().encode()
    before = _bytes_of(target)
    if before not in {None, data} and not agreed(
        context, f"{path} has another content. Overwrite it?", f"{path} would be overwritten"
    ):
        context.terminal.result({"exported": False}, "nothing was written")
        return
    if before != data or not is_private(target):
        write_private(target, data)
    gitignore.guard(context, target, ask=not context.chosen.yes)
    count = len(result["keys"])
    words = f"wrote {count} secret{'' if count == 1 else 's'} to {path}, as {result['format']}"
    context.terminal.result({**result, "file": str(path)}, words)


def _bytes_of(target: Path) -> bytes | None:
    try:
        return target.read_bytes() if target.exists() else None
    except OSError as error:
        raise KeywayError(f"cannot read {target}: {reason(error)}") from None
