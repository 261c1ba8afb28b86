"""One value, printed."""

from __future__ import annotations

from keyway_cli import vaults
from keyway_cli.actions.consent import may_show
from keyway_cli.actions.context import Context
from keyway_cli.actions.names import checked_key
from keyway_cli.errors import NotFound


def get(context: Context, *, key: str) -> None:
    """Reads one value and no other, so that the record of who saw what says exactly that."""
    checked_key(key)
    place = context.place()
    may_show(context, f"the value of {key}", key)
    try:
        value = vaults.view(context.api(), place, key)
    except NotFound as missing:
        missing.message = f"there is no {key} in {place}, or you may not read it"
        missing.hint = "keyway list shows the names that there are"
        raise
    if context.terminal.as_json:
        shown = {"key": key, "value": value.reveal(), "repository": place.repository, "environment": place.environment}
        context.terminal.result(shown, "")
    else:
        context.terminal.value(value)
