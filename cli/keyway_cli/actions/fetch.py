"""Reading an environment, and noticing a server that went back in time."""

from __future__ import annotations

from keyway_cli.actions.context import Context
from keyway_cli.api import Api, Place, Pulled, Revision
from keyway_cli.errors import KeywayError, NotFound, RolledBack
from keyway_cli.revisions import Memory


def fetch(context: Context, api: Api, place: Place) -> Pulled:
    """The values of an environment. Raises NotFound when it has none, RolledBack when it was newer before."""
    memory = Memory(context.settings.state, context.api_url(), place)
    seen = memory.newest()
    try:
        pulled = api.pull(place)
    except NotFound as missing:
        missing.hint = f"another one: -e NAME; or fill it: keyway push -e {place.environment}"
        if seen is None:
            raise _unknown(api, place) or missing from None
        missing.hint = (
            f"this machine has seen revision {seen.number} of it: its values were removed, or the server went back"
        )
        raise
    if pulled.revision is not None:
        _judge(context, memory, seen, pulled.revision)
    return pulled


def _unknown(api: Api, place: Place) -> NotFound | None:
    """Why an environment has no values, when it is that there is no such environment."""
    from keyway_cli.actions.names import existing

    try:
        existing(api, place.repository, place.environment)
    except NotFound as unknown:
        return unknown
    except KeywayError:
        return None
    return None


def fetch_or_empty(context: Context, api: Api, place: Place) -> Pulled:
    """The values of an environment, or none."""
    try:
        return fetch(context, api, place)
    except NotFound as missing:
        if Memory(context.settings.state, context.api_url(), place).newest() is not None:
            context.terminal.warn(missing.hint)
        return Pulled({}, None)


def note(context: Context, place: Place, shown: Revision | None) -> None:
    """Judges and keeps a revision that the server shows. Raises RolledBack when it was newer before."""
    if shown is not None:
        memory = Memory(context.settings.state, context.api_url(), place)
        _judge(context, memory, memory.newest(), shown)


def remember(context: Context, place: Place, revision: Revision | None) -> None:
    """Keeps the revision that a push of ours made."""
    if revision is not None:
        _keep(context, Memory(context.settings.state, context.api_url(), place), revision)


def _judge(context: Context, memory: Memory, seen: Revision | None, shown: Revision) -> None:
    accept_rollback = context.chosen.accept_rollback
    try:
        memory.check(seen, shown)
    except RolledBack as rollback:
        if not accept_rollback:
            raise
        context.terminal.warn(f"accepted: {rollback.message}")
    _keep(context, memory, shown, even_if_older=accept_rollback)


def _keep(context: Context, memory: Memory, revision: Revision, *, even_if_older: bool = False) -> None:
    if why := memory.remember(revision, even_if_older=even_if_older):
        context.terminal.warn(f"{why}; a server that goes back in time would not be noticed")
